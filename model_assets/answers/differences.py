"""What differs between two instants."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.answers.doubts import disputed
from model_assets.answers.plain import Answer, plain
from model_assets.errors import ModelAssetsError
from model_assets.ledger.observations import instant_text

AT = "tstzrange(cast(:{0} as timestamptz), cast(:{0} as timestamptz), '[]')"
DIFF = f"""
with before as (
    select * from catalog.listing_price_as_of(cast(:since as timestamptz), cast(:since as timestamptz)) where said_state <> 'gone'
), after as (
    select * from catalog.listing_price_as_of(cast(:until as timestamptz), cast(:until as timestamptz)) where said_state <> 'gone'
)
select case when b.source is null then 'opened' when a.source is null then 'closed' else 'changed' end as change,
       coalesce(a.source, b.source) as source, coalesce(a.provider, b.provider) as provider, coalesce(a.listed_id, b.listed_id) as listed_id,
       coalesce(a.meter, b.meter) as meter, coalesce(a.per, b.per) as per, coalesce(a.service_tier, b.service_tier) as service_tier,
       coalesce(a.prompt_above_tokens, b.prompt_above_tokens) as prompt_above_tokens, coalesce(a.time_window, b.time_window) as time_window,
       coalesce(a.region, b.region) as region, coalesce(a.detail, b.detail) as detail, coalesce(a.currency, b.currency) as currency,
       b.said_state as from_state, b.said_amount as from_amount, b.held as from_held, b.unconfirmed as from_unconfirmed,
       {disputed("b", AT.format("since"))} as from_disputed,
       a.said_state as to_state, a.said_amount as to_amount, a.held as to_held, a.unconfirmed as to_unconfirmed,
       {disputed("a", AT.format("until"))} as to_disputed,
       a.said_amount / nullif(b.said_amount, 0) as ratio
from before b full join after a
  on a.source = b.source and a.provider = b.provider and a.listed_id = b.listed_id and a.meter = b.meter and a.service_tier = b.service_tier
 and a.prompt_above_tokens = b.prompt_above_tokens and coalesce(a.time_window, '') = coalesce(b.time_window, '')
 and coalesce(a.region, '') = coalesce(b.region, '') and coalesce(a.detail, '') = coalesce(b.detail, '') and a.currency = b.currency
where (cast(:source as text) is null or coalesce(a.source, b.source) = :source)
  and (a.source is null or b.source is null or a.said_state <> b.said_state or a.said_amount is distinct from b.said_amount)
order by 1, 2, 3, 4, 5, 7, 8, 9, 10, 11
"""

LISTING_DIFF = """
with before as (select source, provider, listed_id, name from catalog.listing_as_of(cast(:since as timestamptz))),
     after as (select source, provider, listed_id, name from catalog.listing_as_of(cast(:until as timestamptz)))
select case when b.source is null then 'appeared' else 'vanished' end as change, coalesce(a.source, b.source) as source,
       coalesce(a.provider, b.provider) as provider, coalesce(a.listed_id, b.listed_id) as listed_id, coalesce(a.name, b.name) as name
from before b full join after a using (source, provider, listed_id)
where (a.source is null or b.source is null) and (cast(:source as text) is null or coalesce(a.source, b.source) = :source)
order by 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Difference:
    """What differs between two instants: listings that appeared and vanished, prices that opened, changed and closed."""

    listings: list[Answer]
    prices: list[Answer]


def difference(connection: Connection, since: datetime, until: datetime, source: str | None) -> Difference:
    """What is different at `until` from what was at `since`, each as it was known then. Raises ModelAssetsError where `since` is the later."""
    if since > until:
        raise ModelAssetsError(f"--from {instant_text(since)} is later than --to {instant_text(until)}. Exchange the two.")
    at = {"since": since, "until": until, "source": source}
    listings, changed = ([plain(dict(row)) for row in connection.execute(text(query), at).mappings()] for query in (LISTING_DIFF, DIFF))
    return Difference(listings, changed)
