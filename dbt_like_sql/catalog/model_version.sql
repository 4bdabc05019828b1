-- The versions of each repository's weights, over time: a new one where the contents of its weight files changed, none where only a README did.
-- What the weights are is asked for a few hundred repositories a run; a revision of which it is not known yet counts to the version around it
-- where both sides are the same, and else is a version of its own that is not confirmed. Grain: one row per repository and version, in time.
with claim as (
    select
        listed_id,
        lower(seen) as since,
        upper(seen) as until,
        extra ->> 'sha' as sha,
        extra #>> '{weights,digest}' as digest,
        (extra #>> '{weights,files}')::integer as weight_files,
        (extra #>> '{weights,bytes}')::bigint as weight_bytes,
        coalesce(extra #>> '{weights,sha}' = extra ->> 'sha', false) as confirmed
    from {{ ref("history.listing") }}
    where source = 'huggingface'
),
numbered as (
    select
        claim.*,
        count(*) filter (where confirmed) over (partition by listed_id order by since) as confirmed_before,
        count(*) filter (where confirmed) over (partition by listed_id order by since desc) as confirmed_after
    from claim
),
surrounded as (
    select
        numbered.*,
        max(digest) filter (where confirmed) over (partition by listed_id, confirmed_before) as digest_before,
        max(digest) filter (where confirmed) over (partition by listed_id, confirmed_after) as digest_after
    from numbered
),
known as (
    select
        listed_id, since, until, sha, weight_files, weight_bytes, confirmed,
        case when confirmed then digest when digest_before = digest_after then digest_before end as digest
    from surrounded
),
marked as (
    select
        known.*,
        digest is distinct from lag(digest) over (partition by listed_id order by since)
        or row_number() over (partition by listed_id order by since) = 1 as begins
    from known
),
spans as (
    select marked.*, count(*) filter (where begins) over (partition by listed_id order by since) as version from marked
)
select
    listed_id as hugging_face_id,
    version,
    digest as weights_digest,
    digest is null as unconfirmed,
    min(since) as first_seen_at,
    case when bool_or(until is null) then null else max(until) end as last_seen_until,
    (array_agg(sha order by since))[1] as first_sha,
    (array_agg(sha order by since desc))[1] as last_sha,
    count(distinct sha) as revisions,
    case when digest is not null then max(weight_files) filter (where confirmed) end as weight_files,
    case when digest is not null then max(weight_bytes) filter (where confirmed) end as weight_bytes
from spans
group by listed_id, version, digest
