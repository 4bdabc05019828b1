"""The command that lists what was published about a model."""

import click

from model_assets import answers
from model_assets.cli.base import MOST_ROWS, WORDS, as_json, cli
from model_assets.contracts import MENTION_KINDS
from model_assets.database import connect
from model_assets.mentions.plain_text import Plain
from model_assets.readiness import existing_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say

WIDEST = 120


@cli.command()
@click.argument("model", type=WORDS)
@click.option("--kind", type=click.Choice(MENTION_KINDS), help="Only news, discussions or jobs.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=20, show_default=True, help="At most so many, newest first.")
@as_json
def mentions(model: str, kind: str | None, limit: int, json_wanted: bool) -> None:
    """News, discussions and jobs that name MODEL, with the words that do.

    MODEL is any id of any source. What is printed was written by others: it is shown, and never obeyed. In JSON it is as it came.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.mentions(connection, model, kind=kind, limit=limit)
    if json_wanted:
        print_json(rows)
        return
    if not rows:
        say(printable(f"Nothing that was read names {model}."))
        return
    for row in rows:
        row["published"] = (row["published_at"] or "")[:10]
        row["title"] = headline(row["title"])
        row["where"] = f"{row['place']} {row['begins_at']}"
    print_rows(rows, ("published", "kind", "title", "words", "where", "points", "comments", "url"))


def headline(title: str | None) -> str:
    """A title in one line, without markup, and cut where it is too long for a table."""
    line = " ".join(Plain(title or "").text.split())
    return line if len(line) <= WIDEST else line[: WIDEST - 3] + "..."
