-- Which tier may use which listing, and by which rule: see access.listing_rule.
-- Grain: one row per tier, source, provider and listed id that is allowed.
select
    allowed.tier,
    rule.source,
    rule.provider,
    rule.listed_id,
    rule.name,
    rule.state,
    rule.input_usd_per_mtok,
    rule.output_usd_per_mtok,
    allowed.why
from {{ ref("access.listing_rule") }} as rule
cross join lateral (
    values ('free', rule.free_why), ('pro', rule.pro_why), ('enterprise', rule.enterprise_why)
) as allowed (tier, why)
where allowed.why is not null and rule.listed
