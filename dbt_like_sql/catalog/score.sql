-- How well models do, as each source says now: one run of a benchmark with all that it must agree in to be compared with another. The model is
-- resolved as listings are, or null; `spelled` is what the source calls it. Grain: one row per source, benchmark, spelled model, version,
-- split, metric, harness, effort, variant, runner and run.
select
    score.source,
    score.benchmark,
    score.version,
    score.split,
    score.metric,
    link.model,
    score.model as spelled,
    nullif(link.snapshot, '') as snapshot,
    nullif(score.harness, '') as harness,
    nullif(score.effort, '') as effort,
    nullif(score.variant, '') as variant,
    nullif(score.runner, '') as runner,
    nullif(score.run, '') as run,
    score.value,
    score.unit,
    score.lower,
    score.upper,
    score.measured_on,
    score.measured_on_precision,
    score.url,
    score.extra,
    lower(score.seen) as seen_since
from {{ ref("history.score") }} as score
left join {{ ref("history.score_link") }} as link on link.source = score.source and link.spelled = score.model
where upper(score.seen) is null
