-- What can be bought, or could once: one provider selling one model, snapshot, variant or build in one region. Which sources list it under
-- which ids, its limits, and the base price that is served for it: standard service, whatever the length of the prompt and the time of day.
-- Of attributes the first that is stated counts: by listings shown now before gone ones, then by the order of catalog.source_rank.
-- Filled anew whenever a ledger, a link or a verdict moved. Grain: one row per offer.
-- materialized: table
-- index: (offer)
-- index: (model)
-- index: (provider)
with link as materialized (
    select distinct on (key_id) * from {{ ref("history.link") }} order by key_id, lower(seen) desc nulls last
),
life as (
    select key_id, min(lower(seen)) as first_seen, max(coalesce(upper(seen), 'infinity')) as last_seen
    from {{ ref("history.listing") }}
    group by key_id
),
newest as (
    select distinct on (key_id) * from {{ ref("history.listing") }} order by key_id, lower(seen) desc
),
listing as (
    select
        coalesce(link.offer, newest.provider || ':?' || newest.listed_id) as offer,
        coalesce(link.sold_by, newest.provider) as sold_by,
        link.model,
        nullif(link.author, '') as author,
        nullif(link.snapshot, '') as snapshot,
        nullif(link.alias, '') as alias,
        nullif(link.variant, '') as variant,
        nullif(link.build, '') as build,
        nullif(link.region, '') as region,
        newest.source,
        newest.listed_id,
        newest.lifecycle,
        newest.context_tokens,
        newest.max_input_tokens,
        newest.max_output_tokens,
        newest.retires_on,
        life.first_seen,
        nullif(life.last_seen, 'infinity') as last_seen,
        row_number() over (
            partition by coalesce(link.offer, newest.provider || ':?' || newest.listed_id)
            order by
                upper(newest.seen) is not null,
                case when rank.own_feed_of = newest.provider then 0 else coalesce(rank.rank, 9) end,
                newest.source,
                newest.provider,
                newest.listed_id
        ) as place
    from newest
    join life on life.key_id = newest.key_id
    left join link on link.key_id = newest.key_id
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = newest.source
    where coalesce(rank.sells, true)
),
listed as (
    select
        listing.offer,
        min(listing.sold_by) as provider,
        min(listing.model) as model,
        min(listing.author) as author,
        min(listing.snapshot) as snapshot,
        min(listing.alias) as alias,
        min(listing.variant) as variant,
        min(listing.build) as build,
        min(listing.region) as region,
        bool_or(listing.last_seen is null) as listed,
        array_agg(distinct listing.source) as sources,
        array_agg(distinct listing.listed_id) as listed_ids,
        (array_agg(listing.lifecycle order by listing.place) filter (where listing.lifecycle is not null))[1] as lifecycle,
        (array_agg(listing.retires_on order by listing.place) filter (where listing.retires_on is not null))[1] as retires_on,
        (array_agg(listing.context_tokens order by listing.place) filter (where listing.context_tokens is not null))[1] as context_tokens,
        (array_agg(listing.max_input_tokens order by listing.place) filter (where listing.max_input_tokens is not null))[1]
            as max_input_tokens,
        (array_agg(listing.max_output_tokens order by listing.place) filter (where listing.max_output_tokens is not null))[1]
            as max_output_tokens,
        min(listing.first_seen) as first_seen,
        case when not bool_or(listing.last_seen is null) then max(listing.last_seen) end as last_seen
    from listing
    group by listing.offer
),
price as (
    select
        served.*,
        served.meter in ('input', 'output')
        and served.service_tier = 'standard'
        and served.prompt_above_tokens = 0
        and served.time_window is null
        and served.detail is null
        -- what holds everywhere, or in the region that is this offer's own
        and served.region is not distinct from listed.region as is_base
    from {{ ref("catalog.price") }} as served
    -- a dated price goes on after its listing is gone, but then there is nothing to buy
    join listed on listed.offer = served.offer and listed.listed
),
priced as (
    select
        offer,
        count(*) as prices,
        bool_or(state = 'dynamic') as any_dynamic,
        bool_or(state = 'paid') as any_paid,
        bool_or(state = 'unknown') as any_unknown,
        coalesce(bool_or(state = 'unknown') filter (where is_base), false) as any_base_unknown,
        coalesce(bool_and(state = 'free') filter (where is_base), false) as base_free,
        count(distinct meter) filter (where is_base) as base_meters,
        max(amount) filter (where is_base and currency = 'USD' and meter = 'input') as input_usd_per_mtok,
        max(amount) filter (where is_base and currency = 'USD' and meter = 'output') as output_usd_per_mtok,
        coalesce(bool_or(disputed) filter (where is_base), false) as disputed,
        coalesce(bool_or(held) filter (where is_base), false) as held,
        coalesce(bool_or(unconfirmed) filter (where is_base), false) as unconfirmed
    from price
    group by offer
)
select
    listed.offer,
    listed.provider,
    listed.model,
    listed.author,
    listed.snapshot,
    listed.alias,
    listed.variant,
    listed.build,
    listed.region,
    listed.listed,
    listed.sources,
    listed.listed_ids,
    -- as in access.listing_terms: free has to be proven, paid needs one price that is paid
    case
        when not listed.listed then null
        when priced.offer is null then 'unknown'
        when priced.any_dynamic then 'dynamic'
        when priced.any_base_unknown then 'unknown'
        when priced.any_paid then 'paid'
        when priced.any_unknown or priced.base_meters < 2 then 'unknown'
        when priced.base_free then 'free'
        else 'included'
    end as state,
    priced.input_usd_per_mtok,
    priced.output_usd_per_mtok,
    coalesce(priced.disputed, false) as disputed,
    coalesce(priced.held, false) as held,
    coalesce(priced.unconfirmed, false) as unconfirmed,
    coalesce(priced.prices, 0) as prices,
    case when listed.retires_on < (now() at time zone 'UTC')::date then 'retired' else listed.lifecycle end as lifecycle,
    listed.retires_on,
    listed.context_tokens,
    listed.max_input_tokens,
    listed.max_output_tokens,
    listed.first_seen,
    listed.last_seen
from listed
left join priced on priced.offer = listed.offer
