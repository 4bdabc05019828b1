"""What Model Lens serves: what each provider sells now, in its envelope and under its names. Each offer once, however many sources list it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.access.visibility import sees
from model_assets.api.asking import ModelId, Seller, tier_of, utc
from model_assets.api.callers import Anyone
from model_assets.api.errors import documented, not_found
from model_assets.api.pages import published

router = APIRouter(prefix="/v1", tags=["Model Lens' shape"])
ITEM = f"""json_build_object(
    'id', page.offer, 'name', page.name, 'provider', page.provider, 'model', page.model_id,
    'contextWindow', page.context_tokens, 'maxOutputTokens', page.max_output_tokens,
    'inputCost', trim_scale(page.input_usd_per_mtok), 'outputCost', trim_scale(page.output_usd_per_mtok),
    'cacheReadCost', cached.costs -> 'cache_read', 'cacheWriteCost', cached.costs -> 'cache_write_5m',
    'modalities', json_build_object('input', page.input_modalities, 'output', page.output_modalities), 'capabilities', page.capabilities,
    'releaseDate', page.released_on, 'lastUpdated', {utc("page.changed_at")}, 'knowledge', page.knowledge_cutoff, 'openWeights', page.open_weights,
    'supportsTemperature', case when page.capabilities <> '{{}}' then 'temperature' = any(page.capabilities) end,
    'supportsAttachments', case when page.capabilities <> '{{}}' then 'attachment' = any(page.capabilities) end,
    'new', coalesce(page.released_on between (now() at time zone 'UTC')::date - 30 and (now() at time zone 'UTC')::date, false)
)"""
PAGE = f"""
with page as (
    select shown.offer, shown.provider, offer.region, offer.input_usd_per_mtok, offer.output_usd_per_mtok,
           coalesce(offer.context_tokens, card.context_tokens) as context_tokens,
           coalesce(offer.max_output_tokens, card.max_output_tokens) as max_output_tokens,
           card.model_id, card.name, card.input_modalities, card.output_modalities, card.capabilities, card.released_on, card.changed_at,
           card.knowledge_cutoff, card.open_weights
    from (
        select offer, provider, model_id from catalog.offer_card as shown where $shown order by provider, offer limit :limit offset :offset
    ) as shown
    join catalog.offer as offer on offer.offer = shown.offer
    join catalog.model_card as card on card.model_id = shown.model_id
)
select (select version from catalog.published) as version, $total as total, coalesce(found.data, '[]')::text as data,
    (found.data -> 0)::text as first
