-- What is measured: each benchmark with its release, part and metric, who says so, over how many models and runs. Numbers of two rows here are
-- never comparable; within one row they are where harness, runner and the like agree too. Grain: one row per source, benchmark, version, split
-- and metric.
select
    score.source,
    score.benchmark,
    score.version,
    score.split,
    score.metric,
    min(score.unit) as unit,
    -- what costs or lasts is better where it is less, and so are calls, and how far results lie apart
    min(score.unit) not in ('usd', 'seconds', 'count') and score.metric not in ('max_delta', 'standard_deviation') as higher_is_better,
    count(*) as scores,
    count(distinct score.spelled) as names,
    count(distinct score.model) as models,
    count(distinct score.harness) as harnesses,
    min(score.measured_on) as first_measured_on,
    max(score.measured_on) as last_measured_on,
    max(score.value) as highest,
    min(score.value) as lowest,
    min(score.seen_since) as seen_since
from {{ ref("catalog.score") }} as score
group by score.source, score.benchmark, score.version, score.split, score.metric
