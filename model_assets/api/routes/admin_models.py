"""Who may use which model, for admins: the decisions on all of them, and people's words on one or on up to 500 at once."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt
from sqlalchemy import text
from starlette.responses import Response

from model_assets.access.words import MOST_AT_ONCE, nearest, unknown
from model_assets.answers.sellers import own_name
from model_assets.api.admin import (
    Admin,
    AdminRoute,
    Asked,
    Id,
    Instant,
    Meta,
    Paged,
    Why,
    Words,
    json_answer,
    like_all,
    storable,
    tag,
    version_of,
)
from model_assets.api.asking import utc
from model_assets.api.decisions import Said, one_problem, rows_problem, say
from model_assets.api.errors import Problem, documented

router = APIRouter(prefix="/api/admin", tags=["administering"], route_class=AdminRoute, responses=documented(403))
Status = Literal["new", "active", "disabled", "inactive"]
Limit = Annotated[StrictInt, Field(ge=0, le=2**53)]
ModelId = Annotated[str, Path(min_length=1, max_length=500, examples=["openai/gpt-4o"]), AfterValidator(storable)]

CARD = "left join catalog.model_card as card on card.model_id = coalesce(found.base_model_id, found.model_id)"
#: all that is told of the decisions on :ids, in their order
DETAILED = """
(
    select
        access.*, array_position(cast(:ids as text[]), access.model_id) as place, nullif(card.name, '') as name, card.author,
        case when said.decided_until > now() or said.decided_until is null then said.said_status end as said_status, said.gone,
        coalesce(offered.offers, 0) as offers, coalesce(offered.providers, '{}') as providers
    from access.model_access as access
    join access.decision as said on said.model_id = access.model_id
    left join catalog.model_card as card on card.model_id = coalesce(access.base_model_id, access.model_id)
    left join lateral (
        select count(*) as offers, array_agg(distinct offer.provider order by offer.provider) as providers
        from access.offer_access as offer where offer.model_id = access.model_id and offer.listed
    ) as offered on true
    where access.model_id = any(cast(:ids as text[]))
) as found
"""
FIELDS = f"""
    'model_id', found.model_id, 'base_model_id', found.base_model_id, 'version', found.version, 'name', found.name, 'author', found.author,
    'status', found.status, 'is_free', found.is_free, 'is_pro', found.is_pro, 'is_enterprise', found.is_enterprise,
    'daily_limit', found.daily_limit, 'monthly_limit', found.monthly_limit, 'note', found.note,
    'decided_by', found.decided_by, 'decided_at', {utc("found.decided_at")}, 'decided_until', {utc("found.decided_until")},
    'said', json_build_object('status', found.said_status, 'is_free', found.said_free, 'is_pro', found.said_pro,
                              'is_enterprise', found.said_enterprise),
    'rule', json_build_object('status', found.rule_status, 'is_free', found.rule_free, 'is_pro', found.rule_pro,
                              'is_enterprise', found.rule_enterprise, 'why', found.why),
    'gone', found.gone, 'first_seen_at', {utc("found.first_seen_at")}, 'offers', found.offers, 'providers', found.providers
