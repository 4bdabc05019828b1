"""The list of models."""

import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from model_assets.api.asking import Meta, tier_of
from model_assets.api.callers import Anyone
from model_assets.api.cursors import Cursors, Place
from model_assets.api.errors import documented
from model_assets.api.model_list import Asked
from model_assets.api.model_page import page_of
from model_assets.api.pages import published

router = APIRouter(prefix="/api/v1", tags=["models"])


class Amount(BaseModel):
    """A price."""

    amount: str = Field(description="an exact decimal", examples=["2.5"])
    currency: str = Field(examples=["USD"])
    per: str = Field(description="what one amount is for", examples=["1M tokens"])


class Item(BaseModel):
    """A model in a list, or a listing that is no known model. With `fields` only those that were asked for; of a past instant only what is known of it."""

    id: str = Field(default="", examples=["openai/gpt-4o"])
    kind: str = Field(default="", description="model, or listing", examples=["model"])
    name: str = Field(default="", examples=["GPT-4o"])
    author: str | None = Field(default=None, examples=["openai"])
    derivative_of: str | None = None
    family: str | None = None
    description: str | None = Field(default=None, description="in the words of a source: untrusted text")
    released_on: date | None = None
    released_on_precision: str | None = Field(default=None, description="whether year, month or day are stated")
    knowledge_cutoff: date | None = None
    knowledge_cutoff_precision: str | None = None
    context_tokens: int | None = Field(default=None, examples=[128000])
    max_output_tokens: int | None = None
    input_modalities: list[str] = []
    output_modalities: list[str] = []
    capabilities: list[str] = []
    supports_temperature: bool | None = Field(default=None, description="null where no capability is stated")
    supports_attachments: bool | None = None
    open_weights: bool | None = None
    license: str | None = None
    hugging_face_id: str | None = None
    docs_url: str | None = None
    lifecycle: str = ""
    retires_on: date | None = None
    replaced_by: str | None = None
    status: str | None = Field(default=None, description="active; inactive: nobody lists it now; admins see new and disabled too")
    tiers: list[str] = Field(default=[], description="who may use it, or some plan of it, now")
    providers: list[str] = []
    provider_count: int = 0
    offers: int = 0
    input_usd_per_mtok: Decimal | None = Field(
        default=None, description="least base price, as exact text; null: not known, which is never 0"
    )
    output_usd_per_mtok: Decimal | None = None
    cache_read_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = Field(default=None, description="for the default lifetime of a cache")
    prices: dict[str, Amount] = Field(
        default={}, description="least base price by meter, each of whichever offer has it; `/prices` and `/offers` say of whom"
    )
    cheapest_offer: str | None = Field(
        default=None,
        description="paid offer with the least input plus output price, but no plan and none that is disputed, held or unconfirmed; null where there is no"
        " other",
    )
    free: bool = Field(default=False, description="whether some offer is free: proven, not for want of a price")
    disputed: bool = Field(
        default=False,
        description="whether different base prices are named for some offer: also by two listings of one source, while /disputes takes one word of each",
    )
    new: bool = Field(default=False, description="whether it was released within the last 30 days")
    first_seen: str | None = None
    changed_at: str | None = Field(default=None, description="when something that is said of it, or a served price, changed last")
    gone_at: str | None = None


class Models(BaseModel):
    """A page of models."""

    data: list[Item]
    meta: Meta


@router.get("/models", response_model=Models, responses=documented(400))
def models(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """The models that you may see, a page at a time: by number, or from a cursor, which gives every row once although rows come and go meanwhile."""
    parts, tier = request.app.state.parts, tier_of(request, caller)
    question, cursors = asked.question(tier), Cursors(parts.settings.jwt_secret, parts.database.url)
    after = cursors.read(asked.cursor, question) if asked.cursor else None
    statement, bound = page_of(asked, tier, after)

    def made() -> tuple[int, bytes] | None:
        row = parts.database.row(statement, bound)
        if row is None:
            return None
        keys, ids = row.keys or [], row.ids or []
        more = len(ids) > asked.limit
        meta: dict[str, Any] = {
            "total": row.total,
            "limit": asked.limit,
            "offset": None if after else asked.offset,
            "next_cursor": cursors.write(Place(keys[asked.limit - 1], ids[asked.limit - 1]), question) if more else None,
            "version": row.version,
            "published_at": row.published_at,
        }
        return row.version, f'{{"data":{row.data or "[]"},"meta":{json.dumps(meta)}}}'.encode("utf-8", "replace")

    response = published(request, parts.pages, tier, made)
    assert response is not None
    return response
