-- What each source lists now, with every attribute it states. Grain: one row per source, provider and listed id.
select
    listing.source,
    listing.provider,
    listing.listed_id,
    listing.name,
    listing.author,
    listing.description,
    listing.family,
    listing.released_on,
    listing.released_on_precision,
    listing.knowledge_cutoff,
    listing.knowledge_cutoff_precision,
    listing.context_tokens,
    listing.max_input_tokens,
    listing.max_output_tokens,
    listing.input_modalities,
    listing.output_modalities,
    listing.capabilities,
    listing.open_weights,
    listing.license,
    listing.lifecycle,
    listing.retires_on,
    listing.replaced_by,
    listing.hugging_face_id,
    listing.canonical_hint,
    listing.docs_url,
    listing.extra,
    lower(listing.seen) as seen_since,
    looked.last_observed_at
from {{ ref("history.listing") }} as listing
left join (
    select source, max(observed_at) as last_observed_at
    from {{ ref("ops.observation") }}
    where verdict = 'accepted'
    group by source
) as looked on looked.source = listing.source
where upper(listing.seen) is null
