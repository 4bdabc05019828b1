-- What each source said that things cost at an instant, by what was known at another: price_claim_as_of(as_of, known_at), known_at left out
-- for all that is known; of listings with some ids alone where only_ids names them.
-- A claim that states dates counts where they cover as_of, if it was believed at known_at: its source still made it, or had made it
-- to the end of a listing that was gone by then (a dated price retracted while its listing went on is not believed). A claim without dates
-- counts where it was seen at as_of; an as_of later than known_at is answered by what was held at known_at. Of one meter and condition a
-- dated claim that covers as_of beats an undated one, a later start an earlier one; and a dated claim that had ended by as_of still beats an
-- undated one that its source had dropped before it spoke of dates: it has said since that this price was over. The columns of
-- catalog.price_claim, and seen_until (null while the claim still holds).
-- Grain: one row per source, provider, listed id, meter, condition and currency.
create function catalog.price_claim_as_of(as_of timestamptz, known_at timestamptz default 'infinity', only_ids text[] default null)
returns table (
    source text,
    provider text,
    listed_id text,
    meter text,
    per text,
    amount numeric,
    currency text,
    state text,
    service_tier text,
    prompt_above_tokens bigint,
    time_window text,
    region text,
    detail text,
    effective_from timestamptz,
    effective_to timestamptz,
    seen_since timestamptz,
    seen_until timestamptz,
    key_id bigint
)
language sql stable parallel safe
as $$
with begun as (
    select claim.*
    from {{ ref("history.price") }} as claim
    where (claim.effective_from is not null or claim.effective_to is not null)
        and (only_ids is null or claim.listed_id = any(only_ids))
        and (claim.effective_from is null or claim.effective_from <= as_of)
        and (
            claim.seen @> known_at
            or (claim.source, claim.provider, claim.listed_id, upper(claim.seen)) in (
                select listing.source, listing.provider, listing.listed_id, max(upper(listing.seen))
                from {{ ref("history.listing") }} as listing
                where lower(listing.seen) <= known_at and (only_ids is null or listing.listed_id = any(only_ids))
                group by listing.source, listing.provider, listing.listed_id
                having not bool_or(listing.seen @> known_at)
            )
        )
),
dated as (
    select distinct on (
        begun.source, begun.provider, begun.listed_id, begun.meter, begun.service_tier,
        begun.prompt_above_tokens, begun.time_window, begun.region, begun.detail, begun.currency
    ) begun.*
    from begun
    where begun.effective_to is null or begun.effective_to > as_of
    order by
        begun.source, begun.provider, begun.listed_id, begun.meter, begun.service_tier,
        begun.prompt_above_tokens, begun.time_window, begun.region, begun.detail, begun.currency,
        begun.effective_from desc nulls last, lower(begun.seen) desc
),
believed as (
    select * from dated
    union all
    select claim.*
    from {{ ref("history.price") }} as claim
    where claim.effective_from is null
        and claim.effective_to is null
        and (only_ids is null or claim.listed_id = any(only_ids))
        and claim.seen @> least(as_of, known_at)
        and not exists (
            select from begun
            where begun.source = claim.source
                and begun.provider = claim.provider
                and begun.listed_id = claim.listed_id
                and begun.meter = claim.meter
                and begun.service_tier = claim.service_tier
                and begun.prompt_above_tokens = claim.prompt_above_tokens
                and begun.time_window = claim.time_window
                and begun.region = claim.region
                and begun.detail = claim.detail
                and begun.currency = claim.currency
                -- ended by then, it hides what its source had stopped saying when it came to speak of dates; not what stands beside it
                and (begun.effective_to is null or begun.effective_to > as_of or lower(begun.seen) >= upper(claim.seen))
        )
)
select
    believed.source,
    believed.provider,
    believed.listed_id,
    believed.meter,
    meter.per,
    believed.amount,
    believed.currency,
    believed.state,
    believed.service_tier,
    believed.prompt_above_tokens,
    nullif(believed.time_window, ''),
    nullif(believed.region, ''),
    nullif(believed.detail, ''),
    believed.effective_from,
    believed.effective_to,
    lower(believed.seen),
    upper(believed.seen),
    believed.key_id
from believed
left join {{ ref("catalog.meter") }} as meter on meter.meter = believed.meter
$$
