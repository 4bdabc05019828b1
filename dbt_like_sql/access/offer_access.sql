-- What the policy says of every offer that is listed now, which may be listed by several sources: the one whose word counts is judged by the
-- rules. Its order is that of catalog.price: a number before an unknown, a price before a free one that others contradict (unless the
-- provider's own feed says so), then the order of catalog.source_rank. So a price of nothing has to be proven here as well.
-- Grain: one row per offer.
-- materialized: table
-- index: (offer)
-- index: (model_id, provider)
with listed as (
    select
        rule.*,
        rank.rank,
        coalesce(rank.own_feed_of = rule.provider, false) as own_feed,
        bool_or(rule.state = 'paid') over (partition by rule.offer) as any_paid
    from {{ ref("access.listing_rule") }} as rule
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = rule.source
),
in_order as (
    select
        listed.*,
        row_number() over (
            partition by listed.offer
            order by
                listed.state = 'unknown',
                listed.state = 'free' and listed.any_paid and not listed.own_feed,
                case when listed.own_feed then 0 else coalesce(listed.rank, 9) end,
                listed.source,
                listed.state <> 'paid',
                listed.provider,
                listed.listed_id
        ) as place
    from listed
)
select
    in_order.offer,
    in_order.sold_by as provider,
    in_order.model_id,
    in_order.source,
    in_order.listed_id,
    in_order.state,
    in_order.input_usd_per_mtok,
    in_order.output_usd_per_mtok,
    in_order.free_why is not null as is_free,
    in_order.pro_why is not null as is_pro,
    in_order.enterprise_why is not null as is_enterprise,
    jsonb_strip_nulls(jsonb_build_object('free', in_order.free_why, 'pro', in_order.pro_why, 'enterprise', in_order.enterprise_why)) as why
from in_order
where in_order.place = 1
