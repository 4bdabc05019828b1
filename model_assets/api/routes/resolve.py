"""Which models ids stand for."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.answers.naming import first_hand
from model_assets.answers.sellers import whose_word
from model_assets.api.asking import Instant, Meta, Name, Seen, Words, instant, told
from model_assets.api.callers import Anyone
from model_assets.api.finding import card_of, links_of, unsold, visible
from model_assets.identity.link import Link

router = APIRouter(prefix="/api/v1", tags=["identity"])
PARTS = ("model", "snapshot", "alias", "variant", "build", "region", "rule")


class ResolveRequest(BaseModel):
    """Ids of any source."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": ["gpt-4o-2024-08-06", "openai/gpt-4o"]}]})

    ids: Annotated[list[Words], Field(min_length=1, max_length=100)]
    provider: Name | None = Field(default=None, description="the ids as this provider's, as any source spells it")
    as_of: Instant | None = Field(default=None, description="by what was believed at this instant")


class ListedAs(BaseModel):
    """One listing that has the id, or, where source is null, the model that its name leads to. Parts that the id does not name are null."""

    source: str | None
    provider: str | None
    listed_id: str | None
    id: str = Field(description="the model, or the offer of a listing that is no known model")
    model: str | None
    snapshot: str | None
    alias: str | None
    variant: str | None
    build: str | None
    region: str | None
    offer: str | None
    rule: str
    confidence: str


class Resolution(BaseModel):
    """What an id stands for."""

    given: str
    status: Literal["resolved", "ambiguous", "unresolved", "unknown"] = Field(
        description="ambiguous: several models, or several listings of none; unresolved: listed, and no known model; unknown: nothing that you see has it"
    )
    model: str | None
    links: list[ListedAs]


class Resolutions(BaseModel):
    """One for each id, in the order in which they were given."""

    data: list[Resolution]
    meta: Meta


@router.post("/resolve", response_model=Resolutions)
def resolve(request: Request, caller: Anyone, asked: ResolveRequest) -> Response:
    """Which model each id is, and which snapshot, variant or build of it; with the rule that says so and how sure it is."""

    def make(seen: Seen) -> object:
        known: dict[str, dict[str, Any]] = {}
        for given in asked.ids:
            if given not in known:
                at = instant(asked.as_of)
                provider = whose_word(seen.connection, asked.provider, given, at) or asked.provider
                links = visible(seen, links_of(seen, given, provider, at))
                known[given] = _resolution(given, first_hand(seen.connection, links), unsold(seen, links))
        return [known[given] for given in asked.ids]

    _, body = told(request, caller, make)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _resolution(given: str, meant: Sequence[Link], links: Sequence[Link]) -> dict[str, Any]:
    """`meant` are those of its links that count, as in `finding.find`."""
    models = {link.model for link in meant if link.model}
    several = len(models or {card_of(link) for link in meant}) > 1
    status = "ambiguous" if several else "resolved" if models else "unresolved" if links else "unknown"
    told = [_told(link) for link in links[:100]]
    distinct = [one for place, one in enumerate(told) if one not in told[:place]]
    return {"given": given, "status": status, "model": min(models) if len(models) == 1 else None, "links": distinct}


def _told(link: Link) -> dict[str, Any]:
    listed = {name: getattr(link, name) or None for name in ("source", "provider", "listed_id")} if link.source else {}
    return {
        "source": None, "provider": None, "listed_id": None, **listed,
        "id": card_of(link),
        **{part: getattr(link, part) or None for part in PARTS},
        "offer": link.offer if link.source else None,
        "confidence": str(link.confidence),
    }  # fmt: skip
