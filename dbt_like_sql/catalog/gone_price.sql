-- Prices whose disappearance the gate holds, too much having gone at once: their last good value, from when they were gone until they were
-- back (null: not yet). `held` is knowledge time. Grain: one row per price and disappearance.
select
    doubt.held_id,
    doubt.source,
    doubt.key_id,
    doubt.provider,
    doubt.listed_id,
    doubt.meter,
    meter.per,
    doubt.service_tier,
    doubt.prompt_above_tokens,
    doubt.time_window,
    doubt.region,
    doubt.detail,
    doubt.currency,
    doubt.effective_from,
    doubt.from_state as state,
    doubt.from_amount as amount,
    doubt.changed_at as gone_at,
    (select min(lower(price.seen)) from {{ ref("history.price") }} as price where price.key_id = doubt.key_id and lower(price.seen) > doubt.changed_at)
        as back_at,
    doubt.held
from {{ ref("ops.held_change") }} as doubt
join {{ ref("catalog.meter") }} as meter on meter.meter = doubt.meter
where doubt.to_state = 'gone' and doubt.kind = 'held'
