-- When some seller asked which base price for each model: the price of anybody, for a request of any length at any hour; a plan, a service tier,
-- an hour or a size of its own is another thing to buy. Offers that are hidden from all but admins now count for nothing, in the past as well.
-- The least base price at an instant is the least amount whose times hold it.
-- Filled anew whenever what is published moves. Grain: one row per model (or unresolved offer), meter, unit and amount.
-- materialized: table
-- index: (model_id)
-- index: (meter)
with hidden as (
    select unnest(hidden_offers) as offer
    from {{ ref("catalog.model_card") }}
    {% if few %} where model_id = any(:few) {% endif %}
)
select
    coalesce(span.model, span.offer) as model_id,
    span.meter,
    span.per,
    span.amount,
    range_agg(span.served_in) as served_in
from {{ ref("catalog.price_span") }} as span
where span.currency = 'USD' and span.state in ('paid', 'free') and span.service_tier = 'standard' and span.prompt_above_tokens = 0
    and span.time_window is null and span.detail is null and (span.variant is null or span.model is null)
    and not exists (select from hidden where hidden.offer = span.offer)
    {% if few %} and (span.model = any(:few) or span.model is null and span.offer = any(:few)) {% endif %}
group by coalesce(span.model, span.offer), span.meter, span.per, span.amount
