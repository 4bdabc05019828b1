-- Who sells each model itself now (none of its variants), and the least that each asks: per provider the offer with the least base price of the
-- prompt, then of the answer. Offers that are hidden from all but admins count for nothing.
-- Filled anew whenever what is published moves. Grain: one row per model that is sold now.
-- materialized: table
-- index: (model_id)
with seller as (
    select distinct on (model_id, provider) model_id, provider, input_usd_per_mtok as input, output_usd_per_mtok as output
    from {{ ref("catalog.offer_card") }}
    where variant is null and not is_hidden
    {% if few %} and model_id = any(:few) {% endif %}
    order by model_id, provider, input_usd_per_mtok nulls last, output_usd_per_mtok nulls last, offer
)
select
    model_id,
    (array_agg(provider order by input nulls last, output nulls last, provider))[1] as cheapest_provider,
    (array_agg(input order by input nulls last, output nulls last, provider))[1] as input_usd_per_mtok,
    (array_agg(output order by input nulls last, output nulls last, provider))[1] as output_usd_per_mtok,
    -- text, since it is sent as it is; USD per token, exact, without an exponent
    jsonb_agg(jsonb_build_object('slug', provider, 'pricing', jsonb_strip_nulls(jsonb_build_object(
        'prompt', trim_scale(input * 0.000001)::text, 'completion', trim_scale(output * 0.000001)::text
    ))) order by input nulls last, output nulls last, provider)::text as sellers
from seller
group by model_id
