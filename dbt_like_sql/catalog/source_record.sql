-- How often each source was right where others contradicted it, as far as disputes ended in agreement: `won` are those in which all came to
-- the amount that it had said all along, `lost` those in which it changed its own. A dispute that ended because someone fell silent proves
-- nothing. Grain: one row per source.
with said as (
    select
        dispute.dispute_id,
        dispute.closed_at,
        dispute.ended,
        side.source,
        bool_and(side.amount = dispute.agreed_amount) as all_along,
        -- a source that came to the amount at the end did so when the dispute closed
        coalesce(min(side.since) filter (where side.amount = dispute.agreed_amount), dispute.closed_at) as agreed_at
    from {{ ref("catalog.dispute") }} as dispute
    cross join lateral jsonb_to_recordset(dispute.sides) as side (source text, amount numeric, since timestamptz)
    group by dispute.dispute_id, dispute.closed_at, dispute.ended, side.source
),
timed as (
    select
        said.*,
        extract(epoch from said.agreed_at - min(said.agreed_at) over (partition by said.dispute_id)) / 86400 as lag_days
    from said
),
counted as (
    select
        source,
        count(*) as disputes,
        count(*) filter (where closed_at is null) as open,
        count(*) filter (where ended = 'agreed' and all_along) as won,
        count(*) filter (where ended = 'agreed' and not all_along) as lost,
        percentile_cont(0.5) within group (order by lag_days) filter (where ended = 'agreed' and not all_along) as median_lag_days
    from timed
    group by source
),
claimed as (
    select source, count(*) as claims from {{ ref("catalog.price_claim") }} where state in ('paid', 'free') group by source
)
select
    rank.source,
    rank.rank,
    coalesce(counted.disputes, 0) as disputes,
    coalesce(counted.open, 0) as open,
    coalesce(counted.won, 0) as won,
    coalesce(counted.lost, 0) as lost,
    round(counted.won::numeric / nullif(counted.won + counted.lost, 0), 3) as share_won,
    round(counted.median_lag_days::numeric, 2) as median_lag_days,
    coalesce(claimed.claims, 0) as claims,
    round(coalesce(counted.open, 0)::numeric / nullif(claimed.claims, 0), 4) as share_disputed
from {{ ref("catalog.source_rank") }} as rank
left join counted on counted.source = rank.source
left join claimed on claimed.source = rank.source
where rank.sells
