"""How the data is doing, for admins: the syncs, statistics, and what was kept out of the ledger."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from model_assets.api.admin import Admin, AdminRoute, Id, Instant, Meta, Paged, asked_of_database, page_of
from model_assets.api.asking import utc
from model_assets.api.errors import documented
from model_assets.api.statistics import STATISTICS, Statistics

router = APIRouter(prefix="/api/admin", tags=["administering"], route_class=AdminRoute, responses=documented(403))
Status = Literal["running", "succeeded", "failed", "refused", "abandoned"]

RUN = f"""
    'id', found.run_id::text, 'source', found.source, 'day', found.day, 'started_by', found.started_by, 'status', found.status,
    'started_at', {utc("found.started_at")}, 'completed_at', {utc("found.finished_at")},
    'total_fetched', found.listings + found.prices + found.scores + found.mentions, 'total_stored', found.added + found.changed + found.closed,
    'observations', found.observations, 'listings', found.listings, 'prices', found.prices, 'scores', found.scores, 'mentions', found.mentions,
    'added', found.added, 'changed', found.changed, 'closed', found.closed, 'quarantined', found.quarantined,
    'error_class', found.error_class, 'error_message', found.message, 'what_to_do', found.what_to_do,
    'duration_ms', (extract(epoch from found.finished_at - found.started_at) * 1000)::bigint, 'dagster_run_id', found.dagster_run_id
"""
RUNS = """ops.sync_run as found
    where (cast(:source as text) is null or found.source = :source) and (cast(:status as text) is null or found.status = :status)
      and (cast(:since as timestamptz) is null or found.started_at >= :since)"""
KEPT_OUT = f"""
    'source', found.source, 'observed_at', {utc("found.observed_at")}, 'relation', found.relation, 'provider', found.provider,
    'listed_id', found.listed_id, 'reason', found.reason, 'original', found.original, 'quarantined_at', {utc("found.quarantined_at")}
"""
QUARANTINE = """ops.quarantine as found
    where (cast(:source as text) is null or found.source = :source) and (cast(:since as timestamptz) is null or found.observed_at >= :since)"""


class LogsAsked(Paged):
    """Which attempts are asked for, newest first."""

    source: Id | None = None
    status: Status | None = None
    since: Instant | None = None


class SyncLog(BaseModel):
    """An attempt to sync a source. `total_fetched` counts what the source said, `total_stored` what of it was new: on a day without a change 0."""

    id: str
    source: str
    day: date
    started_by: str
    status: Status
    started_at: datetime
    completed_at: datetime | None
    total_fetched: int
    total_stored: int
    observations: int
    listings: int
    prices: int
    scores: int
    mentions: int
    added: int
    changed: int
    closed: int
    quarantined: int
    error_class: str | None
    error_message: str | None
    what_to_do: str | None
    duration_ms: int | None
    dagster_run_id: str | None


class SyncLogs(BaseModel):
    """A page of attempts."""

    data: list[SyncLog]
    meta: Meta


class QuarantineAsked(Paged):
    """Which rows are asked for, newest first."""

    source: Id | None = None
    since: Instant | None = None


class KeptOut(BaseModel):
    """A part of a payload that broke the contract."""

    source: str
    observed_at: datetime
    relation: str
    provider: str | None
    listed_id: str | None
    reason: str
    original: str = Field(description="as the source said it: untrusted text")
    quarantined_at: datetime


class Quarantine(BaseModel):
    """A page of what was kept out."""

    data: list[KeptOut]
    meta: Meta


@router.get("/sync-logs", response_model=SyncLogs)
def sync_logs(request: Request, caller: Admin, asked: Annotated[LogsAsked, Query()]) -> Response:
    """Attempts to sync a source, failed ones too."""
    return asked_of_database(request, page_of(RUN, RUNS, "found.run_id desc"), asked.model_dump())


@router.get("/quarantine", response_model=Quarantine)
def quarantine(request: Request, caller: Admin, asked: Annotated[QuarantineAsked, Query()]) -> Response:
    """What broke the contract and was kept out of the ledger, with the reason."""
    order = "found.observed_at desc, found.source, found.listed_id, found.relation, found.reason"
    return asked_of_database(request, page_of(KEPT_OUT, QUARANTINE, order), asked.model_dump())


@router.get("/stats", response_model=Statistics)
def stats(request: Request, caller: Admin) -> Response:
    """Syncs of the last thirty days, each source's health, models by status, tier and provider, and what waits for a person."""
    return asked_of_database(request, STATISTICS)
