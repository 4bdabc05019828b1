"""Who sells models."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import text
from starlette.responses import Response

from model_assets.access.visibility import sees
from model_assets.api.asking import Meta, Seen, answer, part, rows, utc
from model_assets.api.callers import Anyone
from model_assets.api.routes.model import Paged

router = APIRouter(prefix="/api/v1", tags=["providers"])
PROVIDERS = f"""
with looked as materialized (
    select source, max(observed_at) as last_observed_at from ops.observation where verdict = 'accepted' group by source
)
select
    card.provider, card.models, card.offers, card.free_offers, card.disputed_offers,
    case when card.cheapest_offer is not null then json_build_object(
        'model_id', card.cheapest_model_id, 'offer', card.cheapest_offer, 'input_usd_per_mtok', trim_scale(card.cheapest_input_usd_per_mtok)::text,
        'output_usd_per_mtok', trim_scale(card.cheapest_output_usd_per_mtok)::text) end as cheapest,
    json_build_object(
        'model_id', card.newest_model_id, 'offer', card.newest_offer, 'first_seen', {utc("card.newest_first_seen")}) as newest,
    (select {utc("max(last_observed_at)")} from looked where source = any(card.sources)) as last_observed_at,
    count(*) over () as total, (sum(card.offers) over ())::bigint as offers_of_all
from catalog.provider_card as card where card.tier = :tier
order by card.models desc, card.provider limit :limit offset :offset
"""
#: a model that several sell is one
MODELS = "select count(*) from catalog.model_card as card where {sees} and card.offers > 0"


class Provider(BaseModel):
    """Who sells models, and sends the bill."""

    provider: str = Field(examples=["openai"])
    models: int
    offers: int
    free_offers: int
    disputed_offers: int = Field(
        description="with a price that is disputed: also where two listings of one source disagree, while /disputes takes one word of each source"
    )
    cheapest: dict[str, Any] | None = Field(
        description="the paid offer with the least input plus output price, of those that nothing speaks against"
    )
    newest: dict[str, Any] = Field(description="the offer that was seen last for the first time")
    last_observed_at: str | None = Field(description="when a source that lists it was read last")


class ProvidersMeta(Meta):
    """About the list, and about all providers together."""

    models: int = Field(description="models that somebody sells")
    offers: int


class Providers(BaseModel):
    """A page of providers, those with the most models first."""

    data: list[Provider]
    meta: ProvidersMeta


@router.get("/providers", response_model=Providers)
def providers(request: Request, caller: Anyone, asked: Annotated[Paged, Query()]) -> Response:
    """Who sells models now, with how many, the cheapest and the newest; of what you may see."""

    def make(seen: Seen) -> object:
        tier = {"tier": seen.tier}
        found = part(seen, PROVIDERS, tier, asked.limit, asked.offset)
        first = found or rows(seen.connection, PROVIDERS, {**tier, "limit": 1, "offset": 0})
        models = seen.connection.scalar(text(MODELS.format(sees=sees(seen.tier))))
        seen.meta.update(models=models, offers=first[0]["offers_of_all"] if first else 0)
        return [{name: row[name] for name in Provider.model_fields} for row in found]

    return answer(request, caller, make)
