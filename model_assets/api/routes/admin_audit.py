"""The audit, for admins: who changed what, when and why, and whether the record is whole."""

from contextlib import nullcontext
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import text
from starlette.responses import Response

from model_assets.api.admin import Admin, AdminRoute, Asked, Id, Instant, json_answer, request_id
from model_assets.api.asking import utc
from model_assets.api.database import taking
from model_assets.api.errors import documented

router = APIRouter(prefix="/api/admin", tags=["administering"], route_class=AdminRoute, responses=documented(403))

MOST_BREAKS = 100
VERIFYING_SECONDS = 60  # it reads every entry that there is
ENTRIES = f"""
with page as (
    select * from access.audit as entry
    where (cast(:cursor as bigint) is null or entry.audit_id < :cursor)
      and (cast(:subject as text) is null or entry.subject = :subject)
      and (cast(:kind as text) is null or entry.subject_kind = :kind)
      and (cast(:actor as text) is null or entry.actor = :actor)
      and (cast(:request_id as text) is null or entry.request_id = :request_id)
      and (cast(:since as timestamptz) is null or entry.at >= :since)
    order by entry.audit_id desc limit :limit + 1
),
shown as (select * from page order by audit_id desc limit :limit),
broken as materialized (select * from access.audit_breaks() where :verify limit {MOST_BREAKS})
select json_build_object(
    'data', coalesce((
        select json_agg(json_build_object(
            'audit_id', entry.audit_id, 'at', {utc("entry.at")}, 'actor', entry.actor, 'action', entry.action, 'kind', entry.subject_kind,
            'subject', entry.subject, 'before', entry.before, 'after', entry.after, 'why', entry.why, 'request_id', entry.request_id,
            'hash', encode(entry.hash, 'hex')
        ) order by entry.audit_id desc) from shown as entry), '[]'),
    'meta', json_build_object(
        'limit', :limit, 'next_cursor', (select min(audit_id) from shown where (select count(*) from page) > :limit),
        'whole', case when :verify then not exists (select from broken) end,
        'breaks', case when :verify then coalesce((
            select json_agg(json_build_object('audit_id', broken.audit_id, 'what', broken.what)) from broken), '[]') end
    )
)::text
"""


class AuditAsked(Asked):
    """Which entries are asked for, newest first."""

    subject: Id | None = Field(None, description="what was changed: a model, a user, a held change, a listed id, or `policy`")
    kind: Id | None = Field(None, description="decision, profile, policy, held_verdict or identity_correction")
    actor: Id | None = Field(None, description="a user's id, `policy`, `clock`, or who worked in the database")
    request_id: Id | None = Field(None, description="of one request")
    since: Instant | None = None
    limit: int = Field(100, ge=1, le=500)
    cursor: int | None = Field(None, ge=1, le=2**62, description="`next_cursor` of the page before")
    verify: bool = Field(False, description="look at the whole chain, too: `meta.whole`, `meta.breaks`")


class Entry(BaseModel):
    """A change; before and after hold what changed."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    kind: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    why: str | None
    request_id: str | None
    hash: str = Field(description="SHA-256 of the entry and of the hash before it, in hex")


class Break(BaseModel):
    """Where the chain is broken, and how."""

    audit_id: int
    what: str


class AuditMeta(BaseModel):
    """Where to read on; and with `verify` whether no entry is missing or was edited."""

    limit: int
    next_cursor: int | None
    whole: bool | None
    breaks: list[Break] | None


class Entries(BaseModel):
    """A page of the audit, newest first."""

    data: list[Entry]
    meta: AuditMeta


@router.get("/audit", response_model=Entries)
def audit(request: Request, caller: Admin, asked: Annotated[AuditAsked, Query()]) -> Response:
    """Who changed what, when and why. Nobody can change an entry; `verify=true` shows where somebody did."""
    # readers may not see the audit
    with (
        request.app.state.parts.database.writing(str(caller.user_id), request_id(request)) as connection,
        taking(connection, VERIFYING_SECONDS) if asked.verify else nullcontext(),
    ):
        found: str = connection.execute(text(ENTRIES), asked.model_dump()).scalar_one()
    return json_answer(found)
