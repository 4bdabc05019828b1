-- Price against score at any instant: frontier_as_of(as_of). Of each class of scores that can be compared (one source's benchmark, version, split,
-- metric, harness and runner) every model with its best score then and the cheapest price that was served for it then, in USD per million
-- tokens: three of the prompt to one of the answer, standard service, base price. A dated snapshot's score is held against no other snapshot's
-- price. `worth_it` marks those that nothing as cheap beats. A model that nobody asks a certain price for then, or whose name is not resolved,
-- has no place here. Costs, durations, calls and spreads make no class: more of them is no better. Grain: one row per class and model.
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
        -- the digits of its date, however much of it is told, or of its number (`001`); null: no snapshot is named
        nullif(regexp_replace(min(price.snapshot), '\D', '', 'g'), '') as dated,
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
scored as (
    select distinct on (source, benchmark, version, split, metric, harness, runner, model, snapshot)
        score.*,
        nullif(regexp_replace(snapshot, '\D', '', 'g'), '') as dated
    from {{ ref("catalog.score_as_of") }}(as_of) as score
    where model is not null and unit not in ('usd', 'seconds', 'count') and metric not in ('max_delta', 'standard_deviation')
    order by source, benchmark, version, split, metric, harness, runner, model, snapshot, value desc, spelled, effort, variant, run
),
cheapest as materialized (
    -- the price of one snapshot is none of another: where both tell theirs, one date must be a part of the other
    select distinct on (wanted.model, wanted.dated)
        wanted.model,
        wanted.dated,
        base.offer,
        base.input_usd_per_mtok,
        base.output_usd_per_mtok,
        round((3 * base.input_usd_per_mtok + base.output_usd_per_mtok) / 4, 6) as usd_per_mtok
    from (select distinct model, dated from scored) as wanted
    join base on base.model = wanted.model
        and (
            wanted.dated is null
            or base.dated is null
            or starts_with(wanted.dated, base.dated)
            or starts_with(base.dated, wanted.dated)
            or right(wanted.dated, 4) = base.dated
            or right(base.dated, 4) = wanted.dated
        )
    where base.input_usd_per_mtok is not null and base.output_usd_per_mtok is not null and not base.doubtful
    order by wanted.model, wanted.dated, 3 * base.input_usd_per_mtok + base.output_usd_per_mtok, base.offer
),
best as (
    select distinct on (source, benchmark, version, split, metric, harness, runner, scored.model)
        scored.*,
        cheapest.offer,
        cheapest.usd_per_mtok,
        cheapest.input_usd_per_mtok,
        cheapest.output_usd_per_mtok
    from scored
    join cheapest on cheapest.model = scored.model and cheapest.dated is not distinct from scored.dated
    order by source, benchmark, version, split, metric, harness, runner, scored.model, value desc, spelled, effort, variant, run
),
point as (
    select
        best.*,
        max(value) over cheaper as best_of_cheaper,
        count(*) over cheaper as cheaper,
        max(value) over as_cheap as best_as_cheap
    from best
    window
        class as (partition by source, benchmark, version, split, metric, harness, runner),
        cheaper as (class order by usd_per_mtok groups between unbounded preceding and 1 preceding),
        as_cheap as (class order by usd_per_mtok groups between current row and current row)
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
