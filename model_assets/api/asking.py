"""What every reading route does alike: who sees it, at which published number it was read, and how it is written."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from sqlalchemy import Connection, text
from starlette.responses import Response

from model_assets.access.visibility import widened
from model_assets.answers.plain import plain, read_instant
from model_assets.answers.sellers import own_name
from model_assets.api.callers import Caller
from model_assets.api.pages import published
from model_assets.contracts import METERS
from model_assets.errors import ModelAssetsError


def utc(expression: str) -> str:
    """SQL: an instant as text with a Z; for sessions in UTC, as those of requests are."""
    return f"replace(to_jsonb({expression}) #>> '{{}}', '+00:00', 'Z')"


def storable(given: str) -> str:
    """A text that Postgres can hold. Raises ValueError otherwise."""
    if "\0" in given or any("\ud800" <= one <= "\udfff" for one in given):
        raise ValueError("it holds a character that cannot be stored: NUL, or half of a pair")
    return given


def _instant(given: str) -> str:
    try:
        read_instant(given)
    except ModelAssetsError as error:
        raise ValueError(str(error)) from None
    return given


def _meter(given: str) -> str:
    if given not in METERS:
        raise ValueError(f"there is no such meter. There are: {', '.join(METERS)}")
    return given


Words = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(storable)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(storable)]
#: who sells, as any source spells it
Seller = Annotated[Name, AfterValidator(own_name)]
Instant = Annotated[
    str,
    Field(min_length=1, max_length=40, examples=["2026-05-19T02:00Z", "2026-05-19"]),
    AfterValidator(storable),
    AfterValidator(_instant),
]
Meter = Annotated[str, AfterValidator(_meter), WithJsonSchema({"type": "string", "enum": list(METERS)})]
ModelId = Annotated[
    str,
    Path(
        max_length=300,
        description="any id of any source, slashes included, a canonical id, or the slug of a well-known model",
        examples=["openai/gpt-4o"],
    ),
    AfterValidator(storable),
]


class Meta(BaseModel):
    """About a list: how many there are in all, which part this is, and of which published number."""

    total: int | None = Field(default=None, description="rows in all, of which this is a part", examples=[1])
    limit: int | None = Field(default=None, examples=[20])
    offset: int | None = Field(default=None, description="rows before these; null where a cursor was given", examples=[0])
    next_cursor: str | None = Field(default=None, description="where to go on; null at the end")
    version: int = Field(description="number of what is published: nothing changes while it stays", examples=[1795418708123])
    published_at: datetime


class Seen(NamedTuple):
    """What a question is answered from: a connection at one moment, the tier that sees, and what is published."""

    connection: Connection
    tier: str
    meta: dict[str, Any]


def instant(given: str | None) -> datetime | None:
    """The instant that a checked parameter names."""
    return None if given is None else read_instant(given)


def tier_of(request: Request, caller: Caller) -> str:
    """The tier by which a caller sees the catalogue."""
    return widened(caller.tier, request.app.state.parts.settings.api_catalogue_tier)


def answer(request: Request, caller: Caller, make: Callable[[Seen], object], model_of: Callable[[], str | None] = lambda: None) -> Response:
    """`{data, meta}` of what `make` says, made once per published number, query and tier. `make` may add to the meta; `model_of` says afterwards of
    which model it is the page, where reading it is a view."""

    response = published(
        request, request.app.state.parts.pages, tier_of(request, caller), lambda: told(request, caller, make), model_of=model_of
    )
    assert response is not None
    return response


def told(request: Request, caller: Caller, make: Callable[[Seen], object]) -> tuple[int, bytes]:
    """(the published number, the answer as bytes), not kept."""
    with request.app.state.parts.database.reading() as connection:
        version, published_at = connection.execute(text("select version, published_at from catalog.published")).one()
        meta: dict[str, Any] = {"version": version, "published_at": plain({"at": published_at})["at"]}
        data = make(Seen(connection, tier_of(request, caller), meta))
    return version, as_bytes({"data": data, "meta": meta})


def as_bytes(said: object) -> bytes:
    """JSON; whatever text it holds, lone surrogates of a hostile source included."""
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def rows(connection: Connection, query: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows as JSON can hold them."""
    return [plain(dict(row)) for row in connection.execute(text(query), bound).mappings()]


def part(seen: Seen, query: str, bound: dict[str, Any], limit: int, offset: int) -> list[dict[str, Any]]:
    """A part of a list, by a query that binds limit and offset and whose rows have the `total` of all; the meta says which part it is."""
    found = rows(seen.connection, query, {**bound, "limit": limit, "offset": offset})
    any_row = found or (rows(seen.connection, query, {**bound, "limit": 1, "offset": 0}) if offset else [])
    seen.meta.update(total=any_row[0]["total"] if any_row else 0, limit=limit, offset=offset)
    return [{name: value for name, value in row.items() if name != "total"} for row in found]
