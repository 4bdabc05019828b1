"""The command line: `model-assets`. Exit code 0 only if all of it worked; an error is one line on stderr that says what to do."""

import getpass
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import OperationalError

from model_assets import answers, embedded, loading, recording_files
from model_assets.database import connect, down_message, is_down, ledger_url, plain
from model_assets.errors import BadRecording, ModelAssetsError
from model_assets.loading import Report
from model_assets.settings import Settings, read_settings
from model_assets.sources import SOURCES
from model_assets.sources.base import Source

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON: amounts as text, times in UTC.")
source_names = click.Choice(sorted(SOURCES))


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


INSTANT = Instant()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="model-assets")
def cli() -> None:
    """Which AI models exist, what each costs, how well it does and who may use it; today and on any past day.

    An instant is written 2026-01-16T00:10Z; a day alone, 2026-01-16, stands for its end; `now` is now.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; known errors end in one line on stderr and their exit code."""
    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except ModelAssetsError as error:
        click.echo(f"model-assets: {error}", err=True)
        sys.exit(error.exit_code)
    except OperationalError as error:
        if not is_down(error):
            raise
        click.echo(f"model-assets: {down_message(_url_of(error), error)}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone: `model-assets diff ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _url_of(error: OperationalError) -> str:
    return read_settings().database_url or "postgresql://127.0.0.1/model_assets"


def console() -> Console:
    """Tables for a person: as wide as the terminal, or wide enough not to cut ids where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=180)


def ledger(settings: Settings) -> str:
    """The URL of the ledger, its tables there and up to date: any command that needs them makes them."""
    from model_assets.ledger.migrate import migrate  # alembic and sqlglot take a while to import

    url = ledger_url(settings)
    migrate(url)
    return url


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
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """A table of some columns; what is null stays empty."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name in NUMBERS else "left")
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in columns))
    console().print(table)


NUMBERS = {
    "observations", "listings", "prices", "added", "changed", "closed", "quarantined", "seconds", "amount", "from", "to", "prompt_above_tokens",
    "share_mapped",
}  # fmt: skip


def finish(reports: Sequence[Report], json_wanted: bool, title: str, problems: Sequence[str] = ()) -> None:
    """Print what loading did, name what failed, and end with 1 where anything did."""
    if json_wanted:
        print_json({"sources": [report.as_dict() for report in reports], "problems": list(problems)})
    elif reports:
        rows = [
            report.as_dict()
            | {
                "share_mapped": "" if report.share_mapped is None else f"{report.share_mapped:.2%}",
                "outcome": "failed" if report.errors else "ok",
            }
            for report in reports
        ]
        print_rows(
            rows,
            (
                "source",
                "outcome",
                "observations",
                "listings",
                "prices",
                "added",
                "changed",
                "closed",
                "quarantined",
                "share_mapped",
                "seconds",
            ),
            title,
        )
        for report in reports:
            if report.unmapped:
                click.echo(
                    f"{report.source}: price keys without a rule: {', '.join(f'{key} ({count})' for key, count in report.unmapped.most_common(10))}"
                )
    errors = [error for report in reports for error in report.errors] + list(problems)
    for error in errors:
        click.echo(f"model-assets: {error}", err=True)
    if errors:
        sys.exit(1)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web UI listens; beyond loopback it is read-only.")
@click.option("--port", default=3000, show_default=True, help="The web UI's port.")
def up(host: str, port: int) -> None:
    """Run everything on this machine: database, migrations, Dagster's web UI and daemon. Ctrl-C or SIGTERM stops all but the database."""
    from model_assets import supervisor

    settings = read_settings()
    sys.exit(supervisor.run(settings, ledger(settings), host=host, port=port))


@cli.command()
@click.argument("sources", nargs=-1, type=source_names)
@click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing.")
@as_json
def sync(sources: tuple[str, ...], dry_run: bool, json_wanted: bool) -> None:
    """Read SOURCES (all, when none is named) from the network now, side by side."""
    from model_assets.resources import fetch_policy

    settings = read_settings()
    wanted: list[Source] = [SOURCES[name] for name in sources or SOURCES]
    url = ledger(settings)
    with progress("sync", len(wanted)) as step:
        reports = loading.sync(url, wanted, fetch_policy(), step, dry_run=dry_run)
    if dry_run and not json_wanted:
        for report in reports:
            if report.changes:
                rows = [change.as_dict() for change in report.changes]
                print_rows(
                    rows, ("change", "relation", "provider", "listed_id", "what", "before", "after"), f"{report.source}: what would change"
                )
    if not dry_run:
        loading.refresh_tables(url)
    finish(reports, json_wanted, "what would be synced" if dry_run else "synced")


