"""Users follow models. What somebody follows is told to nobody else; how many follow a model, to all who may see it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, text
from starlette.responses import Response

from model_assets.access.visibility import sees
from model_assets.answers.plain import plain
from model_assets.api.asking import Meta, ModelId, Seen, part, tier_of, told, utc
from model_assets.api.callers import Caller, User
from model_assets.api.database import again
from model_assets.api.errors import documented
from model_assets.api.finding import find

router = APIRouter(prefix="/api/v1", tags=["follows"])
LOCK = text("select pg_advisory_xact_lock(hashtextextended('follow ' || cast(:user_id as text) || ' ' || cast(:model_id as text), 0))")
FOLLOW = "insert into access.follow (user_id, model_id) values (:user_id, :model_id) on conflict do nothing"
LEAVE = "delete from access.follow where user_id = :user_id and model_id = :model_id"
STATUS = """
select exists (select from access.follow where user_id = :user_id and model_id = :model_id) as following,
       (select count(*) from access.follow where model_id = :model_id) as followers
"""
MINE = f"""
select card.model_id, card.name, card.author, card.status, {utc("follow.followed_at")} as followed_at, count(*) over () as total
from access.follow as follow
join catalog.model_card as card on card.model_id = follow.model_id
where follow.user_id = :user_id and {{sees}}
order by follow.followed_at desc, follow.model_id
limit :limit offset :offset
"""


class Following(BaseModel):
    """Whether the caller follows a model, and how many users do."""

    model_id: str = Field(examples=["openai/gpt-4o"])
    following: bool
    followers: int = Field(examples=[3])


class FollowAnswer(BaseModel):
    """The caller and a model."""

    data: Following


class Followed(BaseModel):
    """A model that the caller follows."""

    model_id: str = Field(examples=["openai/gpt-4o"])
    name: str | None
    author: str | None
    status: str | None
    followed_at: str = Field(examples=["2026-05-19T02:00:00Z"])


class FollowList(BaseModel):
    """What the caller follows, newest first."""

    data: list[Followed]
    meta: Meta


class Paging(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=100_000)


@router.get("/me/follows", response_model=FollowList)
def my_follows(request: Request, caller: User, asked: Annotated[Paging, Query()]) -> Response:
    """The models that you follow, newest first; those that you may not see now are left out until you may."""

    def make(seen: Seen) -> list[dict[str, Any]]:
        return part(seen, MINE.replace("{sees}", sees(seen.tier)), {"user_id": caller.user_id}, asked.limit, asked.offset)

    _, body = told(request, caller, make)
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})


@router.get("/models/{model_id:path}/follow-status", response_model=FollowAnswer, responses=documented(404, 409))
def follow_status(request: Request, caller: User, model_id: ModelId) -> FollowAnswer:
    """Whether you follow a model, and how many users do."""
    with request.app.state.parts.database.reading() as connection:
        return _status(connection, caller, _card(connection, request, caller, model_id))


@router.post("/models/{model_id:path}/follow", response_model=FollowAnswer, responses=documented(404, 409))
def toggle_follow(request: Request, caller: User, model_id: ModelId) -> FollowAnswer:
    """Follow a model, or no longer where you do: each call is the other way round. PUT and DELETE say which, and may be repeated."""

    def toggle(connection: Connection, bound: dict[str, Any]) -> None:
        connection.execute(LOCK, bound)
        if not connection.execute(text(LEAVE), bound).rowcount:
            connection.execute(text(FOLLOW), bound)

    return _write(request, caller, model_id, toggle)


@router.put("/models/{model_id:path}/follow", response_model=FollowAnswer, responses=documented(404, 409))
def follow(request: Request, caller: User, model_id: ModelId) -> FollowAnswer:
    """Follow a model. Nothing happens where you do."""
    return _write(request, caller, model_id, lambda connection, bound: connection.execute(text(FOLLOW), bound))


@router.delete("/models/{model_id:path}/follow", response_model=FollowAnswer, responses=documented(404, 409))
def unfollow(request: Request, caller: User, model_id: ModelId) -> FollowAnswer:
    """Follow a model no longer. Nothing happens where you do not."""
    return _write(request, caller, model_id, lambda connection, bound: connection.execute(text(LEAVE), bound))


def _write(request: Request, caller: Caller, given: str, change: Any) -> FollowAnswer:
    def once() -> FollowAnswer:
        with request.app.state.parts.database.writing(str(caller.user_id), request.scope["request_id"]) as connection:
            model_id = _card(connection, request, caller, given)
            change(connection, {"user_id": caller.user_id, "model_id": model_id})
            return _status(connection, caller, model_id)

    return again(once)


def _card(connection: Connection, request: Request, caller: Caller, given: str) -> str:
    """The model that an id of any source stands for. Raises Problem: 404, 409."""
    published = connection.execute(text("select published_at from catalog.published")).mappings().one()
    return find(Seen(connection, tier_of(request, caller), plain(dict(published))), given).card


def _status(connection: Connection, caller: Caller, model_id: str) -> FollowAnswer:
    row = connection.execute(text(STATUS), {"user_id": caller.user_id, "model_id": model_id}).one()
    return FollowAnswer(data=Following(model_id=model_id, following=row.following, followers=row.followers))
