"""What identity hands over: the facts it reads of a listing, the link it finds, and a person's correction of one."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """What identity may look at of one listing: its key, and what else its source says. Missing is null."""

    source: str
    provider: str
    listed_id: str
    name: str | None = None
    author: str | None = None
    family: str | None = None
    released_on: date | None = None
    context_tokens: int | None = None
    open_weights: bool | None = None
    hugging_face_id: str | None = None
    canonical_hint: str | None = None


class Link(NamedTuple):
    """Which model a listing is, what it is of that model, and why we think so.

    `model` is the canonical `author/name`, null where the listing could not be resolved; then `suggestions` names the nearest models, for a
    person. Parts that are absent are ''. `snapshot` is a date as far as the id gives it: `2025-09-29`, `2024-11` (year and month), `0613`
    (month and day), `001` (Google's stable versions). `confidence` is 0 to 1. `offer` is the key under which sources are compared.
    """

    source: str
    provider: str
    listed_id: str
    model: str | None
    sold_by: str
    author: str
    snapshot: str
    alias: str
    variant: str
    build: str
    region: str
    derivative_of: str
    offer: str
    rule: str
    confidence: Decimal
    evidence: dict[str, Any]
    suggestions: tuple[str, ...]


class Correction(NamedTuple):
    """A person's word on a listed id: it is `model`, or (null) it is to stay unresolved. A null source or provider stands for every one."""

    source: str | None
    provider: str | None
    listed_id: str
    model: str | None
    decided_by: str
    decided_at: datetime
    why: str


def offer_key(sold_by: str, model: str | None, listed_id: str, parts: tuple[str, str, str, str, str]) -> str:
    """`sold_by:model[@snapshot][~alias][:variant][+build][#region]`, of these `parts`; `sold_by:?listed_id` where the model is unknown."""
    if model is None:
        return f"{sold_by}:?{listed_id}"
    return f"{sold_by}:{model}" + "".join(sign + part for sign, part in zip("@~:+#", parts, strict=True) if part)
