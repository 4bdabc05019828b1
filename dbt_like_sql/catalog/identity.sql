-- Which model each listing is, as it is believed now: the parts of its id, the rule that told them and how sure that is. A listing that was
-- not resolved has no model, and names the nearest candidates for a person to choose from; they are never used.
-- Grain: one row per source, provider and listed id that was ever seen.
select
    listing.source,
    listing.provider,
    listing.listed_id,
    listing.name,
    upper(listing.seen) is null as listed,
    link.model,
    coalesce(link.sold_by, listing.provider) as sold_by,
    nullif(link.author, '') as author,
    nullif(link.snapshot, '') as snapshot,
    nullif(link.alias, '') as alias,
    nullif(link.variant, '') as variant,
    nullif(link.build, '') as build,
    nullif(link.region, '') as region,
    nullif(link.derivative_of, '') as derivative_of,
    coalesce(link.offer, listing.provider || ':?' || listing.listed_id) as offer,
    coalesce(link.rule, 'unresolved') as rule,
    coalesce(link.confidence, 0) as confidence,
    coalesce(link.evidence, '{}') as evidence,
    coalesce(link.suggestions, '{}') as suggestions,
    nullif(lower(link.seen), '-infinity') as since,
    correction.decided_by as corrected_by
from (
    select distinct on (key_id) key_id, source, provider, listed_id, name, seen
    from {{ ref("history.listing") }}
    order by key_id, lower(seen) desc
) as listing
left join (
    select distinct on (key_id) * from {{ ref("history.link") }} order by key_id, lower(seen) desc nulls last
) as link on link.key_id = listing.key_id
left join lateral (
    select said.decided_by
    from {{ ref("ops.identity_correction") }} as said
    where said.listed_id = listing.listed_id
        and (said.source is null or said.source = listing.source)
        and (said.provider is null or said.provider = listing.provider)
        and said.undone_at is null
    order by said.correction_id desc
    limit 1
) as correction on link.rule = 'correction'
