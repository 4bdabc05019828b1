-- What a list of offers shows and counts, with who may see it: what catalog.offer has of each offer that is listed now, beside the card of its
-- model. A tier sees the offers of a model that it sees, except those of plans that are disabled or wait to be admitted.
-- Filled anew whenever what is published moves. Grain: one row per offer that is listed now.
-- materialized: table
-- index: (offer)
-- index: (model_id)
-- index: (provider, offer)
with hidden as (
    select model_id, unnest(hidden_offers) as offer
    from {{ ref("catalog.model_card") }}
    {% if few %} where model_id = any(:few) {% endif %}
)
select
    offer.offer,
    offer.provider,
    card.model_id,
    offer.variant,
    offer.state,
    offer.input_usd_per_mtok,
    offer.output_usd_per_mtok,
    offer.disputed,
    offer.disputed or offer.held or offer.unconfirmed as doubted,
    offer.first_seen,
    offer.sources,
    hidden.offer is not null as is_hidden,
    card.visible_free and hidden.offer is null as visible_free,
    card.visible_pro and hidden.offer is null as visible_pro,
    card.visible_enterprise and hidden.offer is null as visible_enterprise
from {{ ref("catalog.offer") }} as offer
join {{ ref("catalog.model_card") }} as card on card.model_id = coalesce(offer.model, offer.offer)
left join hidden on hidden.model_id = card.model_id and hidden.offer = offer.offer
where offer.listed
{% if few %} and (offer.model = any(:few) or offer.model is null and offer.offer = any(:few)) {% endif %}
