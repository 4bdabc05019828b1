"""What may be asked of the list of models: filters, sorts, and the fields of a row, each with its SQL."""

import hashlib
import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from model_assets.api.asking import Instant, Meter, Name, Words, storable, utc

RELEASED_LATELY = "coalesce(card.released_on between (now() at time zone 'UTC')::date - 30 and (now() at time zone 'UTC')::date, false)"


def _has(capability: str) -> str:
    return f"case when card.capabilities <> '{{}}' then '{capability}' = any(card.capabilities) end"


#: stands for the condition by which a caller sees the card `other`
SEES_OTHER = "$sees other$"


def _if_seen(model: str) -> str:
    """A model that is named beside another one: only where the caller sees it as well."""
    return f"(select other.model_id from catalog.model_card as other where other.model_id = {model} and {SEES_OTHER})"


#: what a row says, as SQL over `card` and, of a model, its row of catalog.model
FIELDS = {
    "id": "card.model_id",
    "kind": "card.kind",
    "name": "card.name",
    "author": "card.author",
    "derivative_of": _if_seen("card.derivative_of"),
    "family": "card.family",
    "description": "card.description",
    "released_on": "card.released_on",
    "released_on_precision": "model.released_on_precision",
    "knowledge_cutoff": "card.knowledge_cutoff",
    "knowledge_cutoff_precision": "model.knowledge_cutoff_precision",
    "context_tokens": "card.context_tokens",
    "max_output_tokens": "card.max_output_tokens",
    "input_modalities": "card.input_modalities",
    "output_modalities": "card.output_modalities",
    "capabilities": "card.capabilities",
    "supports_temperature": _has("temperature"),
    "supports_attachments": _has("attachment"),
    "open_weights": "card.open_weights",
    "license": "card.license",
    "hugging_face_id": "model.hugging_face_id",
    "docs_url": "model.docs_url",
    "lifecycle": "card.lifecycle",
    "retires_on": "card.retires_on",
    "replaced_by": _if_seen("card.replaced_by"),
    "status": "card.status",
    "tiers": "array_remove(array[case when card.is_free then 'free' end, case when card.is_pro then 'pro' end,"
    " case when card.is_enterprise then 'enterprise' end], null)",
    "providers": "card.providers",
    "provider_count": "cardinality(card.providers)",
    "offers": "card.offers",
    "input_usd_per_mtok": "card.prices ->> 'input'",
    "output_usd_per_mtok": "card.prices ->> 'output'",
    "cache_read_usd_per_mtok": "card.prices ->> 'cache_read'",
    "cache_write_usd_per_mtok": "card.prices ->> 'cache_write_5m'",
    "prices": "card.priced",
    "cheapest_offer": "card.cheapest_offer",
    "free": "card.any_free",
    "disputed": "card.disputed",
    "new": RELEASED_LATELY,
    "first_seen": utc("card.first_seen"),
    "changed_at": utc("card.changed_at"),
    "gone_at": utc("card.gone_at"),
}
#: the same of a past instant: what does not change with time, and what was sold then
PAST_FIELDS = {
    name: FIELDS[name] for name in ("id", "kind", "name", "author", "family", "released_on", "released_on_precision", "first_seen")
} | {
    "providers": "past.providers",
    "provider_count": "cardinality(past.providers)",
    "input_usd_per_mtok": "past.prices #>> '{input,amount}'",
    "output_usd_per_mtok": "past.prices #>> '{output,amount}'",
    "cache_read_usd_per_mtok": "past.prices #>> '{cache_read,amount}'",
    "cache_write_usd_per_mtok": "past.prices #>> '{cache_write_5m,amount}'",
    "prices": "past.prices",
}
PAST_SORTS = ("name", "released_on", "price", "first_seen")
PAST_FILTERS = {
    "provider",
    "author",
    "released_after",
    "q",
    "meter",
    "min_price",
    "max_price",
    "sort",
    "page",
    "limit",
    "cursor",
    "fields",
    "as_of",
}

