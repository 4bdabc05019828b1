-- What each source listed at an instant: listing_as_of(as_of), with the columns of catalog.listing and the time of the claim, seen_since to
-- seen_until (null while it still holds). Grain: one row per source, provider and listed id.
create function catalog.listing_as_of(as_of timestamptz)
returns table (
    source text,
    provider text,
    listed_id text,
    name text,
    author text,
    description text,
    family text,
    released_on date,
    released_on_precision text,
    knowledge_cutoff date,
    knowledge_cutoff_precision text,
    context_tokens bigint,
    max_input_tokens bigint,
    max_output_tokens bigint,
    input_modalities text[],
    output_modalities text[],
    capabilities text[],
    open_weights boolean,
    license text,
    lifecycle text,
    retires_on date,
    replaced_by text,
    hugging_face_id text,
    canonical_hint text,
    docs_url text,
    extra jsonb,
    seen_since timestamptz,
    seen_until timestamptz
)
language sql stable parallel safe
as $$
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
    lower(listing.seen),
    upper(listing.seen)
from {{ ref("history.listing") }} as listing
where listing.seen @> as_of
$$
