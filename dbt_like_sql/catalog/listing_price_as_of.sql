-- What each price of a listing was at an instant, after the gate: listing_price_as_of(as_of, known_at). A change that was held at known_at is
-- not believed: the last good value goes on (`held`, and what the source says in said_state and said_amount); one that was only marked is
-- served as `unconfirmed`. A price whose disappearance is held goes on, its said_state being gone. Otherwise the rows and columns of catalog.price_claim_as_of.
-- Of listings with some ids alone where only_ids names them. Grain: one row per source, provider, listed id, meter, condition and currency.
create function catalog.listing_price_as_of(as_of timestamptz, known_at timestamptz default 'infinity', only_ids text[] default null)
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
    key_id bigint,
    said_state text,
    said_amount numeric,
    held boolean,
    unconfirmed boolean,
    held_id text
)
language sql stable parallel safe
as $$
select
    claim.source,
    claim.provider,
    claim.listed_id,
    claim.meter,
    claim.per,
    case when doubt.kind = 'held' then doubt.from_amount else claim.amount end,
    claim.currency,
    case when doubt.kind = 'held' then doubt.from_state else claim.state end,
    claim.service_tier,
    claim.prompt_above_tokens,
    claim.time_window,
    claim.region,
    claim.detail,
    claim.effective_from,
    claim.effective_to,
    claim.seen_since,
    claim.seen_until,
    claim.key_id,
    claim.state,
    claim.amount,
    coalesce(doubt.kind = 'held', false),
    coalesce(doubt.kind = 'marked', false),
    doubt.held_id
from {{ ref("catalog.price_claim_as_of") }}(as_of, known_at, only_ids) as claim
left join {{ ref("ops.held_change") }} as doubt
    on doubt.key_id = claim.key_id and doubt.changed_at = claim.seen_since and doubt.held @> known_at
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
    gone.back_at,
    gone.key_id,
    'gone',
    null,
    true,
    false,
    gone.held_id
from {{ ref("catalog.gone_price") }} as gone
where gone.gone_at <= least(as_of, known_at) and (gone.back_at is null or gone.back_at > least(as_of, known_at)) and gone.held @> known_at
    and (only_ids is null or gone.listed_id = any(only_ids))
$$
