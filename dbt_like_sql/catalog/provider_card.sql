-- Who sells models now, as each tier sees it: with how many models and offers, the cheapest and the newest. Cheapest is the paid offer with the
-- least input plus output price, of those that nothing speaks against. As in lists of models, plans that wait or are disabled count for nobody.
-- Filled anew whenever what is published moves. Grain: one row per tier (free, pro, enterprise, admin) and provider.
-- materialized: table
-- index: (tier, provider)
-- index: (provider)
with seen as (
    select tier.tier, free.visible_free, pro.visible_pro, enterprise.visible_enterprise
    from (values ('free'), ('pro'), ('enterprise'), ('admin')) as tier (tier)
    cross join (values (false), (true)) as free (visible_free)
    cross join (values (false), (true)) as pro (visible_pro)
    cross join (values (false), (true)) as enterprise (visible_enterprise)
    where case tier.tier
        when 'free' then free.visible_free
        when 'pro' then pro.visible_pro
        when 'enterprise' then enterprise.visible_enterprise
        else true
    end
),
-- first what offers that the same tiers see have in common, so that few rows are left to be looked at for each tier
sold as (
    select
        provider, model_id, visible_free, visible_pro, visible_enterprise,
        count(*) as offers,
        count(*) filter (where state = 'free') as free_offers,
        count(*) filter (where disputed) as disputed_offers
    from {{ ref("catalog.offer_card") }}
    where not is_hidden
    {% if few %} and provider = any(:few) {% endif %}
    group by provider, model_id, visible_free, visible_pro, visible_enterprise
),
counted as (
    select
        seen.tier,
        sold.provider,
        count(distinct sold.model_id) as models,
        sum(sold.offers)::bigint as offers,
        sum(sold.free_offers)::bigint as free_offers,
        sum(sold.disputed_offers)::bigint as disputed_offers
    from sold
    join seen
        on seen.visible_free = sold.visible_free and seen.visible_pro = sold.visible_pro and seen.visible_enterprise = sold.visible_enterprise
    group by seen.tier, sold.provider
),
cheapest as (
    select distinct on (seen.tier, offer.provider) seen.tier, offer.*
    from (
        select distinct on (provider, visible_free, visible_pro, visible_enterprise)
            provider, visible_free, visible_pro, visible_enterprise, offer, model_id, input_usd_per_mtok, output_usd_per_mtok,
            input_usd_per_mtok + output_usd_per_mtok as usd
        from {{ ref("catalog.offer_card") }}
        where not is_hidden and state = 'paid' and not doubted and input_usd_per_mtok + output_usd_per_mtok > 0
        {% if few %} and provider = any(:few) {% endif %}
        order by provider, visible_free, visible_pro, visible_enterprise, input_usd_per_mtok + output_usd_per_mtok, offer
    ) as offer
    join seen
        on seen.visible_free = offer.visible_free and seen.visible_pro = offer.visible_pro and seen.visible_enterprise = offer.visible_enterprise
    order by seen.tier, offer.provider, offer.usd, offer.offer
),
newest as (
    select distinct on (seen.tier, offer.provider) seen.tier, offer.*
    from (
        select distinct on (provider, visible_free, visible_pro, visible_enterprise)
            provider, visible_free, visible_pro, visible_enterprise, offer, model_id, first_seen
        from {{ ref("catalog.offer_card") }}
        where not is_hidden
        {% if few %} and provider = any(:few) {% endif %}
        order by provider, visible_free, visible_pro, visible_enterprise, first_seen desc, offer
    ) as offer
    join seen
        on seen.visible_free = offer.visible_free and seen.visible_pro = offer.visible_pro and seen.visible_enterprise = offer.visible_enterprise
    order by seen.tier, offer.provider, offer.first_seen desc, offer.offer
),
listed as (
    select said.provider, array_agg(said.source order by said.source) as sources
    from (
        select distinct provider, unnest(sources) as source
        from {{ ref("catalog.offer_card") }}
        where not is_hidden
        {% if few %} and provider = any(:few) {% endif %}
    ) as said
    group by said.provider
)
select
    counted.tier,
    counted.provider,
    counted.models,
    counted.offers,
    counted.free_offers,
    counted.disputed_offers,
    cheapest.offer as cheapest_offer,
    cheapest.model_id as cheapest_model_id,
    cheapest.input_usd_per_mtok as cheapest_input_usd_per_mtok,
    cheapest.output_usd_per_mtok as cheapest_output_usd_per_mtok,
    newest.offer as newest_offer,
    newest.model_id as newest_model_id,
    newest.first_seen as newest_first_seen,
    listed.sources
from counted
join newest on newest.tier = counted.tier and newest.provider = counted.provider
join listed on listed.provider = counted.provider
left join cheapest on cheapest.tier = counted.tier and cheapest.provider = counted.provider