@cli.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--source", "only", type=source_names, multiple=True, help="Only this source (may be given more than once).")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Only observations of this UTC day and later.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Only observations of this UTC day and earlier.")
@as_json
def import_(path: Path, only: tuple[str, ...], first: datetime | None, last: datetime | None, json_wanted: bool) -> None:
    """Load recordings from PATH: a folder of sources, one source's folder, or one file (<source>/<instant>.<ext>.gz)."""
    found = recording_files.find(path, SOURCES)
    chosen = [
        recording
        for recording in found.recordings
        if (not only or recording.source in only)
        and (first is None or recording.observed_at.date() >= first.date())
        and (last is None or recording.observed_at.date() <= last.date())
    ]
    for name, count in found.unknown.items():
        click.echo(f"skipped {count} recordings of {name}: not a source known here ({', '.join(SOURCES)})", err=True)
    if not chosen and not found.problems:
        raise BadRecording(f"no recording of a known source at {path} for what was asked. Known sources: {', '.join(SOURCES)}.")
    url = ledger(read_settings())
    with progress("import", len(chosen)) as step:
        reports = loading.import_recordings(url, chosen, step)
    loading.refresh_tables(url)
    finish(reports, json_wanted, f"imported from {path}", found.problems)


@cli.command()
@click.argument("source", type=source_names)
@click.argument("instant", type=INSTANT)
@click.option("--why", default="", help="The reason, kept with the verdict.")
@as_json
def accept(source: str, instant: datetime, why: str, json_wanted: bool) -> None:
    """Merge the payload of SOURCE at INSTANT that the gate refused, where it belongs in time."""
    url = ledger(read_settings())
    by = f"{getpass.getuser()}: {why}" if why else getpass.getuser()
    report = loading.accept(url, SOURCES[source], instant, by)
    loading.refresh_tables(url)
    finish([report], json_wanted, "accepted")


@cli.command()
@click.option("--source", type=source_names, help="Only this source.")
@click.option("--limit", default=50, show_default=True, help="At most so many, newest first.")
@as_json
def quarantine(source: str | None, limit: int, json_wanted: bool) -> None:
    """Rows that broke the contract: source, instant, reason and the text they had."""
    with connect(ledger(read_settings())) as connection:
        rows = answers.quarantined(connection, source, limit)
    print_json(rows) if json_wanted else print_rows(
        rows, ("source", "observed_at", "relation", "provider", "listed_id", "reason", "original")
    )


@cli.command()
@as_json
def status(json_wanted: bool) -> None:
    """How old what each source said is, and how the last attempts went."""
    from model_assets.attempts import abandon_dead

    settings = read_settings()
    url = _existing(settings)
    abandon_dead(url)
    with connect(url) as connection:
        health, runs = answers.status(connection)
    if json_wanted:
        print_json({"sources": health, "runs": runs})
        return
    for row in health:
        row["age"] = None if row["age"] is None else f"{row['age'] / 3600:.1f} h"
    print_rows(
        health,
        ("source", "last_observed_at", "age", "listings", "prices", "quarantined", "refused_since", "last_status", "last_error"),
        "sources",
    )
    print_rows(
        runs,
        ("run_id", "source", "day", "started_by", "status", "started_at", "observations", "added", "changed", "closed", "message"),
        "last attempts",
    )


def _existing(settings: Settings) -> str:
    """The URL of a ledger that is there. Raises DatabaseDown or ModelAssetsError where it is not: asking starts and makes nothing."""
    from model_assets.ledger.migrate import newest, revision

    url = ledger_url(settings, start=False)
    with connect(url) as connection:
        found = revision(connection)
    if found != newest():
        raise ModelAssetsError(f"the database is at revision {found or 'none'}, this version needs {newest()}. Run `model-assets migrate`.")
    return url


@cli.command("verify-db")
@as_json
def verify_db(json_wanted: bool) -> None:
    """Connect, and check that everything holds that must always hold of the ledger."""
    from model_assets.soundness import unsound

    url = _existing(read_settings())
    with connect(url) as connection:
        version = connection.exec_driver_sql("show server_version").scalar()
        found = unsound(connection)
    if json_wanted:
        print_json({"server": version, "claims": found})
    else:
        click.echo(f"Postgres {version} answers at {_without_password(url)}")
        for claim, broken in found.items():
            click.echo(f"{'ok    ' if not broken else 'BROKEN'} {claim}{': ' + '; '.join(broken) if broken else ''}")
    if any(found.values()):
        raise ModelAssetsError(
            "the ledger is not sound: see the claims above. Restore a backup, or load the source's recordings into an empty database."
        )


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(plain(url)).render_as_string(hide_password=True)


