-- Models worth their price now: of each class of scores that can be compared, those that nothing as cheap or cheaper beats. For any past day, and
-- for those that something beats, see catalog.frontier_as_of. Grain: one row per class and model.
select
    point.source,
    point.benchmark,
    point.version,
    point.split,
    point.metric,
    point.harness,
    point.runner,
    point.model,
    point.spelled,
    point.effort,
    point.variant,
    point.score,
    point.unit,
    point.usd_per_mtok,
    point.input_usd_per_mtok,
    point.output_usd_per_mtok,
    point.offer
from {{ ref("catalog.frontier_as_of") }}(now()) as point
where point.worth_it
