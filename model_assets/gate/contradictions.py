"""Contradictions: what a source says now that cannot be right, or hardly. Each is a claim, and the query for the listings that break it.

Nothing is held for them: most are as old as the listing, and a person or the source must mend them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Lint:
    """A claim about what sources say: its name, what it means, and the query for (source, provider, listed_id, said) of what breaks it."""

    name: str
    description: str
    query: str


@dataclass(frozen=True)
class Contradiction:
    """A listing that breaks a claim, and how, in a sentence."""

    source: str
    provider: str
    listed_id: str
    said: str


SAME_CONDITION = """
    and {a}.time_window is not distinct from {b}.time_window and {a}.detail is not distinct from {b}.detail and {a}.currency = {b}.currency
    and {a}.prompt_above_tokens = {b}.prompt_above_tokens"""
SAME_LISTING = "{a}.source = {b}.source and {a}.provider = {b}.provider and {a}.listed_id = {b}.listed_id"
#: in which words a price is named: its meter, tier and prompt bound
NAMED = """{a}.meter || case {a}.service_tier when 'standard' then '' else ' (' || {a}.service_tier || ')' end
    || case {a}.prompt_above_tokens when 0 then '' else ' above ' || {a}.prompt_above_tokens || ' tokens' end"""


def _on(template: str, a: str, b: str = "") -> str:
    return template.format(a=a, b=b)


OUTPUT_FITS = """
select source, provider, listed_id,
    'an answer may have ' || max_output_tokens || ' tokens, of a context of ' || context_tokens as said
from catalog.listing where max_output_tokens > context_tokens
"""

CACHE_READ = f"""
select cached.source, cached.provider, cached.listed_id,
    {_on(NAMED, "cached")} || ' costs ' || trim_scale(cached.amount) || ', and input ' || trim_scale(fresh.amount) as said
from catalog.price_claim as cached
join catalog.price_claim as fresh on {_on(SAME_LISTING, "cached", "fresh")} and fresh.meter = 'input'
    and cached.service_tier = fresh.service_tier and cached.region is not distinct from fresh.region {_on(SAME_CONDITION, "cached", "fresh")}
where cached.meter = 'cache_read' and cached.amount > fresh.amount
"""

BATCH = f"""
select batch.source, batch.provider, batch.listed_id,
    {_on(NAMED, "batch")} || ' costs ' || trim_scale(batch.amount) || ', and the standard price is ' || trim_scale(standard.amount) as said
from catalog.price_claim as batch
join catalog.price_claim as standard on {_on(SAME_LISTING, "batch", "standard")} and standard.service_tier = 'standard'
    and batch.meter = standard.meter and batch.region is not distinct from standard.region {_on(SAME_CONDITION, "batch", "standard")}
where batch.service_tier = 'batch' and batch.amount > standard.amount
"""

FELL_TO_ZERO = f"""
select fallen.source, fallen.provider, fallen.listed_id,
    {_on(NAMED, "fallen")} || ' fell from ' || trim_scale(before.amount) || ' to 0 on ' || to_char(lower(fallen.seen) at time zone 'UTC', 'YYYY-MM-DD')
    || ', and ' || asked.meter || ' still costs ' || trim_scale(asked.amount) as said
from history.price as fallen
join history.price as before on before.key_id = fallen.key_id and upper(before.seen) = lower(fallen.seen) and before.state = 'paid'
join lateral (
    select meter, amount from history.price as other
    where {_on(SAME_LISTING, "other", "fallen")} and other.state = 'paid' and upper(other.seen) is null
    order by other.meter, other.amount limit 1
) as asked on true
where fallen.state = 'free' and upper(fallen.seen) is null
"""

#: what a listing asks, with what identity says of it; the region of either
SOLD = """
select claim.*, coalesce(claim.region, link.region) as sold_in, link.model, link.sold_by, link.snapshot, link.alias, link.variant, link.build,
    link.offer
from catalog.price_claim as claim
join history.link as link on link.source = claim.source and link.provider = claim.provider and link.listed_id = claim.listed_id
    and upper(link.seen) is null and link.model is not null
