"""Requests for a sync: rows that say what was asked for, what runs, and how it ended. One at a time per source, and a pause between two.

Both hold for all threads, workers and restarts, because the database keeps them: a unique index over what is queued or running, and its own
clock. Nothing here knows Dagster or HTTP.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from model_assets.attempts import BUDGET
from model_assets.errors import ModelAssetsError

OPEN = ("queued", "running")
#: how long a request waits for Dagster's daemon; after that it has failed, and a new one may be made
QUEUED_FOR = timedelta(minutes=15)
#: how long a run of it may take, with the time in which it waits for others and the runs that follow one which lost its process
RUNNING_FOR = 2 * BUDGET
ASK_AGAIN = 10  # seconds after which it is worth asking again for a source that is being synced


class StartRefused(ModelAssetsError):
    """A sync that is not started now. `seconds` is when to ask again; `request_id` the request that is in the way, where it is one."""

    def __init__(self, message: str, seconds: int, request_id: str | None) -> None:
        super().__init__(message)
        self.seconds, self.request_id = seconds, request_id


class AlreadyRunning(StartRefused):
    """One of the sources is being synced. The message names the request or the run."""


class CoolingDown(StartRefused):
    """One of the sources was asked for a moment ago."""


@dataclass(frozen=True)
class Part:
    """One source of a request. `result` counts what its sync did, once it has ended."""

    source: str
    status: str
    run_id: int | None
    dagster_run_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What somebody asked for, and how it is with each source."""

    request_id: str
    asked_at: datetime
    asked_by: str
    via: str
    dry_run: bool
    parts: tuple[Part, ...]

    @property
    def status(self) -> str:
        """queued, running, completed; where a source failed, failed; where one was refused, refused."""
        found = {part.status for part in self.parts}
        if found & set(OPEN):
            return "queued" if found == {"queued"} else "running"
        return next((one for one in ("failed", "refused") if one in found), "completed")

    @property
    def is_open(self) -> bool:
        """Whether something of it has not ended yet."""
        return self.status in OPEN

    @property
    def finished_at(self) -> datetime | None:
        """When its last source ended; null while one has not."""
        ends = [part.finished_at for part in self.parts if part.finished_at is not None]
        return max(ends) if len(ends) == len(self.parts) else None

    @property
    def errors(self) -> list[str]:
        """A line for each source that failed or was refused."""
        return [f"{part.source}: {part.message or part.status}" for part in self.parts if part.status in ("failed", "refused")]

    def total(self, name: str) -> int:
        """One of the counts of the results, over all sources that have ended."""
        return sum(int(part.result.get(name) or 0) for part in self.parts)


def request_sync(
    connection: Connection, sources: Sequence[str], *, asked_by: str, via: str, cooldown: timedelta, dry_run: bool = False
) -> Request:
    """Ask for a sync of some sources, all or none. It starts when Dagster's sensor sees it, after the transaction of `connection`.

    Raises AlreadyRunning where one of them is queued or being synced, by whomever; CoolingDown where one was asked for less than `cooldown`
    ago. A dry run and a sync do not keep each other waiting once they have ended: people look before they leap.
    """
    connection.execute(text("select pg_advisory_xact_lock(hashtext('model_assets.sync_request'))"))
    expire(connection)
    names = sorted(set(sources))
    _refuse_what_runs(connection, names)
    _refuse_what_cools_down(connection, names, dry_run, cooldown)
    request_id = connection.execute(
        text("insert into ops.sync_request (asked_by, via, dry_run) values (:by, :via, :dry_run) returning request_id::text"),
        {"by": asked_by, "via": via, "dry_run": dry_run},
    ).scalar_one()
    queued = connection.execute(
        text(
            "insert into ops.sync_request_source (request_id, source) select :id, unnest(cast(:sources as text[]))"
            " on conflict (source) where status in ('queued', 'running') do nothing"
        ),
        {"id": request_id, "sources": names},
    )
    if queued.rowcount < len(names):  # by somebody who did not stand in our line
        _refuse_what_runs(connection, names, but=request_id)
    found = read_request(connection, request_id)
    assert found is not None
    return found


