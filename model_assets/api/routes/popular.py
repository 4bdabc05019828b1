"""Which models people look at, follow, write about and download."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.access.visibility import sees
from model_assets.api.asking import Meta, Seen, rows, told
from model_assets.api.callers import Anyone

router = APIRouter(prefix="/api/v1", tags=["models"])
DAYS = {"day": 1, "week": 7, "month": 30, "year": 365, "all": None}
FORMULA = "ln(1 + views) + 2 ln(1 + follows) + ln(1 + mentions) + ln(1 + downloads) / 4"
SCORE = (
    "ln(1 + coalesce(seen.views, 0)) + 2 * ln(1 + coalesce(followed.follows, 0)) + ln(1 + coalesce(mentioned.mentions, 0))"
    " + ln(1 + coalesce(downloaded.downloads, 0)) / 4"
)
POPULAR = f"""
with seen as (
    select model_id, sum(views) as views from access.view_count
    where day > coalesce((now() at time zone 'UTC')::date - cast(:days as integer), '-infinity') group by model_id
),
followed as (
    select model_id, count(*) as follows from access.follow
    where followed_at > coalesce(now() - make_interval(days => :days), '-infinity') group by model_id
),
mentioned as (
    select model as model_id, count(distinct (source, feed, item)) as mentions from catalog.mention
    where coalesce(published_at, first_seen) > coalesce(now() - make_interval(days => :days), '-infinity') group by model
),
downloaded as (
    select link.model as model_id, sum(counted.downloads) as downloads
    from history.link as link
    join catalog.popularity as counted
        on counted.source = link.source and counted.collection = link.provider and counted.entry = link.listed_id
    where link.source = 'huggingface' and upper_inf(link.seen) and link.model is not null
    group by link.model
)
select
    card.model_id as id, card.name, card.author, card.status, cardinality(card.providers) as provider_count,
    round(cast({SCORE} as numeric), 3)::text as score,
    coalesce(seen.views, 0)::bigint as views, coalesce(followed.follows, 0) as follows, coalesce(mentioned.mentions, 0) as mentions,
    downloaded.downloads::bigint as downloads, count(*) over () as total
from catalog.model_card as card
left join seen using (model_id)
left join followed using (model_id)
left join mentioned using (model_id)
left join downloaded using (model_id)
where card.kind = 'model' and card.gone_at is null and {{sees}}
order by {SCORE} desc, cardinality(card.providers) desc, card.model_id
limit :limit
"""


class Popular(BaseModel):
    """A model, and what its place follows from."""

    rank: int = Field(examples=[1])
    id: str = Field(examples=["openai/gpt-4o"])
    name: str | None
    author: str | None
    status: str | None
    provider_count: int = Field(description="who sells it now; decides between equal scores")
    score: str = Field(description=FORMULA, examples=["7.313"])
    views: int = Field(description="how often its page was read in the period")
    follows: int = Field(description="users who began to follow it in the period and still do")
    mentions: int = Field(description="news, discussions and jobs of the period that name it")
    downloads: int | None = Field(
        description="of its repositories at Hugging Face in the last 30 days, whatever the period; null: not known"
    )


class PopularMeta(Meta):
    """About the list, and how it was made."""

    period: str = Field(examples=["month"])
    days: int | None = Field(description="null: all there are", examples=[30])
    formula: str = Field(examples=[FORMULA])


class PopularList(BaseModel):
    """The most popular models first."""

    data: list[Popular]
    meta: PopularMeta


class Asked(BaseModel):
    """Of which time, and how many."""

    model_config = ConfigDict(extra="forbid")
    period: Literal["day", "week", "month", "year", "all"] = Field(default="month", description="until now")
    limit: int = Field(default=20, ge=1, le=100)


@router.get("/models/popular", response_model=PopularList)
def popular(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """The most popular models that you may see. Each part is counted by its logarithm, so that no number drowns the others; where nothing was
    counted yet, those that most providers sell come first."""

    def make(seen: Seen) -> list[dict[str, Any]]:
        bound = {"days": DAYS[asked.period], "limit": asked.limit}
        found = rows(seen.connection, POPULAR.format(sees=sees(seen.tier)), bound)
        seen.meta.update(
            total=found[0]["total"] if found else 0, limit=asked.limit, period=asked.period, days=DAYS[asked.period], formula=FORMULA
        )
        return [{"rank": rank, **{key: value for key, value in row.items() if key != "total"}} for rank, row in enumerate(found, 1)]

    _, body = told(request, caller, make)
    headers = {"Cache-Control": "private, max-age=30", "Vary": "Authorization, Accept"}
    return Response(body, media_type="application/json", headers=headers)
