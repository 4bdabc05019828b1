-- Every change of a price from one claim to the next. `opened` and `closed` are prices that appeared and vanished; what a source's very
-- first observation brings is not news and not here. Grain: one row per price (dated ones by their start) and instant.
-- materialized: table
-- index: (changed_at)
-- index: (source, provider, listed_id)
with claim as (
    select
        price.*,
        lower(price.seen) as since,
        upper(price.seen) as until,
        lag(upper(price.seen)) over in_time as before_until,
        lag(price.state) over in_time as before_state,
        lag(price.amount) over in_time as before_amount,
        lag(price.effective_to) over in_time as before_effective_to,
        lead(lower(price.seen)) over in_time as next_since
    from {{ ref("history.price") }} as price
    window in_time as (partition by price.key_id order by lower(price.seen))
),
first_look as (
    select source, min(observed_at) as observed_at
    from {{ ref("ops.observation") }}
    where verdict = 'accepted'
    group by source
),
change as (
    select
        claim.*,
        claim.since as changed_at,
        'changed' as kind,
        claim.before_state as from_state,
        claim.state as to_state,
        claim.before_amount as from_amount,
        claim.amount as to_amount,
        claim.before_effective_to as from_effective_to,
        claim.effective_to as to_effective_to
    from claim
    where claim.before_until = claim.since
    union all
    select claim.*, claim.since, 'opened', null, claim.state, null, claim.amount, null, claim.effective_to
    from claim
    left join first_look on first_look.source = claim.source
    where claim.before_until is distinct from claim.since and claim.since is distinct from first_look.observed_at
    union all
    select claim.*, claim.until, 'closed', claim.state, null, claim.amount, null, claim.effective_to, null
    from claim
    where claim.until is not null and claim.next_since is distinct from claim.until
)
select
    change.changed_at,
    change.kind,
    change.source,
    change.provider,
    change.listed_id,
    change.meter,
    change.service_tier,
    change.prompt_above_tokens,
    nullif(change.time_window, '') as time_window,
    nullif(change.region, '') as region,
    nullif(change.detail, '') as detail,
    change.currency,
    change.effective_from,
    change.from_state,
    change.to_state,
    change.from_amount,
    change.to_amount,
    change.to_amount / nullif(change.from_amount, 0) as ratio,
    change.to_amount - change.from_amount as difference,
    change.from_effective_to,
    change.to_effective_to
from change
