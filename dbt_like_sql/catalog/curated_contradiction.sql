-- Where the file of curated models says a price or a limit that others contradict: it is in dispute, and what is served is the others' word. A
-- price is held against what is served for that very offer, a limit against that of the model. Grain: one row per slug and what is said.
with price as (
    select
        curated.slug,
        curated.model,
        'price of ' || claim.meter as what,
        claim.amount as curated_value,
        served.amount as others_value,
        served.source as others_source,
        served.seen_since as others_since
    from {{ ref("catalog.curated") }} as curated
    join {{ ref("catalog.price_claim") }} as claim on claim.source = 'curated'
        and claim.provider = curated.provider
        and claim.listed_id = curated.listed_id
    join {{ ref("catalog.price") }} as served on served.offer = curated.offer
        and served.meter = claim.meter
        and served.service_tier = claim.service_tier
        and served.prompt_above_tokens = 0
        and served.time_window is null
        and served.detail is null
        and served.currency = claim.currency
    where served.state in ('paid', 'free') and served.amount <> claim.amount
),
limits as (
    select
        curated.slug,
        curated.model,
        said.what,
        said.curated_value::numeric as curated_value,
        said.others_value::numeric as others_value,
        said.others_source,
        null::timestamptz as others_since
    from {{ ref("catalog.curated") }} as curated
    join {{ ref("catalog.model") }} as model on model.model = curated.model
    cross join lateral (
        values
            ('context_tokens', curated.context_tokens, model.context_tokens, model.context_tokens_source),
            ('max_output_tokens', curated.max_output_tokens, model.max_output_tokens, model.max_output_tokens_source)
    ) as said (what, curated_value, others_value, others_source)
    where said.curated_value <> said.others_value and said.others_source <> 'curated'
)
select * from price
union all
select * from limits
