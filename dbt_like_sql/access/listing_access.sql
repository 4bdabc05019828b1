-- Which tier may use which listing, and by which rule: at least one allow rule of the tier matches and no deny rule of it does. Without
-- rules, nobody may use anything; what the rules say notwithstanding, the free tier never gets what is dynamic or of unknown price.
-- Grain: one row per tier, source, provider and listed id that is allowed.
select
    rule.tier,
    terms.source,
    terms.provider,
    terms.listed_id,
    terms.name,
    terms.state,
    terms.input_usd_per_mtok,
    terms.output_usd_per_mtok,
    'rule ' || rule.position || coalesce(': ' || rule.note, '') as why
from {{ ref("access.listing_terms") }} as terms
cross join lateral (
    select policy.tier, min(policy.position) filter (where policy.effect = 'allow') as position
    from {{ ref("access.policy") }} as policy
    where (policy.providers is null or terms.provider = any(policy.providers))
        and (policy.authors is null or terms.author = any(policy.authors))
        and (policy.ids is null or terms.listed_id ~ policy.ids)
        and (policy.states is null or terms.state = any(policy.states))
        and (policy.lifecycles is null or terms.lifecycle = any(policy.lifecycles))
        -- a price that is not known is below no bound
        and (policy.max_input_usd_per_mtok is null or terms.input_usd_per_mtok <= policy.max_input_usd_per_mtok)
        and (policy.max_output_usd_per_mtok is null or terms.output_usd_per_mtok <= policy.max_output_usd_per_mtok)
    group by policy.tier
    having bool_or(policy.effect = 'allow') and not bool_or(policy.effect = 'deny')
) as verdict
join {{ ref("access.policy") }} as rule on rule.tier = verdict.tier and rule.position = verdict.position
where rule.tier <> 'free' or terms.state not in ('dynamic', 'unknown')
