"""Where sources contradict each other."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from model_assets.access.visibility import sees, shows
from model_assets.answers.plain import plain
from model_assets.api.asking import Meta, Seen, Seller, Words, answer, part
from model_assets.api.callers import Anyone
from model_assets.api.errors import documented
from model_assets.api.finding import find
from model_assets.api.routes.model import Paged

router = APIRouter(prefix="/api/v1", tags=["disputes"])
DISPUTES = """
select dispute.*, count(*) over () as total
from catalog.dispute as dispute
join catalog.model_card as card on card.model_id = coalesce(dispute.model, dispute.offer)
where {sees} and {shown} and (:everything or dispute.closed_at is null)
  and (cast(:card as text) is null or card.model_id = :card) and (cast(:provider as text) is null or dispute.provider = :provider)
order by dispute.closed_at is not null, dispute.ratio desc nulls last, dispute.difference desc, dispute.dispute_id
limit :limit offset :offset
"""


class OfDisputes(Paged):
    """Which disputes."""

    status: Literal["open", "all"] = Field(default="open", description="all: those that closed as well")
    model: Words | None = Field(default=None, description="only of this model; any id of any source")
    provider: Seller | None = Field(default=None, description="who sells it, as any source spells it")


class Disputes(BaseModel):
    """A page of disputes: who says what since when, what is served, and how it ended."""

    data: list[dict[str, Any]]
    meta: Meta


@router.get("/disputes", response_model=Disputes, responses=documented(404, 409))
def disputes(request: Request, caller: Anyone, asked: Annotated[OfDisputes, Query()]) -> Response:
    """Where sources name different prices for the same thing, the largest first; of what you may see."""

    def make(seen: Seen) -> object:
        card = None if asked.model is None else find(seen, asked.model).card
        query = DISPUTES.format(sees=sees(seen.tier), shown=shows(seen.tier, "dispute"))
        bound = {"everything": asked.status == "all", "card": card, "provider": asked.provider}
        return [row | {"sides": [_in_utc(side) for side in row["sides"]]} for row in part(seen, query, bound, asked.limit, asked.offset)]

    return answer(request, caller, make)


def _in_utc(side: dict[str, Any]) -> dict[str, Any]:
    """What one source says; its instants as all others here."""
    times = {name: side[name] and datetime.fromisoformat(side[name]) for name in ("since", "until")}
    return side | plain(times)
