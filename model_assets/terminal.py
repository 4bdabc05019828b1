"""What the command line shows a person or a script: lines, tables, progress, JSON. Text from outside is never obeyed by the terminal."""

import io
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text


def say(words: str) -> None:
    """Print on stdout. Where its reader has gone (`model-assets diff ... | head`), print to nobody: the work goes on, and its exit code counts."""
    try:
        click.echo(words)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: object) -> None:
    """Print an error on stderr, in one line."""
    click.echo(f"model-assets: {printable(' '.join(str(error).split()))}", err=True)


def printable(words: str) -> str:
    """`words` with whatever a terminal would obey or hide, such as escape and direction characters, made visible."""
    return words if words.isprintable() else "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in words)


@contextmanager
def progress(what: str, total: int) -> Any:
    """A progress bar on stderr when a person is looking, and nothing otherwise."""
    if not sys.stderr.isatty() or total < 2:
        yield lambda _: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[now]}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, now="")
        yield lambda name: bar.update(task, advance=1, now=name)


def print_json(found: object) -> None:
    """JSON for scripts."""
    say(json.dumps(found, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """A table of some columns, as wide as the terminal, or wide enough not to cut ids where there is none; what is null stays empty.

    On a terminal too narrow to read or copy from such a table, each row is a paragraph instead, without what is null.
    """
    terminal = sys.stdout.isatty()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=None if terminal else 180)
    if terminal and _least_width(rows, columns) > console.width:
        _print_paragraphs(rows, columns, title, console.width)
        return
    table = Table(title=Text(printable(title)) if title else None, title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name in NUMBERS else "left")
    for row in rows:  # as Text, because rich would read [brackets] and :colons: in plain words as its own
        table.add_row(*(Text("" if row.get(name) is None else printable(str(row[name]))) for name in columns))
    console.print(table)
    say("\n".join(line.rstrip() for line in console.file.getvalue().splitlines()))  # type: ignore[attr-defined]


def _least_width(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> int:
    """How many characters a table takes in which no cell is folded to fewer than READABLE of them."""
    widest = (max((len(str(row[name])) for row in rows if row.get(name) is not None), default=0) for name in columns)
    return sum(max(3, min(cell, READABLE)) + 3 for cell in widest) + 1


def _print_paragraphs(rows: Sequence[dict[str, Any]], columns: Sequence[str], title: str, width: int) -> None:
    if title:
        say(printable(title))
    for row in rows:
        said = (
            f"{name.replace('_', ' ')} {printable(str(row[name]))}" for name in columns if row.get(name) is not None and row[name] != ""
        )
        say(
            textwrap.fill(
                ", ".join(said), width, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
        )


READABLE = 8  # characters in a line of a cell
NUMBERS = {
    "observations", "listings", "prices", "scores", "mentions", "added", "changed", "closed", "quarantined", "seconds", "amount", "from", "to",
    "prompt_above_tokens",
    "share_mapped", "run_id", "age", "refused_since",
}  # fmt: skip
