-- What each source says that things cost now, right or wrong, among the listings it shows now: the prices it states without dates, and the
-- dated ones whose dates cover this moment; a dated one hides an undated one of the same meter and condition, a later start an earlier one.
-- Grain: one row per source, provider, listed id, meter, condition and currency.
select
    price.source,
    price.provider,
    price.listed_id,
    price.meter,
    meter.per,
    price.amount,
    price.currency,
    price.state,
    price.service_tier,
    price.prompt_above_tokens,
    nullif(price.time_window, '') as time_window,
    nullif(price.region, '') as region,
    nullif(price.detail, '') as detail,
    price.effective_from,
    price.effective_to,
    lower(price.seen) as seen_since,
    price.key_id
from {{ ref("history.price") }} as price
left join {{ ref("catalog.meter") }} as meter on meter.meter = price.meter
where upper(price.seen) is null
    and (price.effective_from is null or price.effective_from <= now())
    and (price.effective_to is null or price.effective_to > now())
    -- an anti-join with the few dated claims, where `distinct on` would sort them all
    and not exists (
        select from {{ ref("history.price") }} as better
        where better.source = price.source
            and better.provider = price.provider
            and better.listed_id = price.listed_id
            and better.meter = price.meter
            and better.service_tier = price.service_tier
            and better.prompt_above_tokens = price.prompt_above_tokens
            and better.time_window = price.time_window
            and better.region = price.region
            and better.detail = price.detail
            and better.currency = price.currency
            and upper(better.seen) is null
            and (better.effective_from is not null or better.effective_to is not null)
            and (better.effective_from is null or better.effective_from <= now())
            and (better.effective_to is null or better.effective_to > now())
            and (
                (price.effective_from is null and price.effective_to is null)
                or coalesce(better.effective_from, '-infinity') > coalesce(price.effective_from, '-infinity')
            )
    )
