-- How each source is doing: how old what it last said is, how much of it is served, and how the last attempts to read it went.
-- What it lists is what its last accepted observation brought. Grain: one row per source that was ever read or tried.
with known as (
    select source from {{ ref("ops.source") }}
    union
    select source from {{ ref("ops.observation") }}
    union
    select source from {{ ref("ops.sync_run") }}
),
accepted as (
    select distinct on (source) source, observed_at, sha256, listings, prices, scores, mentions
    from {{ ref("ops.observation") }}
    where verdict = 'accepted'
    order by source, observed_at desc
),
refused as (
    select observation.source, count(*) as payloads
    from {{ ref("ops.observation") }} as observation
    left join accepted on accepted.source = observation.source
    where observation.verdict = 'refused' and (accepted.observed_at is null or observation.observed_at > accepted.observed_at)
    group by observation.source
),
quarantined as (
    select quarantine.source, count(*) as entries
    from {{ ref("ops.quarantine") }} as quarantine
    join accepted on accepted.source = quarantine.source
        and accepted.observed_at = quarantine.observed_at
        and accepted.sha256 = quarantine.sha256
    group by quarantine.source
),
attempt as (
    select distinct on (source) source, status
    from {{ ref("ops.sync_run") }}
    order by source, started_at desc, run_id desc
),
ended as (
    select distinct on (source) source, case when status <> 'succeeded' then message end as message
    from {{ ref("ops.sync_run") }}
    where status <> 'running'
    order by source, started_at desc, run_id desc
),
success as (
    select source, max(finished_at) as finished_at from {{ ref("ops.sync_run") }} where status = 'succeeded' group by source
)
select
    known.source,
    accepted.observed_at as last_observed_at,
    now() - accepted.observed_at as age,
    coalesce(accepted.listings, 0) as listings,
    coalesce(accepted.prices, 0) as prices,
    coalesce(accepted.scores, 0) as scores,
    coalesce(accepted.mentions, 0) as mentions,
    success.finished_at as last_success_at,
    attempt.status as last_status,
    ended.message as last_error,
    coalesce(refused.payloads, 0) as refused_since,
    coalesce(quarantined.entries, 0) as quarantined
from known
left join accepted on accepted.source = known.source
left join refused on refused.source = known.source
left join quarantined on quarantined.source = known.source
left join attempt on attempt.source = known.source
left join ended on ended.source = known.source
left join success on success.source = known.source
