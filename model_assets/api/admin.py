"""What the routes of admins share: who is let in and when, texts that can be stored, pages of rows, and versions as tags."""

import posixpath
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, URLPath
from starlette.types import Receive, Scope, Send

from model_assets.access.audit import speaking
from model_assets.api.asking import storable
from model_assets.api.callers import BEARER, Caller, identify, unauthenticated
from model_assets.api.errors import NOTHING, Problem

AREA = "/api/admin"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NO_STORE = {"Cache-Control": "no-store"}
LONGEST = timedelta(days=36_525)
VERSION = re.compile(r'"v([0-9]{1,18})"')


def _readable(given: str) -> str:
    if not any(one.isprintable() and not one.isspace() for one in given):
        raise ValueError("it is blank: say something that can be read later")
    return given


def _sensible(given: datetime) -> datetime:
    if not abs(given - datetime.now(UTC)) < LONGEST:
        raise ValueError("it is more than a hundred years from now")
    return given


Instant = Annotated[AwareDatetime, AfterValidator(_sensible)]
Id = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(storable)]
Words = Annotated[str, Field(max_length=2000), AfterValidator(storable)]
Why = Annotated[str, Field(max_length=1000, description="the reason, kept in the audit"), AfterValidator(storable)]
Reason = Annotated[Why, AfterValidator(_readable)]


class Asked(BaseModel):
    """Parameters, or a body, of which every part is known: a misspelt one is refused instead of being overlooked."""

    model_config = ConfigDict(extra="forbid")


class Paged(Asked):
    """Which page of a list."""

    limit: int = Field(100, ge=1, le=500, description="rows of a page")
    offset: int = Field(0, ge=0, le=10_000_000, description="rows before it")


class Meta(BaseModel):
    """Which page it is, of how many rows that fit."""

    total: int
    limit: int
    offset: int


def who_is_admin(request: Request) -> Caller:
    """The admin who sends a request. Raises Problem: 401 without valid credentials, 403 for anybody else."""
    caller = identify(request)
    if not caller.authenticated:
        raise unauthenticated()
    if caller.tier != "admin":
        raise Problem(403, None, "This is for admins.")
    return caller


class AdminRoute(APIRoute):
    """A route that looks at who asks before it looks at what is asked: who is no admin learns nothing of it, not even what is wrong with it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            request.state.admin = await run_in_threadpool(who_is_admin, request)
            response = await answer(request)
            response.headers.update(NO_STORE)
            return response

        return guarded


def _admin(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> Caller:
    caller: Caller = request.state.admin  # by AdminRoute: a route that is none fails here
    return caller


Admin = Annotated[Caller, Security(_admin)]


class AdminArea(BaseRoute):
    """Whatever else is asked for below /api/admin, however it is spelt: 401 and 403 come before 404 and 405. Must be the last route."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes = routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Everything in the area, once its spelling is made plain."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = posixpath.normpath(re.sub("/+", "/", unquote(scope["path"]))).lower()
        return (Match.FULL if path == AREA or path.startswith(f"{AREA}/") else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """401 or 403; to an admin 405 where the address has other methods, else 404."""
        await run_in_threadpool(who_is_admin, Request(scope))
        others = [route for route in self.routes if route is not self]
        has = [method for method in METHODS if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in others)]
        if has:
            raise Problem(405, None, "This address does not have that method.", headers={"Allow": ", ".join(has)})
        raise Problem(404, None, NOTHING)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """It has no name."""
        raise NoMatchFound(name, path_params)


@contextmanager
def writing_as(request: Request, caller: Caller, why: str) -> Iterator[Connection]:
    """A transaction in which an admin changes something that is audited."""
    actor, number, database = str(caller.user_id), request_id(request), request.app.state.parts.database
    with database.in_line(), database.writing(actor, number, why) as connection, speaking(connection, actor, why, number):
        yield connection


def request_id(request: Request) -> str:
    """The request's id, for the audit."""
    return str(request.scope.get("request_id", ""))


def json_answer(body: str, headers: dict[str, str] | None = None) -> Response:
    """JSON that Postgres made, as an answer."""
    return Response(body, media_type="application/json", headers=headers)


def asked_of_database(request: Request, statement: str, bound: dict[str, Any] | None = None) -> Response:
    """The JSON that a statement makes of what is bound, as an answer."""
    return json_answer(request.app.state.parts.database.json(statement, bound))


def tag(version: int) -> str:
    """The ETag of a decision."""
    return f'"v{version}"'


def version_of(if_match: str | None) -> int:
    """The version that If-Match names. Raises Problem: 428 where it names none, 412 where that can be no version's tag."""
    if if_match is None or if_match.strip() == "*":
        raise Problem(428, None, "Say with If-Match which version you saw: the ETag that the model was answered with.")
    found = VERSION.fullmatch(if_match.strip())
    if not found:
        raise Problem(412, None, "If-Match names no version of this model. Use the ETag that it was answered with, as it is.")
    return int(found[1])


def page_of(fields: str, source: str, order: str) -> str:
    """SQL of a page as one JSON text, of one moment: {"data": [...], "meta": {...}}. `fields` is the arguments of json_build_object over the
    relation that `source` (FROM and WHERE) calls `found`, `order` its sort; :limit and :offset are bound."""
    return f"""
        with wanted as (select found.* from {source} order by {order} limit :limit offset :offset),
        page as (select found.*, row_number() over (order by {order}) as place from wanted as found)
        select json_build_object(
            'data', coalesce((select json_agg(json_build_object({fields}) order by found.place) from page as found), '[]'),
            'meta', json_build_object('total', (select count(*) from {source}), 'limit', cast(:limit as int), 'offset', cast(:offset as int))
        )::text"""


def like_all(words: str) -> list[str]:
    """Patterns of LIKE, all of which a text must fit that holds every word, in whatever order; each is taken letter for letter."""
    escaped = (re.sub(r"([\\%_])", r"\\\1", word) for word in words.lower().split()[:20])
    return [f"%{word}%" for word in escaped]
