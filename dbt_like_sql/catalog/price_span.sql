-- What is served over time, by what is known now: the time in which each price is served for its offer, meter and condition. What
-- catalog.price_as_of(T) says of an instant T, for every T at once; see there for the rules. Prices that start on an announced day are here
-- already. Grain: one row per offer, meter, condition, currency and span; spans of one key do not overlap.
-- materialized: table
-- index: (model, meter)
-- index: (offer, meter)
-- index: (listed_id)
with asking as (
    select distinct source, provider, listed_id from {{ ref("history.price") }} where state = 'paid'
),
asking_offer as (
    select distinct link.source, link.offer
    from {{ ref("history.link") }} as link
    join asking on asking.source = link.source and asking.provider = link.provider and asking.listed_id = link.listed_id
),
dated as (
    select price.*
    from {{ ref("history.price") }} as price
    left join (
        select source, provider, listed_id, max(upper(seen)) as gone_at, bool_or(upper(seen) is null) as still
        from {{ ref("history.listing") }}
        group by source, provider, listed_id
    ) as listing on listing.source = price.source and listing.provider = price.provider and listing.listed_id = price.listed_id
    where (price.effective_from is not null or price.effective_to is not null)
        -- retracted while its listing went on: not believed any more
        and (upper(price.seen) is null or (not listing.still and upper(price.seen) = listing.gone_at))
),
believed as (
    -- whatever its dates say, a price is served no longer than its listing is there
    select dated.*, tstzrange(dated.effective_from, dated.effective_to) * tstzrange(null, upper(dated.seen)) as holds
    from dated
    union all
    select
        price.*,
        price.seen * tstzrange(null, (
            -- a source that came to speak of dates has said since that what it had dropped before was over
            select min(coalesce(dated.effective_from, '-infinity'))
            from dated
            where dated.source = price.source
                and dated.provider = price.provider
                and dated.listed_id = price.listed_id
                and dated.meter = price.meter
                and dated.service_tier = price.service_tier
                and dated.prompt_above_tokens = price.prompt_above_tokens
                and dated.time_window = price.time_window
                and dated.region = price.region
                and dated.detail = price.detail
                and dated.currency = price.currency
                and lower(dated.seen) >= upper(price.seen)
        )) as holds
    from {{ ref("history.price") }} as price
    where price.effective_from is null and price.effective_to is null
    union all
    select
        gone.source, gone.key_id, tstzrange(gone.gone_at, gone.back_at), '', gone.provider, gone.listed_id, gone.meter, gone.service_tier,
        gone.prompt_above_tokens, gone.time_window, gone.region, gone.detail, gone.currency, gone.effective_from, gone.state, gone.amount, null,
        tstzrange(gone.gone_at, gone.back_at)
    from {{ ref("catalog.gone_price") }} as gone
    where upper(gone.held) is null
),
claim as (
    select
        believed.*,
        coalesce(link.offer, believed.provider || ':?' || believed.listed_id) as offer,
        coalesce(link.sold_by, believed.provider) as sold_by,
        link.model,
        link.snapshot,
        link.alias,
        link.variant,
        link.build,
        coalesce(nullif(believed.region, ''), nullif(link.region, ''), '') as at_region,
        believed.holds * coalesce(link.seen, '(,)') as served_in,
        coalesce(rank.own_feed_of = believed.provider, false) as own_feed,
        case when rank.own_feed_of = believed.provider then 0 else coalesce(rank.rank, 9) end as rank,
        believed.effective_from is not null or believed.effective_to is not null as dated,
        case when doubt.kind = 'held' then doubt.from_state else believed.state end as good_state,
        case when doubt.kind = 'held' then doubt.from_amount else believed.amount end as good_amount,
        coalesce(doubt.kind = 'held', false) as held,
        coalesce(doubt.kind = 'marked', false) as unconfirmed,
        doubt.held_id,
        coalesce(doubt.to_state, believed.state) as said_state,
        case when doubt.to_state = 'gone' then null else believed.amount end as said_amount
    from believed
    left join {{ ref("history.link") }} as link
        on link.source = believed.source and link.provider = believed.provider and link.listed_id = believed.listed_id
        and link.seen && believed.holds
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = believed.source
    left join {{ ref("ops.held_change") }} as doubt
        on doubt.key_id = believed.key_id and doubt.changed_at = lower(believed.seen) and upper(doubt.held) is null
    left join asking on asking.source = believed.source and asking.provider = believed.provider and asking.listed_id = believed.listed_id
    left join asking_offer on asking_offer.source = link.source and asking_offer.offer = link.offer
    where not isempty(believed.holds * coalesce(link.seen, '(,)'))
        and (asking.source is not null or asking_offer.source is null)
        and coalesce(rank.sells, true)
),
keyed as (
    select
        claim.*,
        hashtextextended(format(
            '%s|%s|%s|%s|%s|%s|%s|%s', claim.offer, claim.meter, claim.service_tier, claim.prompt_above_tokens, claim.time_window,
            claim.at_region, claim.detail, claim.currency
        ), 0) as price_key
    from claim
),
bound as (
    select price_key, coalesce(lower(served_in), '-infinity') as at from keyed
    union
    select price_key, upper(served_in) from keyed where upper(served_in) is not null
),
spell as (
    select price_key, at as since, lead(at) over (partition by price_key order by at) as until from bound
),
said as (
    select
        keyed.*,
        spell.since,
        spell.until,
        -- the word of a source with several listings in one offer is that of the first of them that asks a price
        row_number() over (
            partition by keyed.price_key, spell.since, keyed.source
            order by keyed.good_amount is null, keyed.good_state = 'free', keyed.provider, keyed.listed_id
        ) as place_in_source,
        count(*) over same as claims,
        min(keyed.said_amount) over same as lowest,
        max(keyed.said_amount) over same as highest
    from spell
    join keyed on keyed.price_key = spell.price_key and keyed.served_in @> spell.since
    -- of one listing's dated and undated claims only the one that counts is a claim at that time
    where not exists (
        select from keyed as better
        where better.price_key = keyed.price_key
            and better.source = keyed.source
            and better.provider = keyed.provider
            and better.listed_id = keyed.listed_id
            and better.dated
            and better.served_in @> spell.since
            and (
                not keyed.dated
                or (coalesce(better.effective_from, '-infinity'), lower(better.seen))
                > (coalesce(keyed.effective_from, '-infinity'), lower(keyed.seen))
            )
    )
    window same as (partition by keyed.price_key, spell.since)
),
judged as (
    select
        said.*,
        count(*) over same as sources,
        bool_or(said.good_state = 'paid') over same as any_paid,
        min(said.rank) over same as best_rank
    from said
    where said.place_in_source = 1
    window same as (partition by said.price_key, said.since)
),
in_order as (
    select
        judged.*,
        row_number() over (
            partition by judged.price_key, judged.since
            order by
                judged.good_state = 'unknown',
                judged.good_state = 'free' and judged.any_paid and not judged.own_feed,
                judged.rank,
                judged.dated desc,
                judged.source
        ) as place
    from judged
)
select
    served.offer,
    served.sold_by as provider,
    served.model,
    nullif(served.snapshot, '') as snapshot,
    nullif(served.alias, '') as alias,
    nullif(served.variant, '') as variant,
    nullif(served.build, '') as build,
    nullif(served.at_region, '') as region,
    served.meter,
    meter.per,
    served.good_amount as amount,
    served.currency,
    served.good_state as state,
    served.service_tier,
    served.prompt_above_tokens,
    nullif(served.time_window, '') as time_window,
    nullif(served.detail, '') as detail,
    served.source,
    served.provider as source_provider,
    served.listed_id,
    case
        when served.claims = 1 then 'the only claim'
        when served.lowest is not distinct from served.highest and served.rank = served.best_rank then 'all agree'
        when served.sources = 1 then 'the first of its source''s listings that asks a price'
        when served.own_feed then 'the provider''s own feed'
        when served.rank > served.best_rank then 'a number before an unknown, a price before a free one'
        when served.dated then 'the first in rank, and it states its dates'
        else 'the first in rank'
    end as rule,
    served.claims,
    served.lowest is distinct from served.highest as disputed,
    served.lowest,
    served.highest,
    served.held,
    served.held_id,
    served.said_state,
    served.said_amount,
    served.unconfirmed,
    served.effective_from,
    served.effective_to,
    lower(served.seen) as seen_since,
    upper(served.seen) as seen_until,
    served.key_id,
    unnest(range_agg(tstzrange(nullif(served.since, '-infinity'), served.until))) as served_in
from in_order as served
join {{ ref("catalog.meter") }} as meter on meter.meter = served.meter
where served.place = 1
group by
    served.offer, served.sold_by, served.model, served.snapshot, served.alias, served.variant, served.build, served.at_region, served.meter,
    meter.per, served.good_amount, served.currency, served.good_state, served.service_tier, served.prompt_above_tokens, served.time_window,
    served.detail, served.source, served.provider, served.listed_id, served.claims, served.sources, served.lowest, served.highest, served.held, served.held_id,
    served.said_state, served.said_amount, served.unconfirmed, served.effective_from, served.effective_to, served.seen, served.key_id, served.rank,
    served.best_rank, served.own_feed, served.dated
