"""The command line: `model-assets`. Exit code 0 only if all of it worked; an error is one line on stderr that says what to do."""

import getpass
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from model_assets import answers, embedded, recording_files
from model_assets.database import connect, down_message, is_down, ledger_url, plain
from model_assets.errors import BadRecording, ModelAssetsError
from model_assets.readiness import FORBIDDEN, existing_ledger, migrated, ready_ledger, remedied, sqlstate
from model_assets.settings import read_settings
from model_assets.sources import SOURCES
from model_assets.sources.base import Source
from model_assets.terminal import complain, print_json, print_rows, printable, progress, say

if TYPE_CHECKING:
    from model_assets.loading import Report  # pandas takes half a second to import: only commands that load something wait for it

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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, invoke_without_command=True)
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


OUTCOME = (
    "source", "outcome", "observations", "listings", "prices", "added", "changed", "closed", "quarantined", "share_mapped", "seconds",
)  # fmt: skip


def finish(
    reports: Sequence["Report"], json_wanted: bool, title: str, problems: Sequence[str] = (), skipped: Mapping[str, int] | None = None
) -> None:
    """Print what loading did, name what failed, and end with 1 where anything did."""
    if json_wanted:
        print_json({"sources": [report.as_dict() for report in reports], "problems": list(problems), "skipped": dict(skipped or {})})
    elif reports:
        print_rows([_outcome(report) for report in reports], OUTCOME, title)
    for report in () if json_wanted else reports:
        if report.unmapped:
            keys = ", ".join(f"{key} ({count})" for key, count in report.unmapped.most_common(10))
            say(printable(f"{report.source}: price keys without a rule: {keys}"))
    errors = [error for report in reports for error in report.errors] + list(problems)
    for error in errors:
        complain(error)
    if errors:
        sys.exit(1)
    if not json_wanted and not any(report.added or report.changed or report.closed for report in reports):
        say("Nothing new: the ledger says all of it already.")


def _outcome(report: "Report") -> dict[str, Any]:
    share = "" if report.share_mapped is None else f"{report.share_mapped:.2%}"
    return report.as_dict() | {"share_mapped": share, "outcome": "failed" if report.errors else "ok"}


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web UI listens; beyond loopback it is read-only.")
@click.option("--port", default=3000, show_default=True, help="The web UI's port.")
def up(host: str, port: int) -> None:
    """Run everything on this machine until Ctrl-C.

    That is the database, migrations, Dagster's web UI and its daemon. Ctrl-C or SIGTERM stops all but the database, which `down` stops.
    """
    from model_assets import supervisor

    settings = read_settings()
    sys.exit(supervisor.run(settings, ready_ledger(settings), host=host, port=port))


@cli.command()
@click.argument("sources", nargs=-1, type=source_names)
@click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing.")
@as_json
def sync(sources: tuple[str, ...], dry_run: bool, json_wanted: bool) -> None:
    """Read sources from the network now, side by side.

    Reads SOURCES, or all of them when none is named.
    """
    from model_assets import loading
    from model_assets.resources import fetch_policy

    settings = read_settings()
    wanted: list[Source] = [SOURCES[name] for name in dict.fromkeys(sources) or SOURCES]
    url = existing_ledger(settings, start=True) if dry_run else ready_ledger(settings)
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
        loading.bring_up_to_date(url, read_settings().model_policy_file)
    finish(reports, json_wanted, "what would be synced" if dry_run else "synced")


@cli.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--source", "only", type=source_names, multiple=True, help="Only this source (may be given more than once).")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Only observations of this UTC day and later.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Only observations of this UTC day and earlier.")
@as_json
def import_(path: Path, only: tuple[str, ...], first: datetime | None, last: datetime | None, json_wanted: bool) -> None:
    """Load recordings from PATH.

    PATH is a folder of sources, one source's folder, or one file (<source>/<instant>.<ext>.gz).
    """
    from model_assets import loading

    if first and last and first > last:
        raise click.UsageError(f"--from {first:%Y-%m-%d} is later than --to {last:%Y-%m-%d}. Exchange the two.")
    found = recording_files.find(path, only or SOURCES)
    if found.problems and not path.is_dir():
        raise BadRecording(found.problems[0])
    chosen = [
        recording
        for recording in found.recordings
        if (first is None or recording.observed_at.date() >= first.date()) and (last is None or recording.observed_at.date() <= last.date())
    ]
    skipped = {name: count for name, count in found.unknown.items() if name not in SOURCES and not only}
    for name, count in skipped.items():
        click.echo(f"skipped {count} recordings of {printable(name)}: not a source known here ({', '.join(SOURCES)})", err=True)
    if not chosen and not found.problems:
        raise BadRecording(
            f"no recording of {' or '.join(only or SOURCES)} at {path} for what was asked. Look at the path and the options."
        )
    url = ready_ledger(read_settings())
    with progress("import", len(chosen)) as step:
        reports = loading.import_recordings(url, chosen, step)
    loading.bring_up_to_date(url, read_settings().model_policy_file)
    finish(reports, json_wanted, f"imported from {path}", found.problems, skipped)