"""
FILTERS = {
    "status": "found.status = :status",
    "is_free": "found.is_free = :is_free",
    "is_pro": "found.is_pro = :is_pro",
    "is_enterprise": "found.is_enterprise = :is_enterprise",
    "decided_by": "found.decided_by = :decided_by",
    "provider": "exists (select from access.offer_access as offer where offer.model_id = found.model_id and offer.provider = :provider and offer.listed)",
    "author": "card.author = :author",
    "q": "lower(concat_ws(' ', found.model_id, card.words, found.note)) like all(:q)",
}
SORTS = {
    "model_id": "found.model_id", "-model_id": "found.model_id desc", "name": "nullif(card.name, '') nulls last, found.model_id",
    "first_seen_at": "found.first_seen_at, found.model_id", "-first_seen_at": "found.first_seen_at desc, found.model_id",
    "decided_at": "found.decided_at nulls last, found.model_id", "-decided_at": "found.decided_at desc nulls last, found.model_id",
}  # fmt: skip


class ModelsAsked(Paged):
    """Which decisions are asked for."""

    status: Status | None = None
    is_free: bool | None = None
    is_pro: bool | None = None
    is_enterprise: bool | None = None
    decided_by: Id | None = Field(None, description="`policy`, or a user's id")
    provider: Annotated[Id, AfterValidator(own_name)] | None = Field(None, description="that sells it now, as any source spells it")
    author: Id | None = None
    q: Words | None = Field(None, description="words, in any order, of its ids, name, author or note")
    sort: Literal["model_id", "-model_id", "name", "first_seen_at", "-first_seen_at", "decided_at", "-decided_at"] = "model_id"


class SaidOf(BaseModel):
    """A status and three tiers; null where nothing is said of it."""

    status: Status | None
    is_free: bool | None
    is_pro: bool | None
    is_enterprise: bool | None


class RuleOf(SaidOf):
    """What the policy says, and by which rule of each tier."""

    why: dict[str, str]


class Decision(BaseModel):
    """What is decided on a model, a plan of one, or an offer of no known model; and by whom."""

    model_id: str = Field(examples=["openai/gpt-oss-120b:free"])
    base_model_id: str | None = Field(description="the model, of a plan of one")
    version: int = Field(description='counts its changes; its ETag is "v<version>"')
    name: str | None
    author: str | None
    status: Status = Field(description="what counts now; inactive: no source lists it any more")
    is_free: bool
    is_pro: bool
    is_enterprise: bool
    daily_limit: int | None = Field(description="requests of a user per day; null: none")
    monthly_limit: int | None
    note: str | None
    decided_by: str = Field(examples=["policy"])
    decided_at: datetime | None
    decided_until: datetime | None
    said: SaidOf = Field(description="a person's word, which no sync touches; null where the policy counts")
    rule: RuleOf
    gone: bool
    first_seen_at: datetime
    offers: int
    providers: list[str]


class Decisions(BaseModel):
    """A page of decisions."""

    data: list[Decision]
    meta: Meta


class Change(Asked):
    """What to say of a model. A part that is left out stays as it is; null takes back what was said, and the policy counts again."""

    status: Literal["new", "active", "disabled"] | None = None
    is_free: StrictBool | None = None
    is_pro: StrictBool | None = None
    is_enterprise: StrictBool | None = None
    daily_limit: Limit | None = Field(None, description="requests of a user per day")
    monthly_limit: Limit | None = None
    note: Words | None = None
    until: Instant | None = Field(None, description="when all that is said of the model ends")


class OneChange(Change):
    """A change of one model."""

    why: Why = ""


class RowChange(Change):
    """A change of one of several models."""

    model_id: Id
    version: Annotated[StrictInt, Field(ge=1, le=2**53)] = Field(description="the version you saw")


class Bulk(Asked):
    """Changes of several models: all of them, or none."""

    updates: list[RowChange] = Field(min_length=1, max_length=MOST_AT_ONCE)
    why: Why = ""


class Changed(BaseModel):
    """The decisions after a change."""

    data: list[Decision]


@router.get("/models", response_model=Decisions)
def models(request: Request, caller: Admin, asked: Annotated[ModelsAsked, Query()]) -> Response:
    """Every decision, filtered and sorted, by page: of models, of plans with a price of their own, and of offers of no known model."""
    given = asked.model_dump(exclude_none=True)
    where = " and ".join(["true", *(condition for name, condition in FILTERS.items() if name in given)])
    order = SORTS[asked.sort]
    source = f"access.model_access as found {CARD if 'card.' in where + order else ''} where {where}"
    bound: dict[str, Any] = given | ({"q": like_all(asked.q)} if asked.q is not None else {})
    with request.app.state.parts.database.reading() as connection:
        total = connection.execute(text(f"select count(*) from {source}"), bound).scalar_one()
        ids = list(connection.scalars(text(f"select found.model_id from {source} order by {order} limit :limit offset :offset"), bound))
        data = connection.execute(text(DATA), {"ids": ids}).scalar_one()
    meta = json.dumps({"total": total, "limit": asked.limit, "offset": asked.offset})
    return json_answer(f'{{"data": {data}, "meta": {meta}}}')


@router.patch("/models", response_model=Changed, responses=documented(404, 409, 412))
def change_models(request: Request, caller: Admin, changes: Bulk) -> Response:
    """Say something of up to 500 models: all or nothing. Each names the version that was seen; what is wrong with which is in `details`."""
    words = [(row.model_id, said(row), row.version) for row in changes.updates]
    _, troubles = say(request, caller, words, changes.why)
    if troubles:
        raise rows_problem(troubles)
    return json_answer(_decisions(request, [row.model_id for row in changes.updates]))


@router.get("/models/{model_id:path}", response_model=Decision, responses=documented(404))
def model(request: Request, caller: Admin, model_id: ModelId) -> Response:
    """One decision. Its ETag is needed to change it."""
    return _one(request, model_id)


@router.patch("/models/{model_id:path}", response_model=Decision, responses=documented(404, 412, 428))
def change_model(
    request: Request,
    caller: Admin,
    model_id: ModelId,
    change: OneChange,
    if_match: Annotated[str | None, Header(description="its ETag")] = None,
) -> Response:
    """Say something of a model, if it is still as you saw it. What is said counts before the policy, and lists have it at once."""
    version = version_of(if_match)
    _, troubles = say(request, caller, [(model_id, said(change), version)], change.why)
    if troubles:
        raise one_problem(troubles[0])
    return _one(request, model_id)


def said(change: Change) -> Said:
    """What is given of a change, by name."""
    return {name: getattr(change, name) for name in Change.model_fields if name in change.model_fields_set}


DATA = f"select coalesce(json_agg(json_build_object({FIELDS}) order by found.place), '[]')::text from {DETAILED}"
ONE = f"select found.version, json_build_object({FIELDS})::text as body from {DETAILED}"


def _one(request: Request, model_id: str) -> Response:
    with request.app.state.parts.database.reading() as connection:
        found = connection.execute(text(ONE), {"ids": [model_id]}).one_or_none()
        if found is None:
            raise Problem(404, None, unknown(model_id, nearest(connection, model_id)))
    return json_answer(found.body, {"ETag": tag(found.version)})


def _decisions(request: Request, model_ids: list[str]) -> str:
    return f'{{"data": {request.app.state.parts.database.json(DATA, {"ids": model_ids})}}}'
