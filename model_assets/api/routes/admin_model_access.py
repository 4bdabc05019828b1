"""The address at which an admin of OpenRouter's model access looked at decisions and changed them, with the fields that its scripts read."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, StrictBool
from starlette.responses import JSONResponse, Response

from model_assets.access.words import MOST_AT_ONCE
from model_assets.api.admin import Admin, AdminRoute, Asked, Id, Paged, asked_of_database
from model_assets.api.asking import utc
from model_assets.api.decisions import say
from model_assets.api.errors import documented

router = APIRouter(prefix="/api/admin/model-access", tags=["administering"], route_class=AdminRoute, responses=documented(403))
STATUSES = ["active", "disabled", "inactive", "new"]

ITEMS = f"""
with found as materialized (
    select access.*, coalesce(card.name, access.model_id) as model_name, card.context_tokens
    from access.model_access as access
    left join catalog.model_card as card on card.model_id = coalesce(access.base_model_id, access.model_id)
    where cast(:status as text) is null or access.status = :status
),
page as (
    select found.*, row_number() over (order by first_seen_at desc, model_id) as place
    from found order by first_seen_at desc, model_id limit :limit offset :offset
),
synced as (select max(observed_at) as at from ops.observation where verdict = 'accepted')
select json_build_object(
    'success', true,
    'items', coalesce((
        select json_agg(json_build_object(
            'model_id', page.model_id, 'canonical_slug', coalesce(page.base_model_id, page.model_id), 'model_name', page.model_name,
            'status', page.status, 'is_free', page.is_free, 'is_pro', page.is_pro, 'is_enterprise', page.is_enterprise,
            'context_length', page.context_tokens, 'last_synced_at', {utc("synced.at")},
            'updated_at', {utc("coalesce(page.decided_at, page.first_seen_at)")}, 'created_at', {utc("page.first_seen_at")}
        ) order by page.place) from page cross join synced), '[]'),
    'totalCount', (select count(*) from access.model_access), 'filteredCount', (select count(*) from found)
)::text
"""


class AccessAsked(Paged):
    """Which rows are asked for; `meta=statuses` asks for the statuses that there are."""

    status: Literal["all", "new", "active", "disabled", "inactive"] = "all"
    meta: Literal["statuses"] | None = None


class Item(BaseModel):
    """A decision, in the field names of model_access."""

    model_id: str
    canonical_slug: str
    model_name: str
    status: str
    is_free: bool
    is_pro: bool
    is_enterprise: bool
    context_length: int | None
    last_synced_at: datetime | None
    updated_at: datetime
    created_at: datetime


class Items(BaseModel):
    """A page of decisions; or the statuses."""

    success: bool
    items: list[Item] | None = None
    totalCount: int | None = None
    filteredCount: int | None = None
    statuses: list[str] | None = None


class Update(Asked):
    """What to say of a model; what is left out, or null, stays as it is."""

    model_id: Id
    status: Literal["new", "active", "disabled"] | None = None
    is_free: StrictBool | None = None
    is_pro: StrictBool | None = None
    is_enterprise: StrictBool | None = None


class Updates(Asked):
    """Up to 500 of them: all are made, or none."""

    updates: list[Update] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Result(BaseModel):
    """What became of one of them."""

    model_id: str
    success: bool
    error: str | None = None


class Results(BaseModel):
    """What became of each."""

    success: bool
    results: list[Result]


@router.get("", response_model=Items, response_model_exclude_none=True)
def model_access(request: Request, caller: Admin, asked: Annotated[AccessAsked, Query()]) -> Response:
    """Decisions, those on the newest models first. `GET /api/admin/models` says more of each."""
    if asked.meta:
        return JSONResponse({"success": True, "statuses": STATUSES})
    bound = {"status": None if asked.status == "all" else asked.status, "limit": asked.limit, "offset": asked.offset}
    return asked_of_database(request, ITEMS, bound)


@router.patch("", response_model=Results, responses={400: {"model": Results, "description": "None was made, and why"}})
def change_model_access(request: Request, caller: Admin, changes: Updates) -> Response:
    """Say something of several models, as they are now. All or nothing: 200, or 400 with the reason beside those that are wrong. Whoever must
    not overwrite what another admin says meanwhile uses `PATCH /api/admin/models`, which names versions."""
    words: list[tuple[str, dict[str, Any], int | None]] = [
        (one.model_id, one.model_dump(exclude_none=True, exclude={"model_id"}), None) for one in changes.updates
    ]
    _, troubles = say(request, caller, words, "")
    wrong = {one.place: one.message for one in troubles}
    others = "Nothing was changed, because of another one." if troubles else None
    results = [
        {"model_id": one.model_id, "success": not troubles} | ({"error": wrong.get(place, others)} if troubles else {})
        for place, one in enumerate(changes.updates)
    ]
    return JSONResponse({"success": not troubles, "results": results}, 400 if troubles else 200)
