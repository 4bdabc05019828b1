-- The models that Hugging Face lists now, with what only it says of them. Nobody typed them in: they are attributed to a system user.
-- Grain: one row per repository.
select
    listing.listed_id as hugging_face_id,
    listing.name,
    listing.author,
    listing.description,
    listing.extra ->> 'task' as task,
    listing.extra ->> 'task_source' as task_source,
    listing.license,
    licence.licence_class,
    licence.is_commercial_safe,
    licence.requires_commercial_warning,
    listing.extra ->> 'library' as library,
    coalesce(array(select jsonb_array_elements_text(listing.extra -> 'tags')), '{}') as tags,
    coalesce(array(select jsonb_array_elements_text(listing.extra -> 'files')), '{}') as files,
    listing.open_weights,
    listing.extra ->> 'gated' as gated,
    listing.extra ->> 'sha' as sha,
    listing.extra #>> '{weights,digest}' as weights_digest,
    coalesce(listing.extra #>> '{weights,sha}' = listing.extra ->> 'sha', false) as weights_confirmed,
    (listing.extra #>> '{weights,bytes}')::bigint as weights_bytes,
    popularity.downloads,
    popularity.likes,
    listing.extra ->> 'created_at' as repository_created_at,
    listing.seen_since,
    listing.last_observed_at,
    'hf_sync_system' as attributed_to
from {{ ref("catalog.listing") }} as listing
join {{ ref("catalog.licence_class") }} as licence
    on licence.source = listing.source and licence.provider = listing.provider and licence.listed_id = listing.listed_id
left join {{ ref("catalog.popularity") }} as popularity
    on popularity.source = listing.source and popularity.collection = listing.provider and popularity.entry = listing.listed_id
where listing.source = 'huggingface'
