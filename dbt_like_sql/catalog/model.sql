-- What is known of each model: every attribute with the source it was taken from, how long it was seen, what became of it, who sells it and
-- where it is cheapest. What is said of the model itself comes before what is said of a snapshot, variant, build or region of it; then the
-- one counts who is the first of these to say anything: the list of models that stands above all providers; listings at a provider that
-- sells its own models; curated lists; aggregators. Among equals listings shown now come before gone ones, then what most of them say, then
-- the order of catalog.source_rank. What becomes of a model (lifecycle, last day, successor) only its maker and that list say, or the
-- one provider that ever sold it; and of their listings those of the model itself where there are any, and only where all of them say so:
-- that a preview retires, or one of two snapshots, is not the end of the model.
-- Filled anew whenever a ledger, a link or a verdict moved. Grain: one row per canonical model.
-- materialized: table
-- index: (model)
with link as materialized (
    select distinct on (key_id) * from {{ ref("history.link") }} order by key_id, lower(seen) desc nulls last
),
voice as materialized (
    select
        link.*,
        coalesce(rank.sells, true) as sells,
        coalesce(rank.rank, 9) as rank,
        concat(link.snapshot, link.alias, link.variant, link.build, link.region) <> '' as partial,
        bool_or(maker.provider is not null) over of_model as has_maker,
        min(link.sold_by) filter (where rank.sells is not false) over of_model
        = max(link.sold_by) filter (where rank.sells is not false) over of_model as one_provider,
        case
            when rank.kind = 'list' then 1
            when maker.provider is not null then 2
            when rank.kind = 'curated' then 3
            else 4
        end as class
    from link
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = link.source
    left join {{ ref("catalog.maker") }} as maker on maker.provider = link.sold_by and maker.author = link.author
    where link.model is not null
    window of_model as (partition by link.model)
),
newest as (
    select distinct on (key_id) * from {{ ref("history.listing") }} order by key_id, lower(seen) desc
),
said as (
    select
        voice.model,
        stated.attribute,
        stated.value,
        voice.class,
        upper(newest.seen) is not null as gone,
        voice.partial,
        count(*) as listings,
        min(array[voice.rank::text, voice.source]) as first_said
    from newest
    join voice on voice.key_id = newest.key_id
    cross join lateral (
        values
            ('name', newest.name),
            ('description', newest.description),
            ('family', newest.family),
            ('released_on', newest.released_on || ' ' || coalesce(newest.released_on_precision, 'day')),
            ('knowledge_cutoff', newest.knowledge_cutoff || ' ' || coalesce(newest.knowledge_cutoff_precision, 'day')),
            ('context_tokens', newest.context_tokens::text),
            ('max_output_tokens', newest.max_output_tokens::text),
            ('input_modalities', nullif(newest.input_modalities, '{}')::text),
            ('output_modalities', nullif(newest.output_modalities, '{}')::text),
            ('capabilities', nullif(newest.capabilities, '{}')::text),
            ('open_weights', newest.open_weights::text),
            ('license', newest.license),
            ('hugging_face_id', newest.hugging_face_id),
            ('docs_url', newest.docs_url)
    ) as stated (attribute, value)
    where stated.value is not null
        -- what somebody else made of its weights says nothing of the model: neither its name nor its page nor its repository
        and not (voice.source = 'huggingface' and voice.evidence ? 'published_by')
    group by 1, 2, 3, 4, 5, 6
),
chosen as (
    select distinct on (model, attribute) model, attribute, value, first_said[2] as source
    from said
    order by model, attribute, partial, class, gone, listings desc, first_said, value
),
golden as materialized (
    select
        model,
        max(value) filter (where attribute = 'name') as name,
        max(source) filter (where attribute = 'name') as name_source,
        max(value) filter (where attribute = 'description') as description,
        max(source) filter (where attribute = 'description') as description_source,
        max(value) filter (where attribute = 'family') as family,
        max(source) filter (where attribute = 'family') as family_source,
        split_part(max(value) filter (where attribute = 'released_on'), ' ', 1)::date as released_on,
        split_part(max(value) filter (where attribute = 'released_on'), ' ', 2) as released_on_precision,
        max(source) filter (where attribute = 'released_on') as released_on_source,
        split_part(max(value) filter (where attribute = 'knowledge_cutoff'), ' ', 1)::date as knowledge_cutoff,
        split_part(max(value) filter (where attribute = 'knowledge_cutoff'), ' ', 2) as knowledge_cutoff_precision,
        max(source) filter (where attribute = 'knowledge_cutoff') as knowledge_cutoff_source,
        (max(value) filter (where attribute = 'context_tokens'))::bigint as context_tokens,
        max(source) filter (where attribute = 'context_tokens') as context_tokens_source,
        (max(value) filter (where attribute = 'max_output_tokens'))::bigint as max_output_tokens,
        max(source) filter (where attribute = 'max_output_tokens') as max_output_tokens_source,
        (max(value) filter (where attribute = 'input_modalities'))::text[] as input_modalities,
        max(source) filter (where attribute = 'input_modalities') as input_modalities_source,
        (max(value) filter (where attribute = 'output_modalities'))::text[] as output_modalities,
        max(source) filter (where attribute = 'output_modalities') as output_modalities_source,
        (max(value) filter (where attribute = 'capabilities'))::text[] as capabilities,
        max(source) filter (where attribute = 'capabilities') as capabilities_source,
        (max(value) filter (where attribute = 'open_weights'))::boolean as open_weights,
        max(source) filter (where attribute = 'open_weights') as open_weights_source,
        max(value) filter (where attribute = 'license') as license,
        max(source) filter (where attribute = 'license') as license_source,
        max(value) filter (where attribute = 'hugging_face_id') as hugging_face_id,
        max(source) filter (where attribute = 'hugging_face_id') as hugging_face_id_source,
        max(value) filter (where attribute = 'docs_url') as docs_url,
        max(source) filter (where attribute = 'docs_url') as docs_url_source
    from chosen
    group by model
),
life as (
    select
        voice.model,
        min(voice.author) as author,
        min(nullif(voice.derivative_of, '')) as derivative_of,
        min(lower(listing.seen)) as first_seen,
        nullif(max(coalesce(upper(listing.seen), 'infinity')), 'infinity') as last_seen,
        nullif(max(coalesce(upper(listing.seen), 'infinity')) filter (where voice.sells), 'infinity') as retired_observed
    from voice
    join {{ ref("history.listing") }} as listing on listing.key_id = voice.key_id
    group by voice.model
),
-- of each source the listings that stand for the model: shown now before gone, the model itself before its snapshots and builds
spokesman as (
    select
        voice.model,
        voice.class,
        voice.rank,
        voice.source,
        newest.lifecycle,
        newest.retires_on,
        newest.replaced_by,
        deprecated.deprecated_at,
        rank() over (partition by voice.model, voice.source order by upper(newest.seen) is not null, voice.partial) as place
    from voice
    join newest on newest.key_id = voice.key_id
    left join (
        select key_id, min(lower(seen)) as deprecated_at
        from {{ ref("history.listing") }}
        where lifecycle = 'deprecated'
        group by key_id
    ) as deprecated on deprecated.key_id = voice.key_id
    where voice.class <= 2 or (not voice.has_maker and voice.one_provider)
),
verdict as (
    select
        model,
        array[class::text, rank::text, source] as said_by,
        case when bool_and(lifecycle is not null) and min(lifecycle) = max(lifecycle) then min(lifecycle) end as lifecycle,
        case when bool_and(lifecycle is not distinct from 'deprecated') then min(deprecated_at) end as deprecated_at,
        case when bool_and(retires_on is not null) then max(retires_on) end as retires_on,
        case when min(replaced_by) = max(replaced_by) then min(replaced_by) end as replaced_by
    from spokesman
    where place = 1
    group by model, class, rank, source
),
fate as materialized (
    select
        model,
        (array_agg(lifecycle order by said_by) filter (where lifecycle is not null))[1] as lifecycle,
        (min(said_by) filter (where lifecycle is not null))[3] as lifecycle_source,
        min(deprecated_at) as deprecated_at,
        (array_agg(retires_on order by said_by) filter (where retires_on is not null))[1] as retires_on,
        (min(said_by) filter (where retires_on is not null))[3] as retires_on_source,
        (array_agg(replaced_by order by said_by) filter (where replaced_by is not null))[1] as replaced_by,
        (min(said_by) filter (where replaced_by is not null))[3] as replaced_by_source
    from verdict
    group by model
),
sold as (
    select
        model,
        count(distinct provider) as providers,
        count(*) as offers,
        array_agg(offer order by offer) filter (where state = 'free' and not disputed and not held and not unconfirmed) as free_offers
    from {{ ref("catalog.offer") }}
    where listed and model is not null
    group by model
),
cheapest as (
    select distinct on (model) model, offer, input_usd_per_mtok, output_usd_per_mtok
    from {{ ref("catalog.offer") }}
    where listed
        and state = 'paid'
        and not disputed
        and not held
        and not unconfirmed
        -- a plan or mode is another thing to buy
        and variant is null
        and input_usd_per_mtok + output_usd_per_mtok > 0
    order by model, input_usd_per_mtok + output_usd_per_mtok, offer
),
-- a successor is named by its id, of which only what all links agree on is believed
successor as materialized (
    select fate.model, min(named.model) as replaced_by
    from fate
    join (
        select model, model as name from link where model is not null
        union
        select model, listed_id from link where model is not null
    ) as named on named.name = fate.replaced_by
    group by fate.model
    having count(distinct named.model) = 1
)
select
    life.model,
    life.author,
    life.derivative_of,
    golden.name,
    golden.name_source,
    golden.description,
    golden.description_source,
    golden.family,
    golden.family_source,
    golden.released_on,
    golden.released_on_precision,
    golden.released_on_source,
    golden.knowledge_cutoff,
    golden.knowledge_cutoff_precision,
    golden.knowledge_cutoff_source,
    golden.context_tokens,
    golden.context_tokens_source,
    golden.max_output_tokens,
    golden.max_output_tokens_source,
    golden.input_modalities,
    golden.input_modalities_source,
    golden.output_modalities,
    golden.output_modalities_source,
    golden.capabilities,
    golden.capabilities_source,
    golden.open_weights,
    golden.open_weights_source,
    golden.license,
    golden.license_source,
    golden.hugging_face_id,
    golden.hugging_face_id_source,
    golden.docs_url,
    golden.docs_url_source,
    case when fate.retires_on < (now() at time zone 'UTC')::date then 'retired' else fate.lifecycle end as lifecycle,
    case
        when fate.retires_on < (now() at time zone 'UTC')::date then fate.retires_on_source
        else fate.lifecycle_source
    end as lifecycle_source,
    fate.deprecated_at,
    fate.retires_on,
    fate.retires_on_source,
    life.retired_observed,
    successor.replaced_by,
    fate.replaced_by as replaced_by_id,
    fate.replaced_by_source,
    life.first_seen,
    life.last_seen,
    coalesce(sold.providers, 0) as providers,
    coalesce(sold.offers, 0) as offers,
    cheapest.offer as cheapest_offer,
    cheapest.input_usd_per_mtok as cheapest_input_usd_per_mtok,
    cheapest.output_usd_per_mtok as cheapest_output_usd_per_mtok,
    coalesce(sold.free_offers, '{}') as free_offers
from life
left join golden on golden.model = life.model
left join fate on fate.model = life.model
left join successor on successor.model = life.model
left join sold on sold.model = life.model
left join cheapest on cheapest.model = life.model
