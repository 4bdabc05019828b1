"""What a request would cost."""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from starlette.responses import Response

from model_assets.answers.sellers import sellers, whose_word
from model_assets.api import model_facts as facts
from model_assets.api.asking import Instant, Meta, Name, Seen, Words, instant, told
from model_assets.api.callers import Anyone
from model_assets.api.errors import Problem, documented
from model_assets.api.finding import Found, find
from model_assets.cost.evaluate import evaluate
from model_assets.cost.ledger_book import anywhere
from model_assets.cost.plain import as_plain, in_order
from model_assets.cost.table import PriceRow, row_of
from model_assets.cost.usage import Quantity, usage


class ExactRequest(Request):
    """A request whose numbers are read as they are written: a binary float would keep fifteen digits of them."""

    async def json(self) -> Any:
        return json.loads(await self.body(), parse_float=Decimal)


class ExactRoute(APIRoute):
    """A route that reads its body so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def exactly(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return exactly


router = APIRouter(prefix="/api/v1", tags=["cost"], route_class=ExactRoute)
#: whether one of them sells what is meant, or did
SOLD_BY = """
select exists (select from history.link where {condition} and offer <> all(:hidden) and sold_by = any(:sellers) and upper_inf(seen))
"""
Counted = Annotated[Decimal, Field(ge=0, le=10**15, max_digits=30, decimal_places=12, allow_inf_nan=False)]


class CostRequest(BaseModel):
    """What was used, of which model, where and when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"model": "openai/gpt-4o", "usage": {"input": 250000, "output": 900}, "provider": "openai"}]},
    )

    model: Words = Field(description="any id of any source")
    usage: Annotated[dict[Name, Counted], Field(min_length=1, max_length=50)] = Field(
        description="quantity by meter (input, output, cache_read, ...) or by images, input_images, requests, web_searches, pages, queries, seconds;"
        " input has no cached tokens in it, output has those of reasoning"
    )
    details: Annotated[dict[Name, Name], Field(max_length=20)] = Field(default={}, description="size or quality by meter")
    provider: Name | None = Field(default=None, description="only at this provider, as any source spells it")
    service_tier: Name = Field(default="standard", description="standard, batch, flex, priority, ...")
    region: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = ""
    at: Instant | None = Field(default=None, description="when the request is made (now unless given)")
    known_at: Instant | None = Field(default=None, description="by what was known at this instant")


class Cost(BaseModel):
    """What it costs at one offer. A total is the whole only where `partial` is false."""

    offer: str
    totals: dict[str, str] = Field(description="currency -> exact amount of what has a price")
    partial: bool = Field(description="whether something has no price: it is named in lines and warnings, and never taken as 0")
    flags: list[str] = Field(description="all that makes it more than a plain number")
    prompt_tokens: int
    service_tier: str
    region: str
    at: datetime
    lines: list[dict[str, Any]] = Field(description="each count, the price it was charged by, and why that price")
    warnings: list[str]


class Costs(BaseModel):
    """What it costs at every offer that is meant, the cheapest whole answer first; empty where nothing was priced then. 404 for a provider that
    never sold it."""

    data: list[Cost]
    meta: Meta


@router.post("/cost", response_model=Costs, responses=documented(404, 409))
def cost(request: Request, caller: Anyone, asked: CostRequest) -> Response:
    """What one request costs at every provider, in exact decimals: the length of the prompt, the hour, the service tier and the region decide which
    prices count."""
    counts: dict[str, Quantity] = {name: int(one) if one == one.to_integral_value() else one for name, one in asked.usage.items()}
    used = usage(counts, asked.details)
    at = instant(asked.at) or datetime.now(UTC)

    def make(seen: Seen) -> object:
        found = find(seen, asked.model, whose_word(seen.connection, asked.provider, asked.model))
        seen.meta["resolved_as"] = found.resolved_as
        if asked.provider is not None:
            _check_sold_by(seen, found, asked.provider)
        offers = price_lists(seen, found, at, instant(asked.known_at), asked.provider)
        costs = {offer: evaluate(prices, used, at, asked.service_tier, asked.region) for offer, prices in offers.items()}
        return [as_plain(offer, one) for offer, one in sorted(costs.items(), key=in_order)]

    _, body = told(request, caller, make)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _check_sold_by(seen: Seen, found: Found, provider: str) -> None:
    """Raises Problem, 404, where a provider never sold what is meant, as far as the caller may see."""
    query = text(SOLD_BY.format(condition=found.named.condition))
    if not seen.connection.execute(query, facts.bound_of(found, sellers=sellers(provider, found.named))).scalar_one():
        said = f"{provider[:100]!r} never sold {found.named.given[:200]!r}. GET /api/v1/models/{found.card}/offers names who does."
        raise Problem(404, None, said)


def price_lists(seen: Seen, found: Found, at: datetime, known_at: datetime | None, provider: str | None) -> dict[str, list[PriceRow]]:
    """offer -> its price list as it held at an instant, of the offers that are meant; as cost.ledger_book.offers_at."""
    served = facts.KNOWN_NOW if known_at is None else facts.KNOWN_THEN
    query = text(facts.PRICES.format(served=served, condition=found.named.condition))
    bound = facts.bound_of(found, at=at, sellers=sellers(provider, found.named), meter=None, **facts.known(seen, found, known_at))
    told = seen.connection.execute(query, bound).mappings().all()
    offers: dict[str, list[PriceRow]] = {}
    for row in found.named.chosen(told, lambda row, name: row[name]):
        offers.setdefault(anywhere(row["offer"]), []).append(row_of(dict(row)))
    return offers
