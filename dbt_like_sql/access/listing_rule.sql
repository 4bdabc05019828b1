-- The terms of every listing, and by which rule each tier may use it: at least one allow rule of the tier matches and no deny rule of it does.
-- Without rules, nobody may use anything; what the rules say notwithstanding, the free tier never gets what is dynamic or of unknown price.
-- Grain: one row per source, provider and listed id that was ever seen.
select
    terms.*,
    allowed.why ->> 'free' as free_why,
    allowed.why ->> 'pro' as pro_why,
    allowed.why ->> 'enterprise' as enterprise_why
from {{ ref("access.listing_terms") }} as terms
left join lateral (
    select jsonb_object_agg(verdict.tier, verdict.why) as why
    from (
        select
            policy.tier,
            (
                array_agg('rule ' || policy.position || coalesce(': ' || policy.note, '') order by policy.position)
                filter (where policy.effect = 'allow')
            )[1] as why
        from {{ ref("access.policy") }} as policy
        where (policy.providers is null or terms.provider = any(policy.providers))
            and (policy.authors is null or terms.author = any(policy.authors))
            and (policy.ids is null or terms.listed_id ~ policy.ids)
            and (policy.states is null or terms.state = any(policy.states))
            and (policy.lifecycles is null or terms.lifecycle = any(policy.lifecycles))
            -- what is not known is in no list
            and (policy.licences is null or lower(terms.license) = any(policy.licences))
            and (policy.licence_classes is null or terms.licence_class = any(policy.licence_classes))
            and (policy.modalities is null or terms.modalities && policy.modalities)
            -- a price that is not known is below no bound
            and (policy.max_input_usd_per_mtok is null or terms.input_usd_per_mtok <= policy.max_input_usd_per_mtok)
            and (policy.max_output_usd_per_mtok is null or terms.output_usd_per_mtok <= policy.max_output_usd_per_mtok)
            and (policy.tier <> 'free' or terms.state not in ('dynamic', 'unknown'))
        group by policy.tier
        having bool_or(policy.effect = 'allow') and not bool_or(policy.effect = 'deny')
    ) as verdict
) as allowed on true
