"""How syncs went: the last one, the last seven days, the attempts by page."""

from typing import Any

from sqlalchemy import Connection, text

WEEK = """
select count(*)::int as total, count(*) filter (where status = 'succeeded')::int as succeeded,
    count(*) filter (where status not in ('succeeded', 'running'))::int as failed,
    coalesce(round(avg(extract(epoch from finished_at - started_at) * 1000) filter (where status = 'succeeded')), 0)::int as average_ms,
    max(finished_at) filter (where status = 'succeeded') as last_success, bool_or(status = 'running') is true as running
from ops.sync_run where started_at > now() - interval '7 days'
"""
LAST = """
select finished_at, status, (extract(epoch from finished_at - started_at) * 1000)::int as duration_ms, message
from ops.sync_run where status <> 'running' order by finished_at desc nulls last, run_id desc limit 1
"""
HISTORY = """
select run_id, run.source, day, started_by, run.status, run.started_at, run.finished_at, run.message, error_class, what_to_do,
    listings + prices + scores + mentions as fetched, added + changed + closed as stored, listings, quarantined, request_id::text
from ops.sync_run as run left join ops.sync_request_source using (run_id)
order by run_id desc limit :limit offset :offset
"""
# grouped, because counting distinct providers would sort all listings
COUNTED = """
with per_provider as (
    select count(*) as listings, count(*) filter (where lifecycle = 'deprecated') as deprecated,
        count(*) filter (where lifecycle = 'retired') as retired
    from history.listing where upper(seen) is null group by provider
)
select coalesce(sum(listings), 0)::int as listings, count(*)::int as providers, coalesce(sum(deprecated), 0)::int as deprecated,
    coalesce(sum(retired), 0)::int as retired
from per_provider
"""


def previous(connection: Connection) -> dict[str, Any] | None:
    """lastSyncAt, lastSyncStatus and lastSyncDuration (ms) of the attempt that ended last; null where there was none."""
    row = connection.execute(text(LAST)).one_or_none()
    if row is None:
        return None
    return {"lastSyncAt": _utc(row.finished_at), "lastSyncStatus": _word(row.status), "lastSyncDuration": row.duration_ms}


def week(connection: Connection) -> dict[str, Any]:
    """The attempts of the last seven days: total, succeeded, failed, average_ms, last_success, running, success_rate (per cent, of those that ended)."""
    row = dict(connection.execute(text(WEEK)).mappings().one())
    ended = row["succeeded"] + row["failed"]
    return row | {"last_success": _utc(row["last_success"]), "success_rate": round(100 * row["succeeded"] / ended) if ended else 0}


def last_error(connection: Connection) -> str | None:
    """What the attempt that ended last said; null where it succeeded."""
    row = connection.execute(text(LAST)).one_or_none()
    return None if row is None or row.status == "succeeded" else row.message


def counted(connection: Connection) -> dict[str, int]:
    """How many listings there are now, of how many providers, and how many of them are deprecated or retired."""
    return dict(connection.execute(text(COUNTED)).mappings().one())


def history(connection: Connection, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
    """(attempts, newest first; how many there are). `totalStored` counts claims that moved: on a day without a change it is 0."""
    rows = connection.execute(text(HISTORY), {"limit": limit, "offset": offset}).all()
    total: int = connection.execute(text("select count(*) from ops.sync_run")).scalar_one()
    return [
        {
            "id": str(row.run_id), "syncId": row.request_id, "source": row.source, "day": row.day.isoformat(), "startedBy": row.started_by,
            "status": _word(row.status), "startedAt": _utc(row.started_at), "completedAt": _utc(row.finished_at), "totalFetched": row.fetched,
            "totalStored": row.stored, "totalModels": row.listings, "quarantined": row.quarantined, "errorClass": row.error_class,
            "errorMessage": row.message, "whatToDo": row.what_to_do,
        }
        for row in rows
    ], total  # fmt: skip


def _word(status: str) -> str:
    """running, completed or failed, as those scripts call it."""
    return {"succeeded": "completed", "running": "running"}.get(status, "failed")


def _utc(at: Any) -> str | None:
    return at and f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
