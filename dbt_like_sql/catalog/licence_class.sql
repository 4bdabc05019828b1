-- What the licence of each listing lets a business do, where its source is read for that (Hugging Face). A warning light, no legal advice; what
-- is not known is warned of too. Grain: one row per source, provider and listed id.
select
    source,
    provider,
    listed_id,
    license,
    extra ->> 'licence_class' as licence_class,
    extra ->> 'licence_why' as why,
    extra ->> 'license_link' as license_link,
    extra ->> 'licence_class' = 'safe' as is_commercial_safe,
    extra ->> 'licence_class' <> 'safe' as requires_commercial_warning
from {{ ref("catalog.listing") }}
where extra ? 'licence_class'
