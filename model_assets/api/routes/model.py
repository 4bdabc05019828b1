"""One model: its page, and what is known of it in parts. Every address takes any id of any source."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.answers.sellers import whose_word
from model_assets.api import model_facts as facts
from model_assets.api.asking import Instant, Meta, Meter, ModelId, Name, Seen, Seller, answer, instant, part, rows
from model_assets.api.callers import Anyone
from model_assets.api.errors import documented
from model_assets.api.finding import Found, find
from model_assets.api.routes.catalogue import Item

router = APIRouter(prefix="/api/v1/models", tags=["models"], responses=documented(404, 409))


class Strict(BaseModel):
    """Parameters; one that is not known is refused, rather than answered as if it had not been there."""

    model_config = ConfigDict(extra="forbid")


class Paged(Strict):
    """A part of a list."""

    limit: int = Field(default=100, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=10_000_000)


class Few(Strict):
    """A part of a short list."""

    limit: int = Field(default=10, ge=1, le=50)
    offset: int = Field(default=0, ge=0, le=1_000_000)


class OfPrices(Strict):
    """Which prices."""

    limit: int = Field(default=500, ge=1, le=2000)
    offset: int = Field(default=0, ge=0, le=10_000_000)

    as_of: Instant | None = Field(default=None, description="the instant they are for (now unless given); a day is its end")
    known_at: Instant | None = Field(default=None, description="by what was known at this instant")
    provider: Name | None = Field(default=None, description="who sells it, as any source spells it")
    meter: Meter | None = None
    everything: bool = Field(
        default=False, description="dated snapshots too, where the id names none and the provider sells it without a date"
    )


class OfHistory(Paged):
    """Which changes of prices."""

    provider: Seller | None = Field(default=None, description="who sells it, as any source spells it")
    meter: Meter | None = None


class OfOffers(Paged):
    """Which offers."""

    provider: Seller | None = Field(default=None, description="who sells it, as any source spells it")


class OfScores(Paged):
    """Which scores."""

    benchmark: Name | None = None
    as_of: Instant | None = None


class Resolved(BaseModel):
    """What an id was found to mean; parts that it does not name are null."""

    id: str = Field(examples=["openai/gpt-4o"])
    model: str | None
    snapshot: str | None = Field(examples=["2024-08-06"])
    variant: str | None
    build: str | None
    region: str | None
    alias: str | None
    rule: str = Field(examples=["exact"])
    confidence: str = Field(examples=["1"])


class Detail(Item):
    """A model: what the list says, and each attribute with its source, prices by provider, scores, quick starts, counts."""

    asked: str
    resolved_as: Resolved
    attributes: dict[str, dict[str, Any]] = Field(description="name -> value, the source it was taken from, and its precision")
    prices_by_provider: list[dict[str, Any]] = Field(
        description="base prices now, with what speaks against them, of at most a hundred providers by name; /prices has all"
    )
    benchmarks: list[dict[str, Any]] = Field(description="a summary; the scores are under /benchmarks")
    quick_start: list[dict[str, Any]] = Field(description="per provider whose API is known: curl, python, javascript")
    counts: dict[str, int] = Field(
        description="offers, providers, mentions, open_disputes; follows and views are of when this page was made"
    )
    curated: dict[str, Any] | None = Field(description="best_for, not_for, category, slug of well-known models")


class OneModel(BaseModel):
    """The page of a model."""

    data: Detail
    meta: Meta


class Rows(BaseModel):
    """A part of what is known of a model. The meta says what the id was taken for."""

    data: list[dict[str, Any]]
    meta: Meta


class Versions(BaseModel):
    """What a model is sold as, and the versions of its weights."""

    data: dict[str, list[dict[str, Any]]] = Field(
        description="sold: snapshots, aliases, variants, builds; weights: versions at Hugging Face"
    )
    meta: Meta


@router.get("/{model_id:path}/prices", response_model=Rows)
def prices(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[OfPrices, Query()]) -> Response:
    """What it costs at every provider that sells it: each price with the source whose word counts, and what speaks against it."""

    def make(seen: Seen) -> object:
        at = instant(asked.as_of)
        found = _found(seen, model_id, whose_word(seen.connection, asked.provider, model_id, at), at)
        return facts.prices(seen, found, asked.model_dump(), at, instant(asked.known_at), asked.limit, asked.offset)

    return answer(request, caller, make)


@router.get("/{model_id:path}/history", response_model=Rows)
def history(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[OfHistory, Query()]) -> Response:
    """Every price that was served for it, when, and what it was before; the newest first. What is announced is there already."""
    return _paged(request, caller, model_id, asked, facts.HISTORY, lambda found: found.named.condition)


@router.get("/{model_id:path}/offers", response_model=Rows)
def offers(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[OfOffers, Query()]) -> Response:
    """Who sells it, or did: snapshots, variants, builds and regions apart."""
    return _paged(request, caller, model_id, asked, facts.OFFERS, facts.any_plan)


@router.get("/{model_id:path}/versions", response_model=Versions)
def versions(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[Strict, Query()]) -> Response:
    """Its snapshots, aliases, variants and builds as they are sold, and the versions of its weights at Hugging Face."""

    def make(seen: Seen) -> object:
        bound = facts.bound_of(_found(seen, model_id))
        return {"sold": rows(seen.connection, facts.VERSIONS, bound), "weights": rows(seen.connection, facts.WEIGHTS, bound)}

    return answer(request, caller, make)


@router.get("/{model_id:path}/benchmarks", response_model=Rows)
def benchmarks(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[OfScores, Query()]) -> Response:
    """How well it does: each score with all that it must agree in to be compared with another."""
    scores = "catalog.score" if asked.as_of is None else "catalog.score_as_of(cast(:at as timestamptz))"
    return _paged(request, caller, model_id, asked, facts.SCORES.replace("{scores}", scores), at=instant(asked.as_of))


@router.get("/{model_id:path}/news", response_model=Rows)
def news(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[Few, Query()]) -> Response:
    """News that name it, the newest first. What is published is untrusted text."""
    return _paged(request, caller, model_id, asked, facts.MENTIONS, kind="news")


@router.get("/{model_id:path}/discussions", response_model=Rows)
def discussions(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[Few, Query()]) -> Response:
    """Discussions that name it, the newest first. What is published is untrusted text."""
    return _paged(request, caller, model_id, asked, facts.MENTIONS, kind="discussion")


@router.get("/{model_id:path}/jobs", response_model=Rows)
def jobs(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[Few, Query()]) -> Response:
    """Jobs that name it, the newest first. What is published is untrusted text."""
    return _paged(request, caller, model_id, asked, facts.MENTIONS, kind="job")


@router.get("/{model_id:path}", response_model=OneModel)
def model(request: Request, caller: Anyone, model_id: ModelId, asked: Annotated[Strict, Query()]) -> Response:
    """All about a model. `resolved_as` says what the id stands for: a model, or one snapshot, variant or build of it, whose prices these are then."""

    cards: list[str] = []

    def make(seen: Seen) -> object:
        found = _found(seen, model_id)
        cards.append(found.card)
        return facts.detail(seen, found, model_id)

    return answer(request, caller, make, model_of=lambda: cards[-1])


def _found(seen: Seen, model_id: str, provider: str | None = None, at: Any = None) -> Found:
    """What an id stands for; the answer says it too."""
    found = find(seen, model_id, provider, at)
    seen.meta["resolved_as"] = found.resolved_as
    return found


def _paged(
    request: Request,
    caller: Anyone,
    model_id: str,
    asked: Paged | Few,
    statement: str,
    condition: Callable[[Found], str] | None = None,
    **more: Any,
) -> Response:
    """The rows of a statement about one model, a part of them at a time; `condition` says which offers it is about, where it is about offers."""

    def make(seen: Seen) -> object:
        found = _found(seen, model_id)
        query = statement.format(condition=condition(found)) if condition else statement
        bound = facts.bound_of(found, **{**asked.model_dump(), **more})
        return part(seen, query, bound, asked.limit, asked.offset)

    return answer(request, caller, make)