@cli.command()
def migrate() -> None:
    """Make or update the tables and the SQL models. Safe to run again, and from several machines at once."""
    from model_assets.ledger.migrate import migrate as bring_up

    click.echo(f"the database is at revision {bring_up(ledger_url(read_settings()))}")


@cli.command()
def dsn() -> None:
    """Print the database's address for psql and other clients, with its password. Starts the embedded server if need be."""
    click.echo(plain(ledger(read_settings())))


@cli.command()
def env() -> None:
    """Print shell exports with which `dagster` commands use the same instance as `up`: eval "$(model-assets env)"."""
    from model_assets import dagster_home

    settings = read_settings()
    for name, value in dagster_home.prepare(settings, ledger(settings)).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@cli.command()
def down() -> None:
    """Stop the embedded database. (`up` is stopped by Ctrl-C.)"""
    settings = read_settings()
    if settings.database_url:
        raise ModelAssetsError("DATABASE_URL names a server that is not ours to stop. Stop it where it runs.")
    click.echo("stopped" if embedded.stop(settings.model_assets_home) else "it was not running")


@cli.command()
@click.argument("model")
@click.option("--as-of", type=INSTANT, help="The instant the price is for (default: now).")
@click.option("--known-at", type=INSTANT, help="By what was known at this instant (default: now).")
@click.option("--provider", help="Only this provider.")
@click.option("--source", type=source_names, help="Only what this source says.")
@as_json
def price(
    model: str, as_of: datetime | None, known_at: datetime | None, provider: str | None, source: str | None, json_wanted: bool
) -> None:
    """What MODEL costs, by every source and provider that lists it. MODEL is an id letter for letter, or provider/id."""
    with connect(ledger(read_settings())) as connection:
        rows = answers.prices(connection, model, as_of, known_at, provider, source)
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        row["condition"] = condition(row)
        row["price"] = f"{row['amount']} {row['currency']}" if row["state"] == "paid" else row["state"]
    print_rows(
        rows, ("source", "provider", "listed_id", "meter", "price", "per", "condition", "effective_from", "effective_to", "seen_since")
    )


def condition(row: dict[str, Any]) -> str:
    """When a price holds, in words; empty for the standard price of any request."""
    said = [] if row["service_tier"] == "standard" else [row["service_tier"]]
    if row["prompt_above_tokens"]:
        said.append(f"prompt above {row['prompt_above_tokens']:,} tokens")
    return ", ".join([*said, *(str(row[name]) for name in ("time_window", "region", "detail") if row.get(name))])


@cli.command()
@click.option("--from", "since", type=INSTANT, required=True, help="The earlier instant.")
@click.option("--to", "until", type=INSTANT, default="now", show_default=True, help="The later instant.")
@click.option("--source", type=source_names, help="Only what this source says.")
@as_json
def diff(since: datetime, until: datetime, source: str | None, json_wanted: bool) -> None:
    """What differs between two instants: models that appeared and vanished, prices that opened, changed and closed."""
    with connect(ledger(read_settings())) as connection:
        found = answers.difference(connection, since, until, source)
    if json_wanted:
        print_json({"listings": found.listings, "prices": found.prices})
        return
    print_rows(found.listings, ("change", "source", "provider", "listed_id", "name"), f"listings: {len(found.listings)}")
    for row in found.prices:
        row["condition"] = condition(row)
        row["from"] = row["from_amount"] if row["from_state"] == "paid" else row["from_state"]
        row["to"] = row["to_amount"] if row["to_state"] == "paid" else row["to_state"]
    print_rows(
        found.prices,
        ("change", "source", "provider", "listed_id", "meter", "per", "condition", "from", "to"),
        f"prices: {len(found.prices)}",
    )


@cli.command()
@as_json
def quickstart(json_wanted: bool) -> None:
    """From nothing to a filled ledger without a network: migrate, load the recordings that come with the project through Dagster."""
    from model_assets import quickstart as steps

    settings = read_settings()
    url = ledger(settings)
    say: Callable[[str], None] = (lambda _: None) if json_wanted else click.echo
    say(f"database   {_without_password(url)}")
    days = steps.days_to_load()
    with progress("load", len(days) + 1) as step:
        reports = steps.load_through_dagster(settings, url, days, step)
    finish(reports, json_wanted, "loaded through Dagster: raw, staged, history, catalog, access")
    say(steps.what_next(url))
