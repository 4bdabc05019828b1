"""What changed: as JSON to read on from a cursor, as Atom and as a JSON Feed."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import URL
from starlette.responses import Response

from model_assets.access.visibility import widened
from model_assets.answers.plain import read_instant
from model_assets.api.asking import Seller, Words
from model_assets.api.callers import Anyone
from model_assets.api.errors import Problem, documented
from model_assets.api.pages import Page as Bytes
from model_assets.api.pages import send
from model_assets.changes.feed import LIMIT, Asked, BadCursor, read_cursor, read_page
from model_assets.changes.formats import ATOM_TYPE, JSON, JSON_FEED_TYPE, atom, json_feed
from model_assets.changes.record import TYPES
from model_assets.errors import ModelAssetsError

router = APIRouter(prefix="/api/v1", tags=["changes"])
FORMATS = {"json": JSON, "atom": ATOM_TYPE, "jsonfeed": JSON_FEED_TYPE}


class Change(BaseModel):
    """One thing that changed. `at` is when it was so, `recorded_at` when it was published here."""

    id: str = Field(description="stays the same for ever", examples=["5b0f7a34-3f6d-4c1c-9a53-7f3e0c8f2b11"])
    type: str = Field(examples=["price_changed"])
    at: datetime
    recorded_at: datetime
    model_id: str = Field(description="what it is about: a model, a plan of one, or an offer of no known model", examples=["openai/gpt-4o"])
    model: str | None
    offer: str | None
    provider: str | None
    condition: dict[str, object] = Field(description="which price: meter, unit, currency, and when it holds")
    before: dict[str, object] | None
    after: dict[str, object] | None
    source: str | None = Field(description="whose word it is")


class Changes(BaseModel):
    """A page of changes."""

    changes: list[Change]
    next_cursor: str | None = Field(description="where to read on, also when nothing more is there yet")
    more: bool = Field(description="whether more is there already")


def _readable(given: object) -> object:
    """What was given, if it can be an instant; not so a number, which would be seconds since 1970. Raises ValueError."""
    try:
        read_instant(str(given))
        return TypeAdapter(datetime).validate_python(given)
    except (ModelAssetsError, ValidationError):
        raise ValueError("that is no instant. Write one like 2026-05-19T02:00:00Z, or a day like 2026-05-19, or leave it out") from None


class ChangesAsked(BaseModel):
    """Which changes."""

    model_config = ConfigDict(extra="forbid")
    type: Annotated[list[str], Field(max_length=100)] | None = Field(
        default=None, description="only these; several by repeating it or with commas"
    )
    model: Words | None = Field(
        default=None, description="only of this model, plan or offer, by its id here: POST /api/v1/resolve says which"
    )
    provider: Seller | None = Field(default=None, description="who sells it, as any source spells it")
    since: Annotated[datetime | None, BeforeValidator(_readable)] = Field(
        default=None, description="only what was so from this instant on (UTC unless it says otherwise)"
    )
    limit: int = Field(default=100, ge=1, le=LIMIT)
    cursor: Annotated[str, Field(max_length=100)] | None = Field(default=None, description="next_cursor of an answer")
    order: Literal["oldest", "newest"] | None = Field(default=None, description="from where to begin without a cursor")
    format: Literal["json", "atom", "jsonfeed"] | None = Field(default=None, description="before what Accept says")


@router.get(
    "/changes",
    response_model=Changes,
    responses={
        200: {
            "description": "Changes",
            "content": {ATOM_TYPE: {"schema": {"type": "string"}}, JSON_FEED_TYPE: {"schema": {"type": "object"}}},
        },
        304: {"description": "What you have is what there is"},
        **documented(400, 401, 406),
    },
)
def changes(request: Request, caller: Anyone, asked: Annotated[ChangesAsked, Query()]) -> Response:
    """What changed in the catalogue, in the order in which it was recorded. Read on with `next_cursor`: nothing is skipped and nothing comes
    twice. JSON begins with the oldest unless `order=newest`; Atom and JSON Feed hold the newest first."""
    kind = asked.format or _accepted(request.headers.get("accept"))
    parts = request.app.state.parts
    tier = widened(caller.tier, parts.settings.api_catalogue_tier)
    # blanks are in no query that comes over HTTP
    key = f"{kind} {request.base_url} ".encode() + request.scope.get("query_string", b"")
    page = parts.pages.get(tier, request.scope["path"], key)
    if page is None:
        wanted = Asked(_types(asked.type), asked.model, asked.provider, None if asked.since is None else _utc(asked.since), asked.limit)
        order = asked.order or ("oldest" if kind == "json" else "newest")
        version, body = _made(request, tier, wanted, asked.cursor, kind, newest_first=order == "newest")
        page = Bytes(body, parts.pages.etag(version, f"{tier}-{kind}"), FORMATS[kind])
        parts.pages.keep(tier, request.scope["path"], key, version, page)
    return send(request, page)


def _made(request: Request, tier: str, asked: Asked, cursor: str | None, kind: str, *, newest_first: bool) -> tuple[int, bytes]:
    """The published number, and the page as bytes."""
    with asking(), request.app.state.parts.database.reading() as connection:
        found = read_page(connection, tier, asked, read_cursor(cursor) if cursor else None, newest_first=newest_first)
    following = None if found.next is None else str(found.next)
    if kind == "json":
        head = json.dumps({"next_cursor": following, "more": found.more})
        return found.version, f'{{"changes": {found.changes}, {head[1:]}'.encode()
    write: Callable[..., bytes] = atom if kind == "atom" else json_feed
    base = str(request.base_url).rstrip("/")
    older = _with(request.url, following) if found.more and following else None
    return found.version, write(json.loads(found.changes), base, str(request.url), older)


@contextmanager
def asking() -> Iterator[None]:
    """What is wrong with a cursor is the caller's: 400."""
    try:
        yield
    except BadCursor as error:
        raise Problem(400, "BAD_CURSOR", str(error)) from None


def _accepted(accept: str | None) -> str:
    """The format that a client likes best; JSON where it takes anything. Raises a Problem (406) where it takes none of them."""
    wanted: list[tuple[float, str]] = []
    for part in (accept or "*/*").split(",")[:50]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        wanted.append((float(weight) if re.fullmatch(r"[0-9]\.?[0-9]{0,3}", weight) else 0.0, name))
    for much, name in sorted(wanted, key=lambda one: -one[0]):  # a stable sort
        found = next((kind for kind, media in FORMATS.items() if name in (media, media.split("/")[0] + "/*", "*/*")), None)
        if found and much > 0:
            return found
    raise Problem(406, None, f"Changes come as {', '.join(FORMATS.values())}. Ask for one of them in Accept, or with ?format=.")


def _types(given: list[str] | None) -> list[str] | None:
    """The types asked for. Raises a Problem (400) where one is none."""
    if given is None:
        return None
    found = [one for part in given for one in part.split(",") if one]
    return known_types(found)


def known_types(given: list[str]) -> list[str]:
    """The types, as they are. Raises a Problem (400) that names them all where one is none of them."""
    if odd := [one for one in given if one not in TYPES]:
        raise Problem(400, "UNKNOWN_TYPE", f"There are no changes of type {odd[0][:60]!r}. There are: {', '.join(TYPES)}.")
    return given


def _utc(given: datetime) -> datetime:
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


def _with(url: URL, cursor: str) -> str:
    """The address of the page that begins at a cursor."""
    return str(url.include_query_params(cursor=cursor)) if url.query else f"{url}?{urlencode({'cursor': cursor})}"
