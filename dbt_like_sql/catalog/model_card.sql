-- What a list of models shows and filters by, with who may see it: of each model, and of each listing that is sold and is no known model.
-- A tier may see what it may use, and what it could use before it was gone; a plan of a model (a variant, such as :free) that it may use shows
-- it the model. Plans that wait for a decision or are disabled count for nothing here, unless there is no other. Prices are the lowest base
-- prices that are served now, in USD. Filled anew whenever what is published moves.
-- Grain: one row per model, or unresolved offer.
-- materialized: table
-- index: (model_id)
-- index: (author)
with offer as materialized (
    select
        offer.*,
        coalesce(offer.model, offer.offer) as model_id,
        access.model_id as subject,
        access.status,
        access.decided_status,
        access.is_free,
        access.is_pro,
        access.is_enterprise,
        -- what was disabled, or never admitted, stays hidden when it is gone
        access.decided_status <> 'active'
        and not bool_and(access.decided_status <> 'active') over (partition by coalesce(offer.model, offer.offer)) as is_hidden
    from {{ ref("catalog.offer") }} as offer
    left join {{ ref("access.model_access") }} as access
        on access.model_id = coalesce(offer.model || coalesce(':' || offer.variant, ''), offer.offer)
    {% if few %} where offer.model = any(:few) or offer.model is null and offer.offer = any(:few) {% endif %}
),
{% if few %}
-- the listings that are, or were, of these models
meant as materialized (
    select key_id from {{ ref("history.link") }} where model = any(:few) or offer = any(:few)
    union
    select key_id from {{ ref("history.listing") }}
    where provider || ':?' || listed_id = any(:few) and (select bool_or(model is null) from offer)
),
{% endif %}
decided as (
    select
        model_id,
        -- of the model itself where it has an offer that is shown, else of the plan that is freest
        coalesce(
            max(status) filter (where subject = model_id and not is_hidden),
            (array_agg(status order by array_position(array['active', 'new', 'inactive', 'disabled'], status)))[1]
        ) as status,
        coalesce(bool_or(is_free) filter (where status = 'active'), false) as is_free,
        coalesce(bool_or(is_pro) filter (where status = 'active'), false) as is_pro,
        coalesce(bool_or(is_enterprise) filter (where status = 'active'), false) as is_enterprise,
        coalesce(bool_or(is_free) filter (where decided_status = 'active'), false) as visible_free,
        coalesce(bool_or(is_pro) filter (where decided_status = 'active'), false) as visible_pro,
        coalesce(bool_or(is_enterprise) filter (where decided_status = 'active'), false) as visible_enterprise,
        coalesce(array_agg(offer order by offer) filter (where is_hidden), '{}') as hidden_offers
    from offer
    group by model_id
),
sold as (
    select
        model_id,
        min(author) as author,
        array_agg(distinct provider order by provider) filter (where listed) as providers,
        count(*) filter (where listed) as offers,
        array_agg(offer) as shown_offers,
        min(offer) filter (
            where listed and state = 'paid' and input_usd_per_mtok + output_usd_per_mtok > 0 and not (disputed or held or unconfirmed)
        ) as paid_offer,
        min(first_seen) as first_seen,
        case when not bool_or(listed) then max(last_seen) end as last_seen,
        max(context_tokens) filter (where listed) as context_tokens,
        max(max_output_tokens) filter (where listed) as max_output_tokens,
        min(lifecycle) as lifecycle,
        bool_or(state = 'free' and listed) as any_free,
        bool_or(disputed and listed) as disputed
    from offer
    where is_hidden is not true
    group by model_id
),
called as (
    select model_id, array_agg(distinct listed.id) as listed_ids
    from offer
    cross join lateral unnest(listed_ids) as listed (id)
    where is_hidden is not true
    group by model_id
),
served as (
    select price.*, offer.model_id, offer.variant is null or offer.model is null as is_plain, offer.listed
    from {{ ref("catalog.price_span") }} as price
    join offer on offer.offer = price.offer and offer.is_hidden is not true
    where lower(price.served_in) is null or lower(price.served_in) <= now()
),
cheapest as (
    select
        model_id,
        coalesce(jsonb_object_agg(meter, trim_scale(amount)::text) filter (where amount is not null), '{}') as prices,
        coalesce(jsonb_object_agg(meter, jsonb_build_object('amount', trim_scale(amount)::text, 'currency', 'USD', 'per', per)) filter (
            where amount is not null
        ), '{}') as priced,
        max(amount) filter (where meter = 'input') as input_usd_per_mtok,
        max(amount) filter (where meter = 'output') as output_usd_per_mtok,
        max(changed_at) as changed_at
    from (
        select
            model_id,
            meter,
            min(per) as per,
            max(lower(served_in)) as changed_at,
            -- a plan, a service tier, an hour or a size of its own is another thing to buy
            min(amount) filter (
                where listed and is_plain and served_in @> now() and currency = 'USD' and state in ('paid', 'free')
                and service_tier = 'standard' and prompt_above_tokens = 0 and time_window is null and detail is null
            ) as amount
        from served
        group by model_id, meter
    ) as price
    group by model_id
),
heard as (
    select
        coalesce(link.model, link.offer, listing.provider || ':?' || listing.listed_id) as model_id,
        max(lower(listing.seen)) as changed_at,
        range_agg(listing.seen * coalesce(link.seen, '(,)')) filter (where rank.sells is not false) as listed_in
    from {{ ref("history.listing") }} as listing
    left join {{ ref("history.link") }} as link on link.key_id = listing.key_id and link.seen && listing.seen
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = listing.source
    {% if few %} where listing.key_id in (select key_id from meant) {% endif %}
    group by 1
),
named as (
    select coalesce(link.offer, listing.provider || ':?' || listing.listed_id) as offer, max(listing.name) as name
    from (
        select distinct on (key_id) key_id, provider, listed_id, name
        from {{ ref("history.listing") }}
        {% if few %} where key_id in (select key_id from meant) {% endif %}
        order by key_id, lower(seen) desc
    ) as listing
    left join (
        select distinct on (key_id) key_id, model, offer
        from {{ ref("history.link") }}
        {% if few %} where key_id in (select key_id from meant) {% endif %}
        order by key_id, lower(seen) desc nulls last
    ) as link on link.key_id = listing.key_id
    where link.model is null
    group by 1
),
known as (
    select
        -- what most lists filter by stands first, of a fixed width: a row is read up to the last column that is asked for
        coalesce(decided.visible_free, false) as visible_free,
        coalesce(decided.visible_pro, false) as visible_pro,
        coalesce(decided.visible_enterprise, false) as visible_enterprise,
        coalesce(decided.is_free, false) as is_free,
        coalesce(decided.is_pro, false) as is_pro,
        coalesce(decided.is_enterprise, false) as is_enterprise,
        coalesce(sold.any_free, false) as any_free,
        coalesce(sold.disputed, false) as disputed,
        coalesce(model.context_tokens, sold.context_tokens) as context_tokens,
        coalesce(model.model, sold.model_id) as model_id,
        case when model.model is null then 'listing' else 'model' end as kind,
        coalesce(model.name, named.name, split_part(sold.model_id, ':?', 2)) as name,
        coalesce(model.author, sold.author) as author,
        model.derivative_of,
        model.family,
        model.description,
        model.released_on,
        model.knowledge_cutoff,
        coalesce(model.max_output_tokens, sold.max_output_tokens) as max_output_tokens,
        coalesce(model.input_modalities, '{}') as input_modalities,
        coalesce(model.output_modalities, '{}') as output_modalities,
        coalesce(model.capabilities, '{}') as capabilities,
        model.open_weights,
        model.license,
        coalesce(model.lifecycle, case when model.model is null then sold.lifecycle end, 'stable') as lifecycle,
        model.retires_on,
        model.replaced_by,
        coalesce(sold.providers, '{}') as providers,
        coalesce(called.listed_ids, '{}') as listed_ids,
        coalesce(sold.offers, 0) as offers,
        cheapest.input_usd_per_mtok,
        cheapest.output_usd_per_mtok,
        coalesce(cheapest.prices, '{}') as prices,
        coalesce(cheapest.priced, '{}') as priced,
        case
            when model.model is null then sold.paid_offer
            when sold.shown_offers @> array[model.cheapest_offer] then model.cheapest_offer
        end as cheapest_offer,
        least(model.first_seen, sold.first_seen) as first_seen,
        greatest(heard.changed_at, cheapest.changed_at) as changed_at,
        case when model.model is not null then model.retired_observed else sold.last_seen end as gone_at,
        coalesce(heard.listed_in, '{}') as listed_in,
        decided.status,
        coalesce(decided.hidden_offers, '{}') as hidden_offers
    from (select * from {{ ref("catalog.model") }} {% if few %} where model = any(:few) {% endif %}) as model
    full join sold on sold.model_id = model.model
    left join called on called.model_id = sold.model_id
    left join named on named.offer = sold.model_id
    left join cheapest on cheapest.model_id = sold.model_id
    left join heard on heard.model_id = coalesce(model.model, sold.model_id)
    left join decided on decided.model_id = sold.model_id
)
select
    known.*,
    lower(concat_ws(' ', known.model_id, known.name, known.author, known.family, array_to_string(known.listed_ids, ' '))) as words
from known