from (
    select json_agg({ITEM} order by page.provider, page.offer) as data from page left join lateral (
        select jsonb_object_agg(served.meter, trim_scale(served.amount)) as costs
        from catalog.price as served
        where served.offer = page.offer and served.meter in ('cache_read', 'cache_write_5m') and served.currency = 'USD'
            and served.service_tier = 'standard' and served.prompt_above_tokens = 0 and served.time_window is null and served.detail is null
            and served.region is not distinct from page.region and served.state in ('paid', 'free')
    ) as cached on true
) as found
"""
TOTAL = "select coalesce(sum(offers), 0)::bigint from catalog.provider_card where tier = :tier"
STATS = f"""
select (select version from catalog.published) as version, json_build_object(
    'totalModels', coalesce(sum(offers), 0)::bigint,
    'providers', coalesce(json_agg(provider order by provider), '[]'),
    'lastSyncAt', (select {utc("max(observed_at)")} from ops.observation where verdict = 'accepted'),
    'modelCountByProvider', coalesce(json_object_agg(provider, offers order by provider), '{{}}')
)::text as data
from catalog.provider_card where tier = :tier
"""


class Modalities(BaseModel):
    """What goes in and what comes out."""

    input: list[str]
    output: list[str]


class LensModel(BaseModel):
    """What a provider sells. Costs are in USD per million tokens, as numbers; null: not known, which is never 0."""

    id: str = Field(examples=["openai:openai/gpt-4o"])
    name: str | None
    provider: str = Field(description="who sells it", examples=["openai"])
    model: str = Field(description="the id of the model at /api/v1/models", examples=["openai/gpt-4o"])
    contextWindow: int | None
    maxOutputTokens: int | None
    inputCost: float | None = Field(examples=[2.5])
    outputCost: float | None
    cacheReadCost: float | None
    cacheWriteCost: float | None
    modalities: Modalities
    capabilities: list[str]
    releaseDate: str | None
    lastUpdated: str | None
    knowledge: str | None
    openWeights: bool | None
    supportsTemperature: bool | None = Field(description="null where no capability is stated")
    supportsAttachments: bool | None
    new: bool = Field(description="released within the last 30 days")


class LensMeta(BaseModel):
    """Which part of how many."""

    total: int
    limit: int
    offset: int


class LensModels(BaseModel):
    """A page of what is sold."""

    data: list[LensModel]
    meta: LensMeta
    timestamp: str = Field(description="when this was put together", examples=["2026-05-19T02:00:00.000Z"])


class LensAnswer(BaseModel):
    """One thing that is sold."""

    data: LensModel
    timestamp: str


class Stats(BaseModel):
    """How much there is, of what you may see."""

    totalModels: int
    providers: list[str]
    lastSyncAt: str | None
    modelCountByProvider: dict[str, int]


class StatsAnswer(BaseModel):
    """How much there is."""

    data: Stats
    timestamp: str


class Asked(BaseModel):
    """Which part of the list."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000)
    provider: Seller | None = Field(default=None, description="who sells it, as any source spells it")


@router.get("/models", response_model=LensModels)
def models(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """What providers sell now, by provider."""

    def body(row: Any) -> str:
        return f'"data":{row.data},"meta":{{"total":{row.total},"limit":{asked.limit},"offset":{asked.offset}}}'

    tier = tier_of(request, caller)
    of_provider = "" if asked.provider is None else " and provider = :provider"
    statement = _page(sees(tier, "shown") + of_provider, TOTAL + of_provider)
    response = _answer(request, tier, statement, {**asked.model_dump(), "tier": tier}, body)
    assert response is not None
    return response


@router.get("/stats", response_model=StatsAnswer)
def stats(request: Request, caller: Anyone) -> Response:
    """How many models are sold, and by whom."""
    tier = tier_of(request, caller)
    response = _answer(request, tier, STATS, {"tier": tier}, lambda row: f'"data":{row.data}')
    assert response is not None
    return response


@router.get("/models/{model_id:path}", response_model=LensAnswer, responses=documented(404))
def model(request: Request, caller: Anyone, model_id: ModelId) -> Response:
    """One thing that is sold, by the `id` that the list gives it."""

    def body(row: Any) -> str | None:
        return f'"data":{row.first}' if row.first else None

    tier = tier_of(request, caller)
    statement = _page(f"{sees(tier, 'shown')} and offer = :id", "select null")
    response = _answer(request, tier, statement, {"id": model_id, "limit": 1, "offset": 0}, body)
    if response is None:
        raise not_found("offer", model_id)
    return response


def _page(shown: str, total: str) -> str:
    """The statement of those offers that a condition on catalog.offer_card leaves, beside how many there are in all."""
    return PAGE.replace("$shown", shown).replace("$total", f"({total})")


def _answer(request: Request, tier: str, statement: str, bound: dict[str, Any], body: Callable[[Any], str | None]) -> Response | None:
    """An answer of what `body` makes of the statement's row: text, so that every cost is written as it is kept."""
    parts = request.app.state.parts

    def made() -> tuple[int, bytes] | None:
        row = parts.database.row(statement, bound)
        said = body(row)
        if said is None:
            return None
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return row.version, f'{{{said},"timestamp":"{now}"}}'.encode("utf-8", "replace")

    return published(request, parts.pages, tier, made)
