-- What each price of a listing is now, after the gate: held changes are not believed, their last good value goes on; marked ones are
-- unconfirmed. See catalog.listing_price_as_of. Grain: one row per source, provider, listed id, meter, condition and currency.
select
    claim.source,
    claim.provider,
    claim.listed_id,
    claim.meter,
    claim.per,
    case when doubt.kind = 'held' then doubt.from_amount else claim.amount end as amount,
    claim.currency,
    case when doubt.kind = 'held' then doubt.from_state else claim.state end as state,
    claim.service_tier,
    claim.prompt_above_tokens,
    claim.time_window,
    claim.region,
    claim.detail,
    claim.effective_from,
    claim.effective_to,
    claim.seen_since,
    claim.key_id,
    claim.state as said_state,
    claim.amount as said_amount,
    coalesce(doubt.kind = 'held', false) as held,
    coalesce(doubt.kind = 'marked', false) as unconfirmed,
    doubt.held_id
from {{ ref("catalog.price_claim") }} as claim
left join {{ ref("ops.held_change") }} as doubt
    on doubt.key_id = claim.key_id and doubt.changed_at = claim.seen_since and upper(doubt.held) is null
union all
select
    gone.source,
    gone.provider,
    gone.listed_id,
    gone.meter,
    gone.per,
    gone.amount,
    gone.currency,
    gone.state,
    gone.service_tier,
    gone.prompt_above_tokens,
    nullif(gone.time_window, ''),
    nullif(gone.region, ''),
    nullif(gone.detail, ''),
    gone.effective_from,
    null,
    gone.gone_at,
    gone.key_id,
    'gone',
    null,
    true,
    false,
    gone.held_id
from {{ ref("catalog.gone_price") }} as gone
where gone.back_at is null and upper(gone.held) is null
