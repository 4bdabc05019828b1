-- When each model was sold by whom, by the links that are believed of each time. Offers that are hidden from all but admins now count for nothing.
-- Filled anew whenever what is published moves. Grain: one row per model (or unresolved offer) and provider.
-- materialized: table
-- index: (model_id)
-- index: (provider)
with hidden as (
    select unnest(hidden_offers) as offer
    from {{ ref("catalog.model_card") }}
    {% if few %} where model_id = any(:few) {% endif %}
),
sold as (
    select
        coalesce(link.model, link.offer, listing.provider || ':?' || listing.listed_id) as model_id,
        coalesce(link.sold_by, listing.provider) as provider,
        coalesce(link.offer, listing.provider || ':?' || listing.listed_id) as offer,
        listing.seen * coalesce(link.seen, '(,)') as listed_in
    from {{ ref("history.listing") }} as listing
    left join {{ ref("history.link") }} as link on link.key_id = listing.key_id and link.seen && listing.seen
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = listing.source
    where rank.sells is not false
    {% if few %} and listing.key_id in (
        select key_id from {{ ref("history.link") }} where model = any(:few) or offer = any(:few)
        union
        select key_id from {{ ref("history.listing") }}
        where (select bool_or(id like '%:?%') from unnest(:few) as given (id)) and provider || ':?' || listed_id = any(:few)
    ) {% endif %}
)
select model_id, provider, range_agg(listed_in) as listed_in
from sold
where not exists (select from hidden where hidden.offer = sold.offer)
group by model_id, provider
