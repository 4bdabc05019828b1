"""Models, each once, with all who sell it: the list of Gatewayz. Which provider answers fastest or is ill is not known here, and not said."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.access.visibility import sees
from model_assets.api.asking import Words, rows, tier_of
from model_assets.api.callers import Anyone
from model_assets.api.pages import published

router = APIRouter(tags=["Gatewayz' shape"])
SORTS = {
    "provider_count": "cardinality(card.providers)",
    "name": 'lower(card.name) collate "C"',
    "cheapest_price": "card.input_usd_per_mtok",
}
#: per token, exact, without an exponent
EACH = "trim_scale(sellers.{} * 0.000001)::text"
UNIQUE = f"""
with page as (
    select card.*, count(*) over () as total, row_number() over (order by {{order}}) as place
    from catalog.model_card as card
    where card.kind = 'model' and cardinality(card.providers) >= :min_providers and {{sees}}
        and (cast(:search as text) is null or position(lower(:search) in card.words) > 0)
    order by {{order}}
    limit :limit offset :offset
)
select
    page.total, coalesce(sellers.sellers, '[]') as sellers, json_build_object(
        'id', page.model_id, 'name', page.name, 'author', page.author, 'context_length', page.context_tokens,
        'provider_count', cardinality(page.providers), 'cheapest_provider', sellers.cheapest_provider,
        'cheapest_prompt_price', {EACH.format("input_usd_per_mtok")}, 'cheapest_completion_price', {EACH.format("output_usd_per_mtok")}
    )::text as said
from page
left join catalog.model_sellers as sellers on sellers.model_id = page.model_id
order by page.place
"""


class Pricing(BaseModel):
    """USD per token, exact, as text; what is not known is left out."""

    prompt: str | None = Field(default=None, examples=["0.0000025"])
    completion: str | None = Field(default=None, examples=["0.00001"])


class Seller(BaseModel):
    """Who sells a model, and the least that it asks for it."""

    slug: str = Field(examples=["openai"])
    pricing: Pricing


class UniqueModel(BaseModel):
    """A model and all who sell it, the cheapest prompt first."""

    id: str = Field(examples=["openai/gpt-4o"])
    name: str | None
    author: str | None
    context_length: int | None
    provider_count: int = Field(description="who sells it, plans of it (such as :free) included")
    providers: list[Seller] = Field(description="who sells the model itself: a plan of it is another thing to buy")
    cheapest_provider: str | None
    cheapest_prompt_price: str | None = Field(description="USD per token; null: no price of it is known", examples=["0.0000025"])
    cheapest_completion_price: str | None = Field(description="of that provider")


class UniqueModels(BaseModel):
    """A page of models."""

    data: list[UniqueModel]
    total: int
    limit: int
    offset: int
    has_more: bool


class Asked(BaseModel):
    """Which models, in which order."""

    model_config = ConfigDict(extra="forbid")
    min_providers: int = Field(default=1, ge=1, le=1000)
    sort_by: Literal["provider_count", "name", "cheapest_price"] = "provider_count"
    order: Literal["asc", "desc"] | None = Field(default=None, description="desc of provider_count, else asc")
    search: Words | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=1_000_000)


@router.get("/models/unique", response_model=UniqueModels)
def unique_models(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """Each model once, however many names it has, with all its providers and the cheapest of them."""
    parts, tier = request.app.state.parts, tier_of(request, caller)
    descending = asked.order == "desc" or (asked.order is None and asked.sort_by == "provider_count")
    statement = UNIQUE.format(
        order=f"{SORTS[asked.sort_by]} {'desc' if descending else 'asc'} nulls last, card.model_id",
        sees=sees(tier),
    )
    bound = asked.model_dump(include={"min_providers", "search", "limit", "offset"})

    def made() -> tuple[int, bytes]:
        with parts.database.reading() as connection:
            version = connection.exec_driver_sql("select version from catalog.published").scalar_one()
            found = rows(connection, statement, bound)
            counted = found or (rows(connection, statement, {**bound, "limit": 1, "offset": 0}) if asked.offset else [])  # past the end
        total = counted[0]["total"] if counted else 0
        data = ",".join(f'{row["said"][:-1]},"providers":{row["sellers"]}}}' for row in found)  # both are JSON already
        more = "true" if asked.offset + len(found) < total else "false"
        body = f'{{"data":[{data}],"total":{total},"limit":{asked.limit},"offset":{asked.offset},"has_more":{more}}}'
        return version, body.encode("utf-8", "replace")

    response = published(request, parts.pages, tier, made)
    assert response is not None
    return response