"""
SAME_OFFER = f"""{{a}}.source = {{b}}.source and {{a}}.sold_by = {{b}}.sold_by and {{a}}.model = {{b}}.model and {{a}}.variant = {{b}}.variant
    and {{a}}.build = {{b}}.build and {{a}}.meter = {{b}}.meter and {{a}}.service_tier = {{b}}.service_tier {SAME_CONDITION}"""

REGION = f"""
with sold as materialized ({SOLD})
select regional.source, regional.provider, regional.listed_id,
    {_on(NAMED, "regional")} || ' costs ' || trim_scale(regional.amount) || ' in ' || regional.sold_in || ', and '
    || trim_scale(anywhere.amount) || ' as ' || anywhere.listed_id as said
from sold as regional
join sold as anywhere on {_on(SAME_OFFER, "regional", "anywhere")} and anywhere.sold_in in ('', 'global')
    and anywhere.snapshot = regional.snapshot and anywhere.alias = regional.alias
where regional.sold_in not in ('', 'global') and regional.amount < anywhere.amount
"""

SNAPSHOT = f"""
with plain as materialized (
    select sold.* from ({SOLD}) as sold
    where meter in ('input', 'output') and service_tier = 'standard' and prompt_above_tokens = 0 and time_window is null and detail is null
        and amount is not null
),
-- of a model's dated snapshots the newest: what its undated id stands for. Of open weights (0528, 2507) it stands for the first.
spoken as (
    select distinct on (source, provider, model, variant, build, sold_in, meter, currency, snapshot = '') *
    from plain where snapshot = '' or snapshot ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$'
    order by source, provider, model, variant, build, sold_in, meter, currency, snapshot = '', snapshot desc, listed_id
),
beside as (
    select spoken.*, lead(listed_id) over both_of_them as undated_id, lead(amount) over both_of_them as undated_amount
    from spoken
    window both_of_them as (partition by source, provider, model, variant, build, sold_in, meter, currency order by snapshot = '')
)
select source, provider, listed_id,
    meter || ' costs ' || trim_scale(amount) || ', and ' || trim_scale(undated_amount) || ' as ' || undated_id as said
from beside where snapshot <> '' and undated_amount <> amount
"""

CURRENCY = f"""
with sold as materialized ({SOLD})
select dear.source, dear.provider, dear.listed_id,
    {_on(NAMED, "dear")} || ' costs ' || trim_scale(dear.amount) || ' ' || dear.currency || ', and ' || trim_scale(cheap.amount) || ' '
    || cheap.currency || ' by ' || cheap.source as said
from sold as dear
join sold as cheap on dear.offer = cheap.offer and dear.source <> cheap.source and dear.meter = cheap.meter
    and dear.service_tier = cheap.service_tier and dear.prompt_above_tokens = cheap.prompt_above_tokens
    and dear.time_window is not distinct from cheap.time_window and dear.detail is not distinct from cheap.detail
where cheap.amount > 0 and case when dear.currency = cheap.currency then dear.amount / cheap.amount between 6.3 and 7.6
    else dear.amount = cheap.amount and dear.currency < cheap.currency end
"""

LINTS = (
    Lint("output_fits_context", "An answer is not longer than the context it stands in.", OUTPUT_FITS),
    Lint("cache_read_costs_no_more_than_input", "Reading from a cache does not cost more than reading afresh.", CACHE_READ),
    Lint("batch_costs_no_more_than_standard", "A batch does not cost more than requests of the standard tier.", BATCH),
    Lint("prices_fall_to_zero_with_their_listing", "A price falls to 0 only where nothing of its listing is paid any more.", FELL_TO_ZERO),
    Lint("regions_cost_no_less_than_anywhere", "A model bound to a region does not cost less than without one.", REGION),
    Lint("snapshots_cost_what_their_model_costs", "The newest snapshot of a model costs what its undated id costs there.", SNAPSHOT),
    Lint(
        "currencies_are_not_in_doubt",
        "No two sources name the same offer as yuan stand to dollars, or one number in two currencies.",
        CURRENCY,
    ),
)


def contradictions(connection: Connection, lint: Lint, limit: int = 1_000) -> list[Contradiction]:
    """The listings that break a claim now, in the order of source, provider and id; at most `limit`."""
    return list(_found(connection, lint, limit))


def _found(connection: Connection, lint: Lint, limit: int) -> Iterator[Contradiction]:
    query = f"select * from ({lint.query}) as broken order by source, provider, listed_id, said limit :limit"
    for row in connection.execute(text(query), {"limit": limit}):
        yield Contradiction(*row)
