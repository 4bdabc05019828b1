"""What the commands share: the group, instants and texts as arguments, and how errors end."""

import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from model_assets import answers
from model_assets.database import down_message, is_down, plain
from model_assets.errors import ModelAssetsError
from model_assets.readiness import remedied
from model_assets.settings import read_settings
from model_assets.sources import SOURCES
from model_assets.terminal import complain, say

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON: amounts as text, times in UTC.")
source_names = click.Choice(sorted(SOURCES))
#: what a --limit may ask for
MOST_ROWS = 1_000_000


class Instant(click.ParamType):
    """An instant on the command line."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return answers.read_instant(value)
        except ModelAssetsError as error:
            self.fail(str(error), param, ctx)


class Words(click.ParamType):
    """Text that a database can hold: an argument may be any bytes."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(value).encode().decode()
        except UnicodeError:
            self.fail(f"{value!r} is not UTF-8 text.", param, ctx)


INSTANT = Instant()
WORDS = Words()


class _Listed(click.Group):
    """Its help, and that of the groups in it, has each command in one whole line: click would cut it at the width of the terminal."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        with formatter.section("Commands"):
            for name in self.list_commands(ctx):
                formatter.write(f"  {name:<{width}}  {self.commands[name].get_short_help_str(limit=200)}\n")


@click.group(cls=_Listed, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, invoke_without_command=True)
@click.option("--version", "version_wanted", is_flag=True, help="Show the version and exit.")
@click.pass_context
def cli(context: click.Context, version_wanted: bool) -> None:
    """Which AI models exist, what each costs, how well it does and who may use it; today and on any past day.

    An instant is written 2026-01-16T00:10Z; a day alone, 2026-01-16, stands for its end; `now` is now.
    """
    if version_wanted:
        say(_version())
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def _version() -> str:
    try:
        return version("model-assets")
    except PackageNotFoundError:
        return "not installed: run from a folder"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; known errors end in one line on stderr and their exit code."""
    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, prog_name="model-assets", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:  # a group without a command: its help, which is no line
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        complain(f"{error.format_message()} See `{context.command_path if context else 'model-assets'} --help`.")
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except ModelAssetsError as error:
        complain(error)
        sys.exit(error.exit_code)
    except DBAPIError as error:
        if isinstance(error, OperationalError) and is_down(error):
            complain(down_message(_url_of(error), error))
            sys.exit(2)
        if (said := remedied(error)) is None:
            raise
        complain(said)
        sys.exit(1)


def _url_of(error: OperationalError) -> str:
    return read_settings().database_url or "postgresql://127.0.0.1/model_assets"


def shown_url(url: str) -> str:
    """A database's address without its password."""
    from sqlalchemy.engine import make_url

    return make_url(plain(url)).render_as_string(hide_password=True)


def age(seconds: int | None) -> str | None:
    """A span for a person: in hours for two days, in days from then on."""
    if seconds is None:
        return None
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