@cli.command()
@click.argument("source", type=source_names)
@click.argument("instant", type=INSTANT)
@click.option("--why", default="", type=WORDS, help="The reason, kept with the verdict.")
@click.option("--replaced", is_flag=True, help="Bring back the payload that a later one of the same instant replaced.")
@as_json
def accept(source: str, instant: datetime, why: str, replaced: bool, json_wanted: bool) -> None:
    """Merge a refused payload after all.

    It is the one that SOURCE served at INSTANT, and it is merged where it belongs in time.
    """
    from model_assets import loading

    url = ready_ledger(read_settings())
    by = f"{getpass.getuser()}: {why}" if why else getpass.getuser()
    report = loading.accept(url, SOURCES[source], instant, by, "replaced" if replaced else "refused")
    loading.bring_up_to_date(url, read_settings().model_policy_file)
    finish([report], json_wanted, "accepted")


@cli.command()
@click.option("--source", type=source_names, help="Only this source.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="At most so many, newest first.")
@as_json
def quarantine(source: str | None, limit: int, json_wanted: bool) -> None:
    """Rows that broke the contract, where and why.

    With the text they had in the payload.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.quarantined(connection, source, limit)
    if json_wanted:
        print_json(rows)
    elif rows:
        print_rows(rows, ("source", "observed_at", "relation", "provider", "listed_id", "reason", "original"))
    else:
        say("Nothing is in quarantine.")


@cli.command()
@as_json
def status(json_wanted: bool) -> None:
    """How old the word of each source is, and how syncs went."""
    from model_assets.attempts import abandon_dead

    settings = read_settings()
    url = existing_ledger(settings)
    try:
        abandon_dead(url)
    except DBAPIError as error:
        if sqlstate(error) not in FORBIDDEN:  # a role that only reads leaves the mark to others
            raise
    with connect(url) as connection:
        health, runs = answers.status(connection)
    if json_wanted:
        print_json({"sources": health, "runs": runs})
        return
    if not health:
        say("The ledger is empty. Load something: `model-assets sync`, `model-assets import FOLDER`, or `model-assets quickstart`.")
        return
    for row in health:
        row["age"] = age(row["age_seconds"])
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


def age(seconds: int | None) -> str | None:
    """A span for a person: in hours for two days, in days from then on."""
    if seconds is None:
        return None
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


@cli.command("verify-db")
@as_json
def verify_db(json_wanted: bool) -> None:
    """Check that all holds that must always hold of the ledger."""
    from model_assets.soundness import unsound

    url = existing_ledger(read_settings())
    with connect(url) as connection:
        server = connection.exec_driver_sql("show server_version").scalar()
        found = unsound(connection)
    if json_wanted:
        print_json({"server": server, "claims": found})
    else:
        say(f"Postgres {server} answers at {_without_password(url)}")
        for claim, broken in found.items():
            say(printable(f"{'BROKEN' if broken else 'ok    '} {claim}{': ' + '; '.join(broken) if broken else ''}"))
    if any(found.values()):
        raise ModelAssetsError(
            "the ledger is not sound: see the claims above. Restore a backup, or load the source's recordings into an empty database."
        )


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(plain(url)).render_as_string(hide_password=True)


@cli.command()
def migrate() -> None:
    """Make or update the tables and the SQL models.

    Safe to run again, and from several machines at once.
    """
    say(f"the database is at revision {migrated(ledger_url(read_settings()))}")


@cli.command()
def dsn() -> None:
    """Print the database's address, for psql and other clients.

    The password is in it. The embedded server is started if need be.
    """
    say(plain(ready_ledger(read_settings(), writing=False)))


@cli.command()
def env() -> None:
    """Print shell exports for `dagster` commands.

    After eval "$(model-assets env)" they use the same instance, runs and database as `up`.
    """
    from model_assets import dagster_home

    settings = read_settings()
    for name, value in dagster_home.prepare(settings, ready_ledger(settings, writing=False)).items():
        say(f"export {name}={shlex.quote(value)}")


@cli.command()
def down() -> None:
    """Stop the embedded database.

    `up` is stopped by Ctrl-C.
    """
    settings = read_settings()
    if settings.database_url:
        raise ModelAssetsError("DATABASE_URL names a server that is not ours to stop. Stop it where it runs.")
    say("stopped" if embedded.stop(settings.model_assets_home) else "it was not running")


@cli.command()
@click.argument("model", type=WORDS)
@click.option("--as-of", type=INSTANT, help="The instant the price is for (default: now).")
@click.option("--known-at", type=INSTANT, help="By what was known at this instant (default: now).")
@click.option("--provider", type=WORDS, help="Only this provider.")
@click.option("--source", type=source_names, help="Only what this source says.")
@as_json
def price(
    model: str, as_of: datetime | None, known_at: datetime | None, provider: str | None, source: str | None, json_wanted: bool
) -> None:
    """What MODEL costs, by every source and provider that lists it.

    MODEL is an id letter for letter, or provider/id.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
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
    """What differs between two instants, listings and prices.

    Listings appeared or vanished; prices opened, changed or closed.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
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
    """Fill a ledger without a network.

    Migrates, and loads the recordings that come with the project through Dagster.
    """
    from model_assets import quickstart as steps

    settings = read_settings()
    url = ready_ledger(settings)
    tell: Callable[[str], None] = (lambda _: None) if json_wanted else say
    tell(f"database   {_without_password(url)}")
    days = steps.days_to_load()
    with progress("load", len(days) + 1) as step:
        reports = steps.load_through_dagster(settings, url, days, step)
    finish(reports, json_wanted, "loaded through Dagster: raw, staged, history, catalog, access")
    tell(steps.what_next(url, embedded=settings.database_url is None))
