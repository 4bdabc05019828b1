-- Price against score at any instant: frontier_as_of(as_of). Of each class of scores that can be compared (one source's benchmark, version, split,
-- metric, harness and runner) every model with its best score then and the cheapest price that was served for it then, in USD per million
-- tokens: three of the prompt to one of the answer, standard service, base price. `worth_it` marks those that nothing as cheap beats. A model
-- that nobody asks a certain price for then, or whose name is not resolved, has no place here. Costs and durations make no class: less of them
-- is no score. Grain: one row per class and model.
create function catalog.frontier_as_of(as_of timestamptz)
returns table (
    source text,
    benchmark text,
    version text,
    split text,
    metric text,
    harness text,
    runner text,
    model text,
    spelled text,
    effort text,
    variant text,
    score numeric,
    unit text,
    usd_per_mtok numeric,
    input_usd_per_mtok numeric,
    output_usd_per_mtok numeric,
    offer text,
    cheaper bigint,
    worth_it boolean
)
language sql stable parallel safe
as $$
with base as (
    select
        price.offer,
        min(price.model) as model,
        max(price.amount) filter (where price.meter = 'input') as input_usd_per_mtok,
        max(price.amount) filter (where price.meter = 'output') as output_usd_per_mtok,
        bool_or(price.disputed or price.held or price.unconfirmed) as doubtful
    from {{ ref("catalog.price_as_of") }}(as_of) as price
    where price.meter in ('input', 'output')
        and price.service_tier = 'standard'
        and price.prompt_above_tokens = 0
        and price.time_window is null
        and price.detail is null
        and price.currency = 'USD'
        and price.state = 'paid'
        -- a plan or mode is another thing to buy, and other weights another thing to measure
        and price.variant is null
        and price.build is null
        and price.model is not null
    group by price.offer
),
cheapest as materialized (
    select distinct on (model)
        model,
        offer,
        input_usd_per_mtok,
        output_usd_per_mtok,
        round((3 * input_usd_per_mtok + output_usd_per_mtok) / 4, 6) as usd_per_mtok
    from base
    where input_usd_per_mtok is not null and output_usd_per_mtok is not null and not doubtful
    order by model, 3 * input_usd_per_mtok + output_usd_per_mtok, offer
),
best as (
    select distinct on (source, benchmark, version, split, metric, harness, runner, model) *
    from {{ ref("catalog.score_as_of") }}(as_of) as score
    where model is not null and unit not in ('usd', 'seconds')
    order by source, benchmark, version, split, metric, harness, runner, model, value desc, spelled, effort, variant, run
),
point as (
    select
        best.*,
        cheapest.offer,
        cheapest.usd_per_mtok,
        cheapest.input_usd_per_mtok,
        cheapest.output_usd_per_mtok,
        max(best.value) over cheaper as best_of_cheaper,
        count(*) over cheaper as cheaper,
        max(best.value) over as_cheap as best_as_cheap
    from best
    join cheapest on cheapest.model = best.model
    window
        class as (partition by best.source, best.benchmark, best.version, best.split, best.metric, best.harness, best.runner),
        cheaper as (class order by cheapest.usd_per_mtok groups between unbounded preceding and 1 preceding),
        as_cheap as (class order by cheapest.usd_per_mtok groups between current row and current row)
)
select
    source,
    benchmark,
    version,
    split,
    metric,
    harness,
    runner,
    model,
    spelled,
    effort,
    variant,
    value,
    unit,
    usd_per_mtok,
    input_usd_per_mtok,
    output_usd_per_mtok,
    offer,
    cheaper,
    (best_of_cheaper is null or value > best_of_cheaper) and value = best_as_cheap
from point
$$
