-- What the list in OpenRouter's shape is made of: each listing of the source openrouter now, with what it says, its prices in USD after the gate,
-- and what the policy says of its offer. A person's word, which counts before that, is in access.model_access.
-- Filled anew whenever what is published moves. Grain: one row per listing of openrouter.
-- materialized: table
-- index: (listed_id)
-- index: (model_id)
with priced as (
    select price.listed_id, jsonb_agg(jsonb_build_object(
        'meter', price.meter, 'state', price.state, 'amount', price.amount::text, 'above', price.prompt_above_tokens, 'window', price.time_window
    ) order by price.prompt_above_tokens, price.key_id) as prices
    from {{ ref("catalog.listing_price") }} as price
    where price.source = 'openrouter' and price.currency = 'USD' and price.service_tier = 'standard'
        and price.region is null and price.detail is null
    group by price.listed_id
)
select
    listing.listed_id,
    offered.model_id,
    offered.is_free,
    offered.is_pro,
    offered.is_enterprise,
    case when jsonb_typeof(listing.extra -> 'created') = 'number' then (listing.extra ->> 'created')::numeric end as created,
    jsonb_build_object(
        'id', listing.listed_id, 'canonical_slug', listing.canonical_hint, 'hugging_face_id', listing.hugging_face_id, 'name', listing.name,
        'description', listing.description, 'context_length', listing.context_tokens, 'max_completion_tokens', listing.max_output_tokens,
        'input_modalities', listing.input_modalities, 'output_modalities', listing.output_modalities, 'capabilities', listing.capabilities,
        'knowledge_cutoff', case listing.knowledge_cutoff_precision
            when 'year' then to_char(listing.knowledge_cutoff, 'YYYY')
            when 'month' then to_char(listing.knowledge_cutoff, 'YYYY-MM')
            else listing.knowledge_cutoff::text
        end,
        'expiration_date', listing.retires_on, 'extra', listing.extra, 'prices', coalesce(priced.prices, '[]')
    ) as said
from {{ ref("history.listing") }} as listing
left join {{ ref("history.link") }} as link on link.key_id = listing.key_id and upper_inf(link.seen)
join {{ ref("access.offer_access") }} as offered on offered.offer = coalesce(link.offer, listing.provider || ':?' || listing.listed_id)
left join priced on priced.listed_id = listing.listed_id
where listing.source = 'openrouter' and upper_inf(listing.seen)
