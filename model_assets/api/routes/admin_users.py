"""Users, for admins: the tier of each."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection, text
from starlette.responses import Response

from model_assets.access.users import require_person, tell_of_change
from model_assets.api.admin import (
    Admin,
    AdminRoute,
    Asked,
    Meta,
    Paged,
    Why,
    Words,
    asked_of_database,
    json_answer,
    like_all,
    page_of,
    storable,
    writing_as,
)
from model_assets.api.asking import utc
from model_assets.api.errors import Problem, documented
from model_assets.api.profiles import Tier

router = APIRouter(prefix="/api/admin/users", tags=["administering"], route_class=AdminRoute, responses=documented(403))
UserId = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(storable)]
FIELDS = f"""'user_id', found.user_id, 'tier', found.tier, 'default_model', found.default_model,
    'created_at', {utc("found.created_at")}, 'changed_at', {utc("found.changed_at")}"""
PUT = """
insert into access.profile (user_id, tier) values (:user_id, :tier)
on conflict (user_id) do update set tier = excluded.tier where profile.tier <> excluded.tier
"""
OTHER_ADMINS = "select user_id from access.profile where tier = 'admin' order by user_id for update"


class UsersAsked(Paged):
    """Which users are asked for."""

    tier: Tier | None = None
    q: Words | None = Field(None, description="words of the id")


class User(BaseModel):
    """A user that is known. Who is not has the tier free."""

    user_id: str
    tier: Tier
    default_model: str | None
    created_at: datetime
    changed_at: datetime


class Users(BaseModel):
    """A page of users."""

    data: list[User]
    meta: Meta


class NewTier(Asked):
    """The tier to give."""

    tier: Tier
    why: Why = ""


@router.get("", response_model=Users)
def users(request: Request, caller: Admin, asked: Annotated[UsersAsked, Query()]) -> Response:
    """The users that are known, by id."""
    source = """access.profile as found
        where (cast(:tier as text) is null or found.tier = :tier) and lower(found.user_id) like all(cast(:q as text[]))"""
    bound: dict[str, Any] = asked.model_dump() | {"q": like_all(asked.q or "")}
    return asked_of_database(request, page_of(FIELDS, source, "found.user_id"), bound)


@router.put("/{user_id:path}", response_model=User, responses=documented(409))
def put_user(request: Request, caller: Admin, user_id: UserId, wanted: NewTier) -> Response:
    """Give a user a tier, known before or not. It counts from their next request on. Somebody has to stay an admin."""
    require_person(user_id)
    with writing_as(request, caller, wanted.why) as connection:
        if wanted.tier != "admin":
            _some_admin_stays(connection, user_id)
        connection.execute(text(PUT), {"user_id": user_id, "tier": wanted.tier})
        tell_of_change(connection, user_id)
        found: str = connection.execute(
            text(f"select json_build_object({FIELDS})::text from access.profile as found where user_id = :user_id"), {"user_id": user_id}
        ).scalar_one()
    request.app.state.parts.profiles.forget(user_id)
    return json_answer(found)


def _some_admin_stays(connection: Connection, user_id: str) -> None:
    """Raises Problem (409) where the user is the only admin. Two who take it from each other at once wait for one another here."""
    admins = list(connection.scalars(text(OTHER_ADMINS)))
    if admins == [user_id]:
        raise Problem(409, None, "This is the only admin. Make somebody else an admin first.")
