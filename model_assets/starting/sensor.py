"""Dagster's side of a request: the sensor that turns it into runs, one per source, and the job of a dry run."""

from collections.abc import Iterator

import dagster as dg

from model_assets import automation, pipeline
from model_assets.resources import Feeds, Postgres
from model_assets.sources import SOURCES
from model_assets.starting.following import REQUEST_TAG, SOURCE_TAG, follow, queued
from model_assets.starting.requests import ended, expire

CHANGES_KEPT = 100
DRY_RUN_SECONDS = 600


@dg.op(description="Reads a source and compares what it says with the ledger. Nothing is written but the answer to the request.")
def look_at_source(context: dg.OpExecutionContext, postgres: Postgres, feeds: Feeds) -> None:
    from model_assets import loading

    request_id, source = context.run.tags[REQUEST_TAG], context.run.tags[SOURCE_TAG]
    [report] = loading.sync(postgres.address, [SOURCES[source]], feeds.policy, lambda _: None, dry_run=True)
    found = report.as_dict()
    found["changes"] = [change.as_dict() for change in report.changes[:CHANGES_KEPT]]
    wrong = "; ".join(error.removeprefix(f"{source}: ") for error in report.errors)
    with postgres.begin() as connection:
        ended(connection, request_id, source, "failed" if wrong else "completed", wrong or None, found)
    if wrong:
        raise dg.Failure(wrong, allow_retries=False)


@dg.job(
    name="dry_run", executor_def=dg.in_process_executor, tags={"dagster/max_runtime": str(DRY_RUN_SECONDS)},
    description="What a sync of one source would change. Started by a request with dry_run=true.",
)  # fmt: skip
def dry_run() -> None:
    look_at_source()


#: below the five seconds between two looks of Dagster's daemon, which would otherwise come too early every other time, and wait for the next
EVERY_SECONDS = 4


@dg.sensor(
    name="sync_requests", jobs=[automation.sync, dry_run], minimum_interval_seconds=EVERY_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each source of a sync that was asked for over HTTP, and writes back how it ended (ops.sync_request).",
)  # fmt: skip
def sync_requests(context: dg.SensorEvaluationContext, postgres: Postgres) -> Iterator[dg.RunRequest | dg.SkipReason]:
    with postgres.begin() as connection:
        expire(connection)
        follow(connection, context.instance)
        waiting = queued(connection)
    for row in waiting:
        yield _run_of(row.request_id, row.source, row.dry_run)
    if not waiting:
        yield dg.SkipReason("No sync was asked for.")


def _run_of(request_id: str, source: str, is_dry: bool) -> dg.RunRequest:
    """The run of one source of a request; the same key on every tick, so that there is one however often it is asked for."""
    # somebody waits for it: before what follows by itself
    tags = {REQUEST_TAG: request_id, SOURCE_TAG: source, "dagster/priority": "1"}
    key = f"request:{request_id}:{source}"
    if is_dry:
        return dg.RunRequest(run_key=key, job_name="dry_run", tags=tags)
    return automation.run_of(SOURCES[source], pipeline.today(), key, tags=tags, job_name="sync")
