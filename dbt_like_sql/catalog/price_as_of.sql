-- What is served for each offer at an instant, by what was known at another: price_as_of(as_of, known_at, links_at). The referee over
-- catalog.listing_price_as_of: of several claims about one offer, meter and condition one is served. A number beats an unknown; the
-- provider's own feed beats the lists of catalog.source_rank, in their order; dated beats undated. What a list calls free gives way to a
-- price that anyone else asks. Of several listings of one source in an offer its word is the first that asks a price, by provider and
-- listed id; `claims` counts the sources that speak. `disputed` says that they name different amounts (see catalog.dispute), `held` that
-- the served claim has a newer value which the gate holds. A listing is the model that it was held to be at as_of, or at links_at where
-- that is given ('infinity' for what is believed now); one that is not linked stands for itself. Where only_ids has all the ids that an offer
-- is or was ever listed under, its rows are the same, and quicker: the others of what is listed are not looked at.
-- Grain: one row per offer, meter, condition and currency.
create function catalog.price_as_of(
    as_of timestamptz, known_at timestamptz default 'infinity', links_at timestamptz default null, only_ids text[] default null
)
returns table (
    offer text,
    provider text,
    model text,
    snapshot text,
    alias text,
    variant text,
    build text,
    region text,
    meter text,
    per text,
    amount numeric,
    currency text,
    state text,
    service_tier text,
    prompt_above_tokens bigint,
    time_window text,
    detail text,
    source text,
    source_provider text,
    listed_id text,
    rule text,
    claims bigint,
    disputed boolean,
    lowest numeric,
    highest numeric,
    held boolean,
    held_id text,
    said_state text,
    said_amount numeric,
    unconfirmed boolean,
    effective_from timestamptz,
    effective_to timestamptz,
    seen_since timestamptz,
    seen_until timestamptz,
    key_id bigint,
    payload_sha256 text,
    last_observed_at timestamptz
)
language sql stable parallel safe
as $$
with asking as (
    select distinct source, provider, listed_id from {{ ref("history.price") }}
    where state = 'paid' and (only_ids is null or listed_id = any(only_ids))
),
asking_offer as (
    select distinct link.source, link.offer
    from {{ ref("history.link") }} as link
    join asking on asking.source = link.source and asking.provider = link.provider and asking.listed_id = link.listed_id
    where only_ids is null or link.listed_id = any(only_ids)
),
claim as (
    select
        priced.*,
        coalesce(link.offer, priced.provider || ':?' || priced.listed_id) as offer,
        coalesce(link.sold_by, priced.provider) as sold_by,
        link.model,
        nullif(link.snapshot, '') as snapshot,
        nullif(link.alias, '') as alias,
        nullif(link.variant, '') as variant,
        nullif(link.build, '') as build,
        coalesce(priced.region, nullif(link.region, '')) as at_region,
        coalesce(rank.own_feed_of = priced.provider, false) as own_feed,
        case when rank.own_feed_of = priced.provider then 0 else coalesce(rank.rank, 9) end as rank,
        priced.effective_from is not null or priced.effective_to is not null as dated
    from {{ ref("catalog.listing_price_as_of") }}(as_of, known_at, only_ids) as priced
    left join {{ ref("history.link") }} as link
        on link.source = priced.source and link.provider = priced.provider and link.listed_id = priced.listed_id
        and link.seen @> coalesce(links_at, as_of)
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = priced.source
    left join asking on asking.source = priced.source and asking.provider = priced.provider and asking.listed_id = priced.listed_id
    left join asking_offer on asking_offer.source = link.source and asking_offer.offer = link.offer
    -- whatever its dates say, a price is served no longer than its listing is there
    where (
            priced.effective_from is null and priced.effective_to is null
            or priced.seen_until is null
            or priced.seen_until > least(as_of, known_at)
        )
        -- a listing that never asked anything is no word of a source that lists the same offer at a price, not for any meter or condition
        and (asking.source is not null or asking_offer.source is null)
        and coalesce(rank.sells, true)
),
voiced as (
    select
        claim.*,
        -- the word of a source with several listings in one offer is that of the first that asks a price
        row_number() over (
            partition by claim.offer, claim.meter, claim.service_tier, claim.prompt_above_tokens, claim.time_window, claim.at_region,
                claim.detail, claim.currency, claim.source
            order by claim.amount is null, claim.state = 'free', claim.provider, claim.listed_id
        ) as place_in_source,
        count(*) over same as claims,
        min(claim.said_amount) over same as lowest,
        max(claim.said_amount) over same as highest
    from claim
    window same as (
        partition by claim.offer, claim.meter, claim.service_tier, claim.prompt_above_tokens, claim.time_window, claim.at_region,
            claim.detail, claim.currency
    )
),
judged as (
    select
        claim.*,
        count(*) over same as sources,
        bool_or(claim.state = 'paid') over same as any_paid,
        min(claim.rank) over same as best_rank
    from voiced as claim
    where claim.place_in_source = 1
    window same as (
        partition by claim.offer, claim.meter, claim.service_tier, claim.prompt_above_tokens, claim.time_window, claim.at_region,
            claim.detail, claim.currency
    )
),
in_order as (
    select
        judged.*,
        judged.state = 'free' and judged.any_paid and not judged.own_feed as gives_way,
        row_number() over (
            partition by judged.offer, judged.meter, judged.service_tier, judged.prompt_above_tokens, judged.time_window, judged.at_region,
                judged.detail, judged.currency
            order by
                judged.state = 'unknown',
                judged.state = 'free' and judged.any_paid and not judged.own_feed,
                judged.rank,
                judged.dated desc,
                judged.source
        ) as place
    from judged
)
select
    served.offer,
    served.sold_by,
    served.model,
    served.snapshot,
    served.alias,
    served.variant,
    served.build,
    served.at_region,
    served.meter,
    served.per,
    served.amount,
    served.currency,
    served.state,
    served.service_tier,
    served.prompt_above_tokens,
    served.time_window,
    served.detail,
    served.source,
    served.provider,
    served.listed_id,
    case
        when served.claims = 1 then 'the only claim'
        when served.lowest is not distinct from served.highest and served.rank = served.best_rank then 'all agree'
        when served.sources = 1 then 'the first of its source''s listings that asks a price'
        when served.own_feed then 'the provider''s own feed'
        when served.rank > served.best_rank then 'a number before an unknown, a price before a free one'
        when served.dated then 'the first in rank, and it states its dates'
        else 'the first in rank'
    end,
    served.claims,
    served.lowest is distinct from served.highest,
    served.lowest,
    served.highest,
    served.held,
    served.held_id,
    served.said_state,
    served.said_amount,
    served.unconfirmed,
    served.effective_from,
    served.effective_to,
    served.seen_since,
    served.seen_until,
    served.key_id,
    encode(said.sha256, 'hex'),
    looked.last_observed_at
from in_order as served
left join {{ ref("ops.observation") }} as said
    on said.source = served.source and said.observed_at = served.seen_since and said.verdict = 'accepted'
left join (
    select source, max(observed_at) as last_observed_at
    from {{ ref("ops.observation") }}
    where verdict = 'accepted' and observed_at <= least(as_of, known_at)
    group by source
) as looked on looked.source = served.source
where served.place = 1
$$
