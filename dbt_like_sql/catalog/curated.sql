-- Well-known models in words: what each is good for and not, its links, and which known model it is. Grain: one row per slug.
select
    listing.extra ->> 'slug' as slug,
    link.model,
    listing.name,
    listing.provider,
    listing.listed_id,
    listing.extra ->> 'category' as category,
    coalesce(listing.lifecycle, 'stable') as status,
    listing.description,
    listing.extra ->> 'size' as size,
    listing.released_on,
    listing.context_tokens,
    listing.max_output_tokens,
    listing.input_modalities,
    listing.output_modalities,
    listing.open_weights,
    listing.license,
    array(select jsonb_array_elements_text(listing.extra -> 'best_for')) as best_for,
    array(select jsonb_array_elements_text(listing.extra -> 'not_for')) as not_for,
    listing.extra ->> 'url' as url,
    listing.docs_url,
    (listing.extra ->> 'checked_on')::date as checked_on,
    link.offer
from {{ ref("catalog.listing") }} as listing
left join {{ ref("history.link") }} as link on link.source = listing.source
    and link.provider = listing.provider
    and link.listed_id = listing.listed_id
    and upper(link.seen) is null
where listing.source = 'curated'
