-- Where sources name different amounts for one offer, meter and condition at one time: who said what since when, how large it is, whose
-- word is served, and how it ended. A claim counts while its source was seen to make it and, where it states dates, while these cover the
-- time; what it says of the future is no dispute yet. Only numbers disagree (paid or free): an unknown contradicts nobody. Of several
-- listings of one source in one offer its word is the first that asks a price, by provider and listed id; of dated and undated prices of
-- one listing it is the one that catalog.price_claim takes. A listing is the model that it is held to be now. Amounts are those of the end:
-- of now, while it is open.
-- Filled anew whenever a ledger, a link or a verdict moved. Grain: one row per offer, meter, condition, currency and time of disagreement.
-- materialized: table
-- index: (offer)
-- index: (model)
-- index: (dispute_id)
with link as materialized (
    select distinct on (source, provider, listed_id) source, provider, listed_id, offer, sold_by, model, nullif(region, '') as region
    from {{ ref("history.link") }}
    order by source, provider, listed_id, lower(seen) desc nulls last
),
stated as (
    select
        price.*,
        coalesce(link.offer, price.provider || ':?' || price.listed_id) as offer,
        coalesce(link.sold_by, price.provider) as sold_by,
        link.model,
        coalesce(nullif(price.region, ''), link.region, '') as at_region,
        price.seen * tstzrange(price.effective_from, price.effective_to) * tstzrange(null, now()) as span
    from {{ ref("history.price") }} as price
    left join link on link.source = price.source and link.provider = price.provider and link.listed_id = price.listed_id
    where price.state in ('paid', 'free')
),
-- one number for an offer, meter, condition and currency, so that what follows compares numbers and not ten texts
numbered as (
    select
        stated.*,
        dense_rank() over thing as thing,
        min(stated.source) over whole as first_source,
        max(stated.source) over whole as last_source
    from stated
    where not isempty(stated.span)
    window
        thing as (
            order by stated.offer, stated.meter, stated.service_tier, stated.prompt_above_tokens, stated.time_window, stated.at_region,
                stated.detail, stated.currency
        ),
        whole as (
            partition by stated.offer, stated.meter, stated.service_tier, stated.prompt_above_tokens, stated.time_window, stated.at_region,
                stated.detail, stated.currency
        )
),
claim as materialized (select * from numbered where first_source <> last_source),
segment as (
    select thing, tstzrange(at, lead(at) over (partition by thing order by at)) as during
    from (
        select thing, lower(span) as at from claim
        union
        select thing, upper(span) from claim
    ) as edge
),
-- what each listing, and then each source, says in each stretch of time in which nobody changes his mind
heard as (
    select distinct on (claim.thing, segment.during, claim.source, claim.provider, claim.listed_id)
        claim.thing,
        segment.during,
        claim.source,
        claim.provider,
        claim.listed_id,
        claim.key_id,
        claim.state,
        claim.amount,
        claim.effective_from is not null or claim.effective_to is not null as dated,
        lower(claim.seen) as seen_since
    from claim
    join segment on segment.thing = claim.thing and claim.span @> segment.during and upper(segment.during) is not null
    order by
        claim.thing,
        segment.during,
        claim.source,
        claim.provider,
        claim.listed_id,
        claim.effective_from is null and claim.effective_to is null,
        claim.effective_from desc nulls last,
        lower(claim.seen) desc
),
word as materialized (
    select distinct on (thing, during, source) * from heard order by thing, during, source, state = 'free', provider, listed_id
),
moment as (
    select
        spoken.*,
        lag(spoken.during) over in_time as before,
        lag(spoken.lowest <> spoken.highest) over in_time as before_disputed,
        lead(spoken.during) over in_time as after,
        lead(spoken.sources) over in_time as after_sources,
        lead(spoken.lowest) over in_time as after_lowest
    from (
        select thing, during, count(*) as sources, min(amount) as lowest, max(amount) as highest from word group by thing, during
    ) as spoken
    window in_time as (partition by spoken.thing order by spoken.during)
),
-- stretches without a gap between them are one dispute
disputed as (
    select
        moment.*,
        count(*) filter (where not coalesce(moment.before_disputed and moment.before -|- moment.during, false))
            over (order by moment.thing, moment.during) as quarrel
    from moment
    where moment.lowest <> moment.highest
),
quarrel as materialized (
    select
        quarrel,
        thing,
        tstzrange(min(lower(during)), max(upper(during))) as span,
        max(highest / nullif(lowest, 0)) as widest_ratio,
        -- its last stretch, and what followed upon it
        (array_agg(lowest order by during desc))[1] as lowest,
        (array_agg(highest order by during desc))[1] as highest,
        (array_agg(after -|- during and after_sources = sources order by during desc))[1] as agreed,
        (array_agg(after_lowest order by during desc))[1] as after_lowest
    from disputed
    group by quarrel, thing
),
said as materialized (
    select spoken.thing, spoken.source, spoken.provider, spoken.listed_id, spoken.key_id, spoken.state, spoken.amount, span
    from (
        select thing, source, provider, listed_id, key_id, state, amount, range_agg(during) as spans
        from word
        group by thing, source, provider, listed_id, key_id, state, amount
    ) as spoken
    cross join lateral unnest(spoken.spans) as span
),
side as materialized (
    select
        quarrel.quarrel,
        count(*) filter (where lower(said.span) = lower(quarrel.span)) as began,
        min(said.source) filter (where lower(said.span) = lower(quarrel.span)) as began_by,
        jsonb_agg(
            jsonb_build_object(
                'source', said.source,
                'provider', said.provider,
                'listed_id', said.listed_id,
                'state', said.state,
                'amount', said.amount::text,
                'since', lower(said.span),
                'until', nullif(upper(said.span), now()),
                'held', exists (
                    select from {{ ref("ops.held_change") }} as doubt
                    where doubt.key_id = said.key_id
                        and doubt.kind = 'held'
                        and doubt.changed_at <@ said.span
                        and doubt.held && quarrel.span
                )
            )
            order by said.source, lower(said.span)
        ) as sides,
        bool_or(upper(said.span) = now() and looked.last_observed_at < lower(quarrel.span)) as stale
    from quarrel
    join said on said.thing = quarrel.thing and said.span && quarrel.span
    left join (
        select source, max(observed_at) as last_observed_at
        from {{ ref("ops.observation") }}
        where verdict = 'accepted'
        group by source
    ) as looked on looked.source = said.source
    group by quarrel.quarrel
),
-- the last stretch, after the gate: whose word is served, by the order of catalog.price_as_of
believed as (
    select
        quarrel.quarrel,
        word.source,
        case when doubt.key_id is null then word.state else doubt.from_state end as state,
        case when doubt.key_id is null then word.amount else doubt.from_amount end as amount,
        word.dated,
        coalesce(rank.own_feed_of = word.provider, false) as own_feed,
        case when rank.own_feed_of = word.provider then 0 else coalesce(rank.rank, 9) end as rank
    from quarrel
    join word on word.thing = quarrel.thing and upper(word.during) = upper(quarrel.span)
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = word.source
    left join {{ ref("ops.held_change") }} as doubt
        on doubt.key_id = word.key_id and doubt.changed_at = word.seen_since and doubt.kind = 'held'
        and lower(doubt.held) < upper(quarrel.span) and coalesce(upper(doubt.held) >= upper(quarrel.span), true)
),
served as materialized (
    select distinct on (judged.quarrel) judged.quarrel, judged.source, judged.amount
    from (
        select believed.*, bool_or(believed.state = 'paid') over (partition by believed.quarrel) as any_paid from believed
    ) as judged
    order by
        judged.quarrel,
        judged.state = 'unknown',
        judged.state = 'free' and judged.any_paid and not judged.own_feed,
        judged.rank,
        judged.dated desc,
        judged.source
),
thing as materialized (select distinct on (thing) * from claim order by thing)
select
    left(
        md5(concat_ws(
            '|', thing.offer, thing.meter, thing.service_tier, thing.prompt_above_tokens, thing.time_window, thing.at_region, thing.detail,
            thing.currency, extract(epoch from lower(quarrel.span))
        )),
        12
    ) as dispute_id,
    thing.offer,
    thing.sold_by as provider,
    thing.model,
    thing.meter,
    meter.per,
    thing.service_tier,
    thing.prompt_above_tokens,
    nullif(thing.time_window, '') as time_window,
    nullif(thing.at_region, '') as region,
    nullif(thing.detail, '') as detail,
    thing.currency,
    lower(quarrel.span) as opened_at,
    nullif(upper(quarrel.span), now()) as closed_at,
    case when upper(quarrel.span) = now() then null when quarrel.agreed then 'agreed' else 'silent' end as ended,
    side.sides,
    quarrel.lowest,
    quarrel.highest,
    quarrel.highest / nullif(quarrel.lowest, 0) as ratio,
    quarrel.highest - quarrel.lowest as difference,
    quarrel.widest_ratio,
    served.source as served_source,
    served.amount as served_amount,
    case when side.began = 1 then side.began_by end as started_by,
    case when quarrel.agreed then quarrel.after_lowest end as agreed_amount,
    upper(quarrel.span) = now() and coalesce(side.stale, false) as stale
from quarrel
join thing on thing.thing = quarrel.thing
join side on side.quarrel = quarrel.quarrel
join served on served.quarrel = quarrel.quarrel
left join {{ ref("catalog.meter") }} as meter on meter.meter = thing.meter
