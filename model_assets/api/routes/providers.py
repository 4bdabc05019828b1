"""Who sells models."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from model_assets.access.visibility import sees, shows
from model_assets.api.asking import Meta, Seen, answer, part, rows, utc
from model_assets.api.callers import Anyone
from model_assets.api.routes.model import Paged

router = APIRouter(prefix="/api/v1", tags=["providers"])
#: of the offers that are listed now and that the caller may see
PROVIDERS = """
with offer as materialized (
    select offer.provider, card.model_id, offer.offer, offer.state, offer.input_usd_per_mtok + offer.output_usd_per_mtok as usd, offer.disputed,
           offer.disputed or offer.held or offer.unconfirmed as doubted, offer.first_seen
    from catalog.offer as offer
    join catalog.model_card as card on card.model_id = coalesce(offer.model, offer.offer)
    where offer.listed and {sees} and {shown}
),
sold as materialized (
    select provider, model_id, count(*) as offers, count(*) filter (where state = 'free') as free_offers, count(*) filter (where disputed) as disputed_offers
    from offer group by provider, model_id
),
seller as materialized (
    select provider, count(*) as models, sum(offers)::bigint as offers, sum(free_offers)::bigint as free_offers,
           sum(disputed_offers)::bigint as disputed_offers
    from sold group by provider
),
page as materialized (select * from seller order by models desc, provider limit :limit offset :offset),
looked as materialized (
    select source, max(observed_at) as last_observed_at from ops.observation where verdict = 'accepted' group by source
)
select page.*, cheapest.said as cheapest, newest.said as newest, {observed} as last_observed_at, (select count(*) from seller) as total,
       (select count(*) from (select distinct model_id from sold) as model) as models_of_all, (select sum(offers)::bigint from seller) as offers_of_all
from page
left join (
    select distinct on (offer.provider) offer.provider, json_build_object(
        'model_id', offer.model_id, 'offer', offer.offer, 'input_usd_per_mtok', trim_scale(priced.input_usd_per_mtok)::text,
        'output_usd_per_mtok', trim_scale(priced.output_usd_per_mtok)::text) as said
    from offer join page on page.provider = offer.provider join catalog.offer as priced on priced.offer = offer.offer
    where offer.state = 'paid' and not offer.doubted and offer.usd > 0
    order by offer.provider, offer.usd, offer.offer
) as cheapest on cheapest.provider = page.provider
join (
    select distinct on (offer.provider) offer.provider,
           json_build_object('model_id', offer.model_id, 'offer', offer.offer, 'first_seen', {newest_seen}) as said
    from offer join page on page.provider = offer.provider
    order by offer.provider, offer.first_seen desc, offer.offer
) as newest on newest.provider = page.provider
left join (
    select sources.provider, max(looked.last_observed_at) as last_observed_at
    from (
        select distinct listed.provider, unnest(listed.sources) as source
        from catalog.offer as listed join page on page.provider = listed.provider
        where listed.listed
    ) as sources
    join looked on looked.source = sources.source
    group by sources.provider
) as heard on heard.provider = page.provider
order by page.models desc, page.provider
"""


class Provider(BaseModel):
    """Who sells models, and sends the bill."""

    provider: str = Field(examples=["openai"])
    models: int
    offers: int
    free_offers: int
    disputed_offers: int
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
        query = PROVIDERS.format(
            sees=sees(seen.tier), shown=shows(seen.tier), newest_seen=utc("offer.first_seen"), observed=utc("heard.last_observed_at")
        )
        found = part(seen, query, {}, asked.limit, asked.offset)
        first = found or rows(seen.connection, query, {"limit": 1, "offset": 0})
        seen.meta.update(models=first[0]["models_of_all"] if first else 0, offers=first[0]["offers_of_all"] if first else 0)
        return [{name: row[name] for name in Provider.model_fields} for row in found]

    return answer(request, caller, make)
