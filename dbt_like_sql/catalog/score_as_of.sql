-- How well models did as each source said at an instant: score_as_of(as_of), with the columns of catalog.score and the time of the claim,
-- seen_since to seen_until (null while it still holds). Grain: as catalog.score.
create function catalog.score_as_of(as_of timestamptz)
returns table (
    source text,
    benchmark text,
    version text,
    split text,
    metric text,
    model text,
    spelled text,
    snapshot text,
    harness text,
    effort text,
    variant text,
    runner text,
    run text,
    value numeric,
    unit text,
    lower numeric,
    upper numeric,
    measured_on date,
    measured_on_precision text,
    url text,
    extra jsonb,
    seen_since timestamptz,
    seen_until timestamptz
)
language sql stable parallel safe
as $$
select
    score.source,
    score.benchmark,
    score.version,
    score.split,
    score.metric,
    link.model,
    score.model,
    nullif(link.snapshot, ''),
    nullif(score.harness, ''),
    nullif(score.effort, ''),
    nullif(score.variant, ''),
    nullif(score.runner, ''),
    nullif(score.run, ''),
    score.value,
    score.unit,
    score.lower,
    score.upper,
    score.measured_on,
    score.measured_on_precision,
    score.url,
    score.extra,
    lower(score.seen),
    upper(score.seen)
from {{ ref("history.score") }} as score
left join {{ ref("history.score_link") }} as link on link.source = score.source and link.spelled = score.model
where score.seen @> as_of
$$
