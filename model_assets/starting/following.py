"""What Dagster's runs came to, written back to the requests that they belong to."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Row, text

from model_assets.ledger.staging import storable
from model_assets.starting.requests import began, ended

#: the tags by which a run is known as the run of one source of a request
REQUEST_TAG, SOURCE_TAG = "model_assets/sync_request", "source"
WILL_RETRY = "dagster/will_retry"
COUNTS = ("observations", "listings", "prices", "scores", "mentions", "added", "changed", "closed", "quarantined")
ENDED_AS = {"succeeded": "completed", "refused": "refused", "failed": "failed", "abandoned": "failed"}

# Entries (models, scores, mentions) that the newest observation of an attempt opened, changed and closed; `added` and the like count prices too.
ENTRIES = """
with judged as (
    select max(observed_at) as at from ops.observation where source = :source and verdict = 'accepted' and judged_at >= :since
),
opened as (
    select 'listing', key_id from history.listing, judged where source = :source and upper(seen) is null and lower(seen) = at
    union all select 'score', key_id from history.score, judged where source = :source and upper(seen) is null and lower(seen) = at
    union all select 'mention', key_id from history.mention, judged where source = :source and upper(seen) is null and lower(seen) = at
),
closed as (
    select 'listing', key_id from history.listing, judged where source = :source and upper(seen) = at
    union all select 'score', key_id from history.score, judged where source = :source and upper(seen) = at
    union all select 'mention', key_id from history.mention, judged where source = :source and upper(seen) = at
)
select (select count(*) from (table opened except table closed) as one)::int as created,
       (select count(*) from (table opened intersect table closed) as one)::int as updated,
       (select count(*) from (table closed except table opened) as one)::int as vanished
"""


def queued(connection: Connection) -> Sequence[Row[Any]]:
    """(request_id, source, dry_run) of every source that waits for a run."""
    return connection.execute(
        text(
            "select request_id::text, source, dry_run from ops.sync_request_source join ops.sync_request using (request_id)"
            " where status = 'queued' order by asked_at, source"
        )
    ).all()


def follow(connection: Connection, instance: dg.DagsterInstance) -> None:
    """Note which runs the open requests have by now, and how those ended that did. A run that Dagster will do again has not ended."""
    waiting = connection.execute(
        text("select request_id::text, source from ops.sync_request_source where status in ('queued', 'running') order by 1, 2")
    ).all()
    if not waiting:
        return
    of_requests = dg.RunsFilter(tags={REQUEST_TAG: sorted({row.request_id for row in waiting})})
    runs: dict[tuple[str, str], list[dg.DagsterRun]] = {}
    for run in instance.get_runs(of_requests):  # newest first
        runs.setdefault((run.tags[REQUEST_TAG], run.tags[SOURCE_TAG]), []).append(run)
    for request_id, source in waiting:
        if found := runs.get((request_id, source)):
            began(connection, request_id, source, found[0].run_id)
            if found[0].is_finished and found[0].tags.get(WILL_RETRY) != "true":
                _write_end(connection, request_id, source, found)


def _write_end(connection: Connection, request_id: str, source: str, runs: Sequence[dg.DagsterRun]) -> None:
    """How the newest of the runs ended; by our own books where they say so, for they know why."""
    attempt = connection.execute(
        text("select * from ops.sync_run where dagster_run_id = any(:runs) and source = :source order by run_id desc limit 1"),
        {"runs": [run.run_id for run in runs], "source": source},
    ).one_or_none()
    if attempt is None:
        said = f"its run in Dagster ended as {runs[0].status.value} before it could read the source."
        ended(connection, request_id, source, "failed", said)
    elif attempt.status != "running":  # else its process is gone, and the sensor stuck_syncs will say so
        message = " ".join(filter(None, (attempt.message, attempt.what_to_do))) or None
        result = {name: getattr(attempt, name) for name in COUNTS} | _entries(connection, source, attempt)
        ended(connection, request_id, source, ENDED_AS[attempt.status], storable(message or "") or None, result, attempt.run_id)


def _entries(connection: Connection, source: str, attempt: Row[Any]) -> dict[str, int]:
    """created, updated, vanished and skipped entries of an attempt."""
    if attempt.status != "succeeded":
        return {"created": 0, "updated": 0, "vanished": 0, "skipped": attempt.quarantined}
    counted = connection.execute(text(ENTRIES), {"source": source, "since": attempt.started_at}).mappings().one()
    return {**counted, "skipped": attempt.quarantined}
