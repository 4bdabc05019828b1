-- What the policy says of every offer, which may be listed by several sources: the one whose word counts is judged by the rules. Its order is
-- that of catalog.price: a number before an unknown, a price before a free one that others contradict (unless the provider's own feed says so),
-- then the order of catalog.source_rank. So a price of nothing has to be proven here as well. Of an offer that nobody lists any more (listed is
-- false) the last terms are judged, of those sources that dropped it last.
-- Grain: one row per offer that was ever seen.
-- materialized: table
-- index: (offer)
-- index: (model_id, provider)
with spoken as (
    select
        rule.*,
        rank.rank,
        coalesce(rank.own_feed_of = rule.provider, false) as own_feed,
        bool_or(rule.state = 'paid') over (partition by rule.offer) as any_paid
    from (
        select said.*, rank() over (partition by said.offer order by said.until desc nulls first) as last
        from {{ ref("access.listing_rule") }} as said
    ) as rule
    left join {{ ref("catalog.source_rank") }} as rank on rank.source = rule.source
    where rule.last = 1
),
in_order as (
    select
        spoken.*,
        row_number() over (
            partition by spoken.offer
            order by
                spoken.state = 'unknown',
                spoken.state = 'free' and spoken.any_paid and not spoken.own_feed,
                case when spoken.own_feed then 0 else coalesce(spoken.rank, 9) end,
                spoken.source,
                spoken.state <> 'paid',
                spoken.provider,
                spoken.listed_id
        ) as place
    from spoken
)
select
    in_order.offer,
    in_order.sold_by as provider,
    in_order.model_id,
    in_order.listed,
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
