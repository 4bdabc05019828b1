-- On what terms a listing can be used, in one word: paid, free, included (in a subscription), dynamic (depends on the route), unknown. Of one
-- that is not listed any more (listed is false) the terms are those of its last day: it cannot be used, but who could use it may still see it.
-- Prices are those after the gate (catalog.listing_price): one that fell to nothing and is held is still paid.
-- The base price is the one of the standard service tier, whatever the length of the prompt, the time of day and the region; where a source
-- prices only hours of the day, the dearest of them. Past its announced last day, in UTC, a listing is retired, whatever it says itself.
-- Grain: one row per source, provider and listed id that was ever seen.
with listing as (
    select newest.*, upper_inf(newest.seen) as listed, upper(newest.seen) as until
    from (select distinct on (key_id) * from {{ ref("history.listing") }} order by key_id, lower(seen) desc) as newest
),
quoted as (
    select
        now_asked.source, now_asked.provider, now_asked.listed_id, now_asked.meter, now_asked.state, now_asked.amount, now_asked.currency,
        now_asked.service_tier, now_asked.prompt_above_tokens, now_asked.time_window, now_asked.region, now_asked.detail
    from {{ ref("catalog.listing_price") }} as now_asked
    union all
    -- what was asked for it when it was listed last
    select
        claim.source, claim.provider, claim.listed_id, claim.meter, claim.state, claim.amount, claim.currency,
        claim.service_tier, claim.prompt_above_tokens, nullif(claim.time_window, ''), nullif(claim.region, ''), nullif(claim.detail, '')
    from {{ ref("history.price") }} as claim
    join listing
        on listing.source = claim.source and listing.provider = claim.provider and listing.listed_id = claim.listed_id
    where not listing.listed and lower(claim.seen) < listing.until and upper(claim.seen) >= listing.until
)
select
    listing.source,
    listing.provider,
    listing.listed_id,
    listing.name,
    listing.author,
    listing.listed,
    listing.until,
    case
        when listing.retires_on < (coalesce(listing.until, now()) at time zone 'UTC')::date then 'retired'
        else coalesce(listing.lifecycle, 'stable')
    end as lifecycle,
    -- Free has to be proven: input and output are free and nothing else is paid or unclear. Paid needs one price that is paid.
    case
        when priced.listed_id is null then 'unknown'
        when priced.any_dynamic then 'dynamic'
        when priced.any_base_unknown then 'unknown'
        when priced.any_paid then 'paid'
        when priced.any_unknown or priced.base_meters < 2 then 'unknown'
        when priced.base_free then 'free'
        else 'included'
    end as state,
    priced.input_usd_per_mtok,
    priced.output_usd_per_mtok,
    coalesce(listing.license, licensed.license) as license,
    licensed.licence_class,
    listing.input_modalities || listing.output_modalities as modalities,
    coalesce(link.offer, listing.provider || ':?' || listing.listed_id) as offer,
    coalesce(link.sold_by, listing.provider) as sold_by,
    -- a variant is a plan with a price of its own, so it is decided on by itself
    coalesce(link.model || case when link.variant <> '' then ':' || link.variant else '' end, link.offer, listing.provider || ':?' || listing.listed_id)
        as model_id
from listing
left join {{ ref("catalog.source_rank") }} as rank on rank.source = listing.source
left join {{ ref("history.link") }} as link
    on link.source = listing.source and link.provider = listing.provider and link.listed_id = listing.listed_id and upper_inf(link.seen)
-- what the weights are licensed for is read where they are published: of the model itself before builds of it, the strictest class of several
left join (
    select distinct on (weights.model) weights.model, licence.license, licence.licence_class
    from {{ ref("catalog.licence_class") }} as licence
    join {{ ref("history.link") }} as weights
        on weights.source = licence.source and weights.provider = licence.provider and weights.listed_id = licence.listed_id
        and upper_inf(weights.seen)
    where weights.model is not null
    order by weights.model, weights.build <> '', licence.licence_class = 'safe', licence.listed_id
) as licensed on licensed.model = link.model
left join (
    select
        price.source,
        price.provider,
        price.listed_id,
        bool_or(price.state = 'dynamic') as any_dynamic,
        bool_or(price.state = 'paid') as any_paid,
        bool_or(price.state = 'unknown') as any_unknown,
        coalesce(bool_or(price.state = 'unknown') filter (where price.is_base), false) as any_base_unknown,
        coalesce(bool_and(price.state = 'free') filter (where price.is_base), false) as base_free,
        -- prices of hours prove nothing about the rest of the day, so they cannot make a listing free
        count(distinct price.meter) filter (where price.is_base and price.time_window is null) as base_meters,
        -- an hour whose price is not known may be the dearest: infinite within max(), null outside
        nullif(max(coalesce(price.amount, 'infinity')) filter (
            where price.is_base and price.currency = 'USD' and price.meter = 'input'
        ), 'infinity') as input_usd_per_mtok,
        nullif(max(coalesce(price.amount, 'infinity')) filter (
            where price.is_base and price.currency = 'USD' and price.meter = 'output'
        ), 'infinity') as output_usd_per_mtok
    from (
        select
            quoted.*,
            quoted.meter in ('input', 'output')
            and quoted.service_tier = 'standard'
            and quoted.prompt_above_tokens = 0
            and quoted.region is null
            and quoted.detail is null
            -- a price of certain hours counts only where there is none for the whole day
            and (
                quoted.time_window is null
                or not bool_or(quoted.time_window is null) over (
                    partition by
                        quoted.source, quoted.provider, quoted.listed_id, quoted.meter, quoted.service_tier,
                        quoted.prompt_above_tokens, quoted.region, quoted.detail, quoted.currency
                )
            ) as is_base
        from quoted
    ) as price
    group by price.source, price.provider, price.listed_id
) as priced on priced.source = listing.source and priced.provider = listing.provider and priced.listed_id = listing.listed_id
-- a list that names models and sells none gives nobody access to anything
where coalesce(rank.sells, true)
