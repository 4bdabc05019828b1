-- What is served now: one price per offer, meter and condition, with the source whose word counts and why; whether others contradict it
-- (disputed), whether a newer value is held back (held: said_state and said_amount), whether it is unconfirmed. See catalog.price_as_of.
-- Grain: one row per offer, meter, condition and currency.
select
    span.offer,
    span.provider,
    span.model,
    span.snapshot,
    span.alias,
    span.variant,
    span.build,
    span.region,
    span.meter,
    span.per,
    span.amount,
    span.currency,
    span.state,
    span.service_tier,
    span.prompt_above_tokens,
    span.time_window,
    span.detail,
    span.source,
    span.source_provider,
    span.listed_id,
    span.rule,
    span.claims,
    span.disputed,
    span.lowest,
    span.highest,
    span.held,
    span.held_id,
    span.said_state,
    span.said_amount,
    span.unconfirmed,
    span.effective_from,
    span.effective_to,
    span.seen_since,
    span.seen_until,
    span.key_id,
    encode(said.sha256, 'hex') as payload_sha256,
    looked.last_observed_at
from {{ ref("catalog.price_span") }} as span
left join {{ ref("ops.observation") }} as said
    on said.source = span.source and said.observed_at = span.seen_since and said.verdict = 'accepted'
left join (
    select source, max(observed_at) as last_observed_at from {{ ref("ops.observation") }} where verdict = 'accepted' group by source
) as looked on looked.source = span.source
where span.served_in @> now()