Sort = Literal[
    "name", "-name", "released_on", "-released_on", "context_tokens", "-context_tokens", "price", "-price", "providers", "-providers",
    "first_seen", "-first_seen", "changed_at", "-changed_at",
]  # fmt: skip
Fields = Annotated[str, Field(min_length=1, max_length=1500), AfterValidator(storable)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Usd = Annotated[Decimal, Field(ge=0, le=10**12, max_digits=40, allow_inf_nan=False)]


class Asked(BaseModel):
    """What is asked of the list of models."""

    model_config = ConfigDict(extra="forbid")

    page: Annotated[int, Field(ge=1, le=100_000)] | None = Field(default=None, description="from 1; instead of a cursor")
    limit: int = Field(default=20, ge=1, le=100, description="rows of a page")
    cursor: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(default=None, description="next_cursor of the page before")
    provider: Name | None = Field(default=None, description="who sells it, as any source spells it")
    author: Name | None = Field(default=None, description="who trained it")
    status: Literal["new", "active", "disabled", "inactive"] | None = None
    modality: Name | None = Field(default=None, description="what it takes or makes")
    input_modality: Name | None = None
    output_modality: Name | None = None
    capability: Annotated[list[Name], Field(max_length=20)] = Field(default=[], description="several: it has all of them")
    license: Name | None = Field(default=None, description="as the source spells it, whatever the case")
    open_weights: bool | None = None
    min_context: Count | None = Field(default=None, description="at least so many tokens of context")
    meter: Meter = Field(default="input", description="the meter of min_price, max_price and the sort price")
    min_price: Usd | None = Field(default=None, description="least base price, USD per unit of the meter")
    max_price: Usd | None = None
    tier: Literal["free", "pro", "enterprise"] | None = Field(default=None, description="what this tier may use now")
    lifecycle: Literal["alpha", "beta", "stable", "deprecated", "retired"] | None = None
    released_after: date | None = None
    free: bool | None = Field(default=None, description="whether some offer is free, proven")
    new: bool | None = Field(default=None, description="whether it was released within the last 30 days")
    q: Words | None = Field(default=None, description="words in any order, each somewhere in its ids, name, author or family")
    sort: Sort = Field(default="name", description="a minus before it: descending. What has no value comes last")
    fields: Fields | None = Field(default=None, description="only these, separated by commas", examples=["id,name,prices"])
    as_of: Instant | None = Field(default=None, description="what was listed at this instant, at the prices served then; a day is its end")

    @model_validator(mode="after")
    def _fits(self) -> "Asked":
        if self.page is not None and self.cursor is not None:
            raise ValueError("page and cursor are two ways to the same: give one of them")
        if self.q is not None and not 1 <= len(self.q.split()) <= 20:
            raise ValueError("q is of one to twenty words")
        if self.as_of is not None:
            if late := sorted(self.model_fields_set - PAST_FILTERS):
                raise ValueError(f"{', '.join(late)} cannot be asked of the past: leave it out, or as_of")
            if self.sort.lstrip("-") not in PAST_SORTS:
                raise ValueError(f"the past can be sorted by {', '.join(PAST_SORTS)}")
        known = FIELDS if self.as_of is None else PAST_FIELDS
        if odd := [name for name in self.wanted if name not in known]:
            raise ValueError(f"there is no field {odd[0][:60]!r}. There are: {', '.join(known)}")
        return self

    @property
    def wanted(self) -> list[str]:
        """The fields of a row, in order."""
        if self.fields is None:
            return list(FIELDS if self.as_of is None else PAST_FIELDS)
        return list(dict.fromkeys(name.strip() for name in self.fields.split(",")))

    @property
    def offset(self) -> int:
        """How many rows come before the page, where no cursor says so."""
        return ((self.page or 1) - 1) * self.limit

    def question(self, tier: str) -> str:
        """What a cursor is bound to: who sees, the filters and the sort."""
        said = self.model_dump(mode="json", exclude={"page", "limit", "cursor", "fields"})
        return hashlib.sha256(json.dumps([tier, said], sort_keys=True).encode()).hexdigest()
