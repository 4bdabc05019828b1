"""Commands that bring something into the ledger, or say what was kept out of it."""

import getpass
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_assets import answers, recording_files
from model_assets.cli.base import INSTANT, MOST_ROWS, WORDS, as_json, cli, shown_url, source_names
from model_assets.database import connect
from model_assets.errors import BadRecording
from model_assets.readiness import existing_ledger, ready_ledger
from model_assets.settings import read_settings
from model_assets.sources import SOURCES
from model_assets.sources.base import Source
from model_assets.terminal import complain, print_json, print_rows, printable, progress, say

if TYPE_CHECKING:
    from model_assets.loading import Report  # pandas takes half a second to import: only commands that load something wait for it

OUTCOME = (
    "source", "outcome", "observations", "listings", "prices", "scores", "mentions", "added", "changed", "closed", "quarantined", "share_mapped", "seconds",
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
        for note in report.notes:
            say(printable(f"{report.source}: {note}"))
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
@click.argument("sources", nargs=-1, type=source_names)
@click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing.")
@as_json
def sync(sources: tuple[str, ...], dry_run: bool, json_wanted: bool) -> None:
    """Read sources from the network now, side by side.

    Reads SOURCES, or all that are on when none is named.
    """
    from model_assets import loading
    from model_assets.fetching.patience import fetch_policy
    from model_assets.settling import settle

    settings = read_settings()
    wanted: list[Source] = [SOURCES[name] for name in dict.fromkeys(sources)] or [one for one in SOURCES.values() if one.why_off() is None]
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
        settle(url, read_settings().model_policy_file)
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
    from model_assets.settling import settle

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
    settle(url, read_settings().model_policy_file)
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
    from model_assets.settling import settle

    url = ready_ledger(read_settings())
    by = f"{getpass.getuser()}: {why}" if why else getpass.getuser()
    report = loading.accept(url, SOURCES[source], instant, by, "replaced" if replaced else "refused")
    settle(url, read_settings().model_policy_file)
    finish([report], json_wanted, "accepted")


@cli.command()
@click.option("--source", type=source_names, help="Only this source.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many, newest first.")
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
def quickstart(json_wanted: bool) -> None:
    """Fill a ledger without a network.

    Migrates, and loads the recordings that come with the project through Dagster.
    """
    from model_assets import quickstart as steps

    settings = read_settings()
    url = ready_ledger(settings)
    tell: Callable[[str], None] = (lambda _: None) if json_wanted else say
    tell(f"database   {shown_url(url)}")
    days = steps.days_to_load()
    with progress("load", len(days) + 1) as step:
        reports = steps.load_through_dagster(settings, url, days, step)
    finish(reports, json_wanted, "loaded through Dagster: raw, staged, history, identity, gate, catalog, access")
    tell(steps.what_next(url, embedded=settings.database_url is None))
