-- What changed, as the ledger tells it now: models and offers that came, went and came back, served prices that moved, what became free,
-- disputes, and what makers announced. A price is what is served, after the gate: what is held is no change. What a source's very first
-- observation brings is not news and not here, nor is a model or offer gone before three accepted observations of every source that ever
-- listed it came since. catalog.change keeps these in an order that stays. Grain: one row per thing that changed, type and instant.
with look as materialized (
    select source, observed_at, row_number() over (partition by source order by observed_at) as number
    from {{ ref("ops.observation") }}
    where verdict = 'accepted'
),
first_look as materialized (
    select source, observed_at from look where number = 1
),
link as materialized (
    select distinct on (key_id) key_id, model, variant, offer, sold_by from {{ ref("history.link") }} order by key_id, lower(seen) desc nulls last
),
listing as materialized (
    select
        listing.source,
        listing.seen,
        listing.lifecycle,
        listing.retires_on,
        listing.replaced_by,
        link.model,
        coalesce(link.sold_by, listing.provider) as provider,
        coalesce(link.offer, listing.provider || ':?' || listing.listed_id) as offer,
        coalesce(link.model || coalesce(':' || nullif(link.variant, ''), ''), listing.provider || ':?' || listing.listed_id) as model_id
    from {{ ref("history.listing") }} as listing
    left join link on link.key_id = listing.key_id
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = listing.source
    where coalesce(rank.sells, true)
),
offer as materialized (
    select offer, min(model_id) as model_id, min(model) as model, min(provider) as provider, range_agg(seen) as seen
    from listing
    group by offer
),
model as materialized (
    select model_id, min(model) as model from listing group by model_id
),
presence as materialized (
    select 'model' as kind, model_id as name, source, range_agg(seen) as seen from listing group by model_id, source
    union all
    select 'offer', offer, source, range_agg(seen) from listing group by offer, source
),
stretch as materialized (
    select kind, name, upper(piece) as until, lead(lower(piece)) over (partition by kind, name order by piece) as back_at
    from (select kind, name, range_agg(seen) as seen from presence group by kind, name) as whole
    cross join lateral unnest(whole.seen) as piece
),
-- when each source had looked three times from an instant on
third_look as materialized (
    select source.source, instant.until, (
        select look.observed_at from look
        where look.source = source.source and look.observed_at >= instant.until
        order by look.observed_at
        offset 2 limit 1
    ) as observed_at
    from (select distinct until from stretch where until is not null) as instant
    cross join first_look as source
),
-- an absence, and whether every source that ever listed it looked three times without finding it
absence as (
    select
        stretch.kind,
        stretch.name,
        stretch.until as at,
        stretch.back_at,
        bool_and(coalesce(third_look.observed_at < coalesce(stretch.back_at, 'infinity'), false)) as proven
    from stretch
    join presence on presence.kind = stretch.kind and presence.name = stretch.name
    left join third_look on third_look.source = presence.source and third_look.until = stretch.until
    where stretch.until is not null
    group by stretch.kind, stretch.name, stretch.until, stretch.back_at
),
arrival as (
    select distinct on (presence.kind, presence.name)
        presence.kind, presence.name, lower(presence.seen) as at, presence.source, first_look.observed_at as first_looked_at
    from presence
    join first_look on first_look.source = presence.source
    -- what was there when any of them looked first was there before
    order by presence.kind, presence.name, lower(presence.seen), lower(presence.seen) > first_look.observed_at, presence.source
),
coming as (
    select kind || '_added' as type, kind, name, at from arrival where at > first_looked_at
    union all
    select case kind when 'model' then 'model_gone' else 'offer_ended' end, kind, name, at from absence where proven
    union all
    select case kind when 'model' then 'model_back' else 'offer_added' end, kind, name, back_at from absence where proven and back_at is not null
),
came as (
    select
        coming.type, coming.at, coming.name as model_id, model.model, null as offer, null as provider, coming.name as thing,
        '{}'::jsonb as condition, null::jsonb as before, null::jsonb as after, null as source
    from coming
    join model on model.model_id = coming.name
    where coming.kind = 'model'
    union all
    select coming.type, coming.at, offer.model_id, offer.model, offer.offer, offer.provider, offer.offer, '{}', null, null, null
    from coming
    join offer on offer.offer = coming.name
    where coming.kind = 'offer'
),
served as materialized (
    select
        span.*,
        lower(span.served_in) as since,
        upper(span.served_in) as until,
        lag(upper(span.served_in)) over in_time as before_until,
        lag(span.state) over in_time as before_state,
        lag(span.amount) over in_time as before_amount,
        lead(lower(span.served_in)) over in_time as next_since
    from {{ ref("catalog.price_span") }} as span
    window in_time as (
        partition by span.offer, span.meter, span.service_tier, span.prompt_above_tokens, span.time_window, span.region, span.detail, span.currency
        order by lower(span.served_in)
    )
),
moved as (
    select
        'price_changed' as type, served.since as at, served.*, first_look.observed_at as first_looked_at,
        jsonb_build_object('state', before_state, 'amount', before_amount::text) as before,
        jsonb_build_object('state', state, 'amount', amount::text) as after
    from served
    left join first_look on first_look.source = served.source
    where before_until = since and (before_state, before_amount) is distinct from (state, amount)
    union all
    select
        'price_added', served.since, served.*, first_look.observed_at, null, jsonb_build_object('state', state, 'amount', amount::text)
    from served
    left join first_look on first_look.source = served.source
    where before_until is distinct from since
    union all
    select
        'price_ended', served.until, served.*, null, jsonb_build_object('state', state, 'amount', amount::text), null
    from served
    where until is not null and next_since is distinct from until
),
price as (
    select
        moved.type,
        moved.at,
        offer.model_id,
        offer.model,
        offer.offer,
        offer.provider,
        offer.offer as thing,
        jsonb_strip_nulls(jsonb_build_object(
            'meter', moved.meter, 'per', moved.per, 'currency', moved.currency, 'service_tier', moved.service_tier,
            'prompt_above_tokens', moved.prompt_above_tokens, 'time_window', moved.time_window, 'region', moved.region, 'detail', moved.detail
        )) as condition,
        moved.before,
        moved.after,
        moved.source
    from moved
    join offer on offer.offer = moved.offer
    -- a date in the past that a source stated before anybody watched is history, not news
    where moved.at <= now() and (moved.first_looked_at is null or moved.at > moved.first_looked_at)
        -- an offer that comes or goes takes its prices with it: that is one change, not one for each price
        and (moved.type = 'price_changed' or offer.seen @> tstzrange(moved.at - interval '1 microsecond', moved.at, '[]'))
),
-- free has to be proven, as in catalog.offer: input and output at 0, and nothing else of it paid, unclear or depending on the route
charge as (
    select
        span.offer,
        span.meter,
        span.state,
        span.served_in,
        span.meter in ('input', 'output') and span.service_tier = 'standard' and span.prompt_above_tokens = 0 and span.time_window is null
        and span.detail is null and span.region is not distinct from current.region as is_base
    from {{ ref("catalog.price_span") }} as span
    join {{ ref("catalog.offer") }} as current on current.offer = span.offer
),
freedom as (
    select
        charge.offer,
        range_agg(served_in) filter (where is_base and state = 'free' and meter = 'input')
        * range_agg(served_in) filter (where is_base and state = 'free' and meter = 'output')
        - coalesce(
            range_agg(served_in) filter (where state in ('paid', 'dynamic', 'unknown') or (is_base and state <> 'free')), '{}'::tstzmultirange
        ) as spans
    from charge
    group by charge.offer
),
freed as (
    select
        edge.type, edge.at, offer.model_id, offer.model, offer.offer, offer.provider, offer.offer as thing, '{}'::jsonb as condition,
        null::jsonb as before, null::jsonb as after, null as source
    from (
        select freedom.offer, lower(piece) as since, upper(piece) as until from freedom cross join lateral unnest(freedom.spans) as piece
    ) as free
    cross join lateral (values ('became_free', free.since), ('stopped_being_free', free.until)) as edge (type, at)
    join offer on offer.offer = free.offer
    where edge.at <= now() and offer.seen @> tstzrange(edge.at - interval '1 microsecond', edge.at, '[]')
),
quarrel as (
    select
        edge.type,
        edge.at,
        offer.model_id,
        offer.model,
        offer.offer,
        offer.provider,
        dispute.dispute_id as thing,
        jsonb_strip_nulls(jsonb_build_object(
            'dispute_id', dispute.dispute_id, 'meter', dispute.meter, 'per', dispute.per, 'currency', dispute.currency,
            'service_tier', dispute.service_tier, 'prompt_above_tokens', dispute.prompt_above_tokens, 'time_window', dispute.time_window,
            'region', dispute.region, 'detail', dispute.detail
        )) as condition,
        null::jsonb as before,
        case edge.type when 'dispute_closed' then jsonb_build_object('ended', dispute.ended, 'amount', dispute.agreed_amount::text) end as after,
        null as source
    from {{ ref("catalog.dispute") }} as dispute
    join offer on offer.offer = dispute.offer
    cross join lateral (values ('dispute_opened', dispute.opened_at), ('dispute_closed', dispute.closed_at)) as edge (type, at)
    where edge.at is not null and edge.at <= now()
),
announced as (
    select
        'model_deprecated' as type, model.deprecated_at as at, model.model as model_id, model.model, null as offer, null as provider,
        model.model as thing, '{}'::jsonb as condition, null::jsonb as before,
        jsonb_build_object('lifecycle', 'deprecated', 'replaced_by', coalesce(model.replaced_by, model.replaced_by_id)) as after,
        model.lifecycle_source as source
    from {{ ref("catalog.model") }} as model
    join first_look on first_look.source = model.lifecycle_source
    where model.deprecated_at > first_look.observed_at
    union all
    select
        'model_retirement_announced', said.at, model.model, model.model, null, null, model.model, '{}', null,
        jsonb_build_object('retires_on', model.retires_on, 'replaced_by', coalesce(model.replaced_by, model.replaced_by_id)),
        model.retires_on_source
    from {{ ref("catalog.model") }} as model
    join first_look on first_look.source = model.retires_on_source
    join (
        select link.model, claim.source, claim.retires_on, min(lower(claim.seen)) as at
        from link
        join {{ ref("history.listing") }} as claim on claim.key_id = link.key_id
        where claim.retires_on is not null
        group by link.model, claim.source, claim.retires_on
    ) as said on said.model = model.model and said.source = model.retires_on_source and said.retires_on = model.retires_on
    where said.at > first_look.observed_at
),
everything as (
    select * from came
    union all
    select * from price
    union all
    select * from freed
    union all
    select * from quarrel
    union all
    select * from announced
)
select
    md5(jsonb_build_array(type, thing, condition, extract(epoch from at), before, after)::text)::uuid as key,
    type,
    at,
    model_id,
    model,
    offer,
    provider,
    condition,
    before,
    after,
    source
from everything
