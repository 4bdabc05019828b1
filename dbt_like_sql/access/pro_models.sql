-- Models that the tier pro may use, with the rule that allows each. Prices are the base prices.
-- Grain: one row per source, provider and listed id.
select
    allowed.source,
    allowed.provider,
    allowed.listed_id,
    allowed.name,
    allowed.state,
    allowed.input_usd_per_mtok,
    allowed.output_usd_per_mtok,
    allowed.why
from {{ ref("access.listing_access") }} as allowed
where allowed.tier = 'pro'
