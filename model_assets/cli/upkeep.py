"""Commands that say how all of it is doing, and keep it in order."""

import sys
from textwrap import shorten

import click
from sqlalchemy.exc import DBAPIError

from model_assets.cli.base import age, as_json, cli
from model_assets.readiness import FORBIDDEN, existing_ledger, ready_ledger, sqlstate
from model_assets.settings import read_settings
from model_assets.terminal import complain, print_json, print_rows, say

HEALTH = (
    "source",
    "last_observed_at",
    "age",
    "listings",
    "prices",
    "scores",
    "mentions",
    "quarantined",
    "refused_since",
    "last_status",
)
ATTEMPT = ("run_id", "source", "day", "started_by", "status", "started_at", "observations", "added", "changed", "closed", "message")


@cli.command()
@click.option("--without-daemon", is_flag=True, help="Do not expect Dagster's daemon to run: cron or another scheduler starts the syncs.")
@as_json
def status(without_daemon: bool, json_wanted: bool) -> None:
    """How old the word of each source is, how syncs went, and what is wrong.

    Exit code 0 if nothing is: 1 if a source is late, a sync hangs, the daemon is dead, the disk is nearly full or the ledger is empty; 2 if the
    database does not answer.
    """
    from model_assets.attempts import abandon_dead
    from model_assets.upkeep.condition import condition

    settings = read_settings()
    url = existing_ledger(settings)
    try:
        abandon_dead(url)
    except DBAPIError as error:
        if sqlstate(error) not in FORBIDDEN:  # a role that only reads leaves the mark to others
            raise
    found = condition(settings, url, with_daemon=not without_daemon)
    if json_wanted:
        print_json(found.as_dict())
    elif found.sources:
        shown = [{**row, "age": age(row["age_seconds"])} for row in found.sources]
        print_rows(shown, HEALTH, "sources")
        runs = [{**row, "message": shorten(row["message"] or "", 100, placeholder=" ...")} for row in found.runs]
        print_rows(runs, ATTEMPT, "last attempts")  # the whole message: a problem's line below, or --json
    for problem in () if json_wanted else found.problems:
        complain(problem)
    if found.problems:
        sys.exit(1)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Count what would go, and take nothing away.")
@as_json
def purge(dry_run: bool, json_wanted: bool) -> None:
    """Take old records away, as Dagster does every night.

    Runs of Dagster that ended more than DAGSTER_RETENTION_DAYS (60) ago, but for those that hold the last word on a partition or a check; attempts
    older than MODEL_SYNC_RETENTION_DAYS (365); change sets that were never merged. Views of days older than MODEL_VIEWS_RETENTION_DAYS (400) go into
    the sum of their year. The ledger, verdicts and payloads stay for ever.
    """
    from model_assets import dagster_home
    from model_assets.upkeep import purge as upkeep

    settings = read_settings()
    url = ready_ledger(settings)
    with dagster_home.opened(settings, url) as instance:
        purged = upkeep.purge(url, instance, settings, dry_run=dry_run)
    if json_wanted:
        print_json({"dry_run": dry_run, **purged.as_dict()})
        return
    say(
        f"{'would take away' if dry_run else 'took away'} {purged.dagster_runs} of Dagster's runs, {purged.attempts} attempts,"
        f" {purged.change_sets} change sets, {purged.sync_requests} requests for a sync, {purged.inbox} lists handed over in SQL,"
        f" {purged.view_days} days of views"
    )
