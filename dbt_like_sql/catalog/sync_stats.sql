-- How the attempts to read each source went in the last thirty days, and in the last day. One that another took over counts as failed, one that
-- still runs not at all. Grain: one row per source that was tried in that time.
select
    run.source,
    count(*) as runs_30_days,
    count(*) filter (where run.status = 'succeeded') as succeeded_30_days,
    round(count(*) filter (where run.status = 'succeeded') / count(*)::numeric, 4) as share_succeeded_30_days,
    round(avg(extract(epoch from run.finished_at - run.started_at)) filter (where run.status = 'succeeded'), 2) as average_seconds,
    round((percentile_cont(0.95) within group (order by extract(epoch from run.finished_at - run.started_at))
        filter (where run.status = 'succeeded'))::numeric, 2) as p95_seconds,
    round(avg(run.added + run.changed + run.closed) filter (where run.status = 'succeeded'), 1) as average_claims_moved,
    count(*) filter (where run.started_at > now() - interval '24 hours') as runs_24_hours,
    count(*) filter (where run.started_at > now() - interval '24 hours' and run.status <> 'succeeded') as failed_24_hours,
    max(run.finished_at) filter (where run.status = 'succeeded') as last_success_at
from {{ ref("ops.sync_run") }} as run
where run.started_at > now() - interval '30 days' and run.status <> 'running'
group by run.source