def _refuse_what_runs(connection: Connection, names: Sequence[str], but: str | None = None) -> None:
    running = connection.execute(
        text(
            "select source, 'request ' || request_id as what, request_id::text from ops.sync_request_source"
            " where status in ('queued', 'running') and source = any(:names) and request_id is distinct from cast(:but as uuid)"
            " union all select source, 'run ' || run_id || ' (' || started_by || ')', null from ops.sync_run"
            " where status = 'running' and source = any(:names) order by 3 nulls last, 1 limit 1"
        ),
        {"names": list(names), "but": but},
    ).one_or_none()
    if running is not None:
        raise AlreadyRunning(
            f"{running.source} is being synced by {running.what}. Ask again when it has ended.", ASK_AGAIN, running.request_id
        )


def _refuse_what_cools_down(connection: Connection, names: Sequence[str], dry_run: bool, cooldown: timedelta) -> None:
    last = connection.execute(
        text(
            # never longer than the pause itself, should the clock of the database have been set back
            "select source, request_id::text, ceil(extract(epoch from least(asked_at + :pause - clock_timestamp(), :pause)))::int as seconds"
            " from ops.sync_request join ops.sync_request_source using (request_id)"
            " where source = any(:names) and dry_run = :dry_run and asked_at + :pause > clock_timestamp() order by asked_at desc limit 1"
        ),
        {"names": list(names), "dry_run": dry_run, "pause": cooldown},
    ).one_or_none()
    if last is not None:
        raise CoolingDown(
            f"{last.source} was asked for a moment ago by request {last.request_id}. Ask again in {last.seconds} s"
            f" (MODEL_SYNC_COOLDOWN_MINUTES={cooldown.total_seconds() / 60:g}).",
            last.seconds,
            last.request_id,
        )


def expire(connection: Connection) -> int:
    """End what has waited or run for too long, so that nothing stays open for ever. Returns how many sources that were."""
    return connection.execute(
        text(
            "update ops.sync_request_source as part set status = 'failed', finished_at = clock_timestamp(), message = case part.status"
            " when 'queued' then 'Dagster did not take it up: its daemon does not run, or its sensor sync_requests is off. Start `model-assets up`.'"
            " else 'it did not end in the time it has; look at its run in Dagster.' end"
            " from ops.sync_request as request where request.request_id = part.request_id and ("
            " (part.status = 'queued' and request.asked_at < clock_timestamp() - cast(:queued as interval))"
            " or (part.status = 'running' and part.started_at < clock_timestamp() - cast(:running as interval)))"
        ),
        {"queued": QUEUED_FOR, "running": RUNNING_FOR},
    ).rowcount


READ = """
select request_id::text, asked_at, asked_by, via, dry_run, source, status, run_id, dagster_run_id, started_at, finished_at, message, result
from ops.sync_request join ops.sync_request_source using (request_id)
"""


def read_request(connection: Connection, request_id: str) -> Request | None:
    """The request of that id; null where there is none, or the text is no id."""
    try:
        key = UUID(request_id)
    except ValueError:
        return None
    rows = connection.execute(text(f"{READ} where request_id = :id order by source"), {"id": key}).all()
    if not rows:
        return None
    parts = tuple(
        Part(row.source, row.status, row.run_id, row.dagster_run_id, row.started_at, row.finished_at, row.message, row.result)
        for row in rows
    )
    first = rows[0]
    return Request(first.request_id, first.asked_at, first.asked_by, first.via, first.dry_run, parts)


def began(connection: Connection, request_id: str, source: str, dagster_run_id: str) -> None:
    """Dagster has a run for a source of a request, or another one after the first lost its process."""
    connection.execute(
        text(
            "update ops.sync_request_source set status = 'running', dagster_run_id = :run, started_at = coalesce(started_at, clock_timestamp())"
            " where request_id = :id and source = :source and status in ('queued', 'running')"
        ),
        {"id": request_id, "source": source, "run": dagster_run_id},
    )


def ended(
    connection: Connection,
    request_id: str,
    source: str,
    status: str,
    message: str | None = None,
    result: Mapping[str, Any] | None = None,
    run_id: int | None = None,
) -> None:
    """A source of a request has ended: completed, failed or refused. What ended before stays as it ended."""
    connection.execute(
        text(
            "update ops.sync_request_source set status = :status, finished_at = clock_timestamp(), message = :message,"
            " result = cast(:result as jsonb), run_id = :run_id, started_at = coalesce(started_at, clock_timestamp())"
            " where request_id = :id and source = :source and status in ('queued', 'running')"
        ),
        {
            "id": request_id, "source": source, "status": status, "message": message, "run_id": run_id,
            "result": json.dumps(dict(result or {})),
        },
    )  # fmt: skip
