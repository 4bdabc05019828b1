"""What is told of one model: SQL over the tables that are served, each narrowed to the model by an index."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from model_assets.answers.naming import ids_of
from model_assets.answers.prices import PRICE_ID, in_words
from model_assets.answers.sellers import sellers
from model_assets.api.asking import Seen, part, rows
from model_assets.api.finding import Found
from model_assets.api.model_list import FIELDS
from model_assets.api.model_page import as_json
from model_assets.api.snippets import providers, quick_starts

ATTRIBUTES = (
    "name", "description", "family", "released_on", "knowledge_cutoff", "context_tokens", "max_output_tokens", "input_modalities",
    "output_modalities", "capabilities", "open_weights", "license", "hugging_face_id", "docs_url", "lifecycle", "retires_on", "replaced_by",
)  # fmt: skip
OFFER_PARTS = ("offer", "snapshot", "alias", "variant", "build", "region")
PRICE_PARTS = ("meter", "per", "amount", "currency", "state", "region", "source", "listed_id", "rule", "disputed", "held", "unconfirmed")
METER_ORDER = "array_position(array['input', 'output', 'cache_read', 'cache_write_5m', 'cache_write_1h'], {0}.meter), {0}.meter"
ITEMS = """
select card.model_id, {item} as item
from catalog.model_card as card left join catalog.model as model on model.model = card.model_id
where card.model_id = any(:ids)
"""
PRICE_COLUMNS = (
    "offer, provider, model, snapshot, alias, variant, build, region, meter, per, amount, currency, state, service_tier, prompt_above_tokens, time_window,"
    " detail, source, source_provider, listed_id, rule, claims, disputed, lowest, highest, held, held_id, said_state, said_amount, unconfirmed,"
    " effective_from, effective_to, seen_since, seen_until"
)
PRICES = f"""
select {PRICE_ID.format("served")} as price_id, {PRICE_COLUMNS}, payload_sha256, last_observed_at,
       (select reasons from ops.held_change as doubt where doubt.held_id = served.held_id) as held_reasons
from ({{served}}) as served
where {{condition}} and offer <> all(:hidden)
  and (cast(:sellers as text[]) is null or provider = any(:sellers))
  and (cast(:meter as text) is null or meter = :meter)
"""
PRICE_ORDER = f"""
order by model, provider, offer, {METER_ORDER.format("price")}, service_tier <> 'standard', service_tier, prompt_above_tokens, time_window nulls first,
         region nulls first, detail nulls first, currency
"""
#: as answers.naming.Named.chosen: where a provider sells the model without a date, not the dated snapshots as well, unless `everything`
PRICE_PAGE = f"""
select price.*, count(*) over () as total
from (select meant.*, bool_or(snapshot is null) over (partition by provider) as undated from ({PRICES}) as meant) as price
where :everything or snapshot is null or not undated
{PRICE_ORDER} limit :limit offset :offset
"""
#: base prices, of the first hundred providers: more would be too much for one page
BASE_PRICES = f"""
select * from (
    select meant.*, bool_or(snapshot is null) over (partition by provider) as undated, dense_rank() over (order by provider) as place
    from ({PRICES} and service_tier = 'standard' and prompt_above_tokens = 0 and time_window is null and detail is null) as meant
) as price
where place <= 100 and (:everything or snapshot is null or not undated)
{PRICE_ORDER}
"""
#: by what is known now, of any instant: a table with an index on models
KNOWN_NOW = """
select span.*, encode(said.sha256, 'hex') as payload_sha256, looked.last_observed_at
from catalog.price_span as span
left join ops.observation as said on said.source = span.source and said.observed_at = span.seen_since and said.verdict = 'accepted'
left join lateral (
    select max(observed_at) as last_observed_at from ops.observation
    where source = span.source and verdict = 'accepted' and observed_at <= coalesce(cast(:at as timestamptz), 'infinity')
) as looked on true
where span.served_in @> coalesce(cast(:at as timestamptz), now())
"""
KNOWN_THEN = """
select * from catalog.price_as_of(coalesce(cast(:at as timestamptz), now()), cast(:known as timestamptz), null, cast(:ids as text[]))
"""
OFFERS = """
select offer, provider, model, snapshot, alias, variant, build, region, listed, sources, listed_ids, state, input_usd_per_mtok, output_usd_per_mtok,
       disputed, held, unconfirmed, prices, lifecycle, retires_on, context_tokens, max_input_tokens, max_output_tokens, first_seen, last_seen,
       count(*) over () as total
from catalog.offer where {condition} and offer <> all(:hidden) and (cast(:provider as text) is null or provider = :provider)
order by listed desc, provider, offer limit :limit offset :offset
"""
HISTORY = """
select changed.*, count(*) over () as total from (
    select lower(served_in) as since, upper(served_in) as until, offer, provider, meter, per, currency, service_tier, prompt_above_tokens, time_window,
           region, detail, lag(state) over same as before_state, lag(amount) over same as before_amount, state, amount, source, listed_id, rule,
           held, unconfirmed, disputed, effective_from, effective_to
    from catalog.price_span
    where {condition} and offer <> all(:hidden)
    window same as (
        partition by offer, meter, service_tier, prompt_above_tokens, time_window, region, detail, currency order by lower(served_in) nulls first
    )
) as changed
where (cast(:provider as text) is null or provider = :provider) and (cast(:meter as text) is null or meter = :meter)
order by since desc nulls last, offer, meter, service_tier, prompt_above_tokens, time_window nulls first, region nulls first, detail nulls first, currency
limit :limit offset :offset
"""
VERSIONS = """
select snapshot, alias, variant, build, array_agg(distinct provider order by provider) as providers,
       array_agg(distinct listed.id order by listed.id) as listed_ids, bool_or(offer.listed) as listed, min(first_seen) as first_seen,
       case when bool_or(offer.listed) then null else max(last_seen) end as last_seen
from catalog.offer cross join lateral unnest(listed_ids) as listed (id)
where model = :model and offer <> all(:hidden)
group by snapshot, alias, variant, build
order by snapshot desc nulls first, alias nulls first, variant nulls first, build nulls first
"""
WEIGHTS = """
select * from catalog.model_version where hugging_face_id in (
    select listed_id from history.link where source = 'huggingface' and model = :model and upper_inf(seen)
    union select hugging_face_id from catalog.model where model = :model
) order by hugging_face_id, version desc limit 500
"""
SCORES = """
select score.*, count(*) over () as total from {scores} as score
where model = :model and (cast(:benchmark as text) is null or benchmark = :benchmark)
order by benchmark, version desc, split, metric, source, harness nulls first, value desc, spelled, effort, variant, runner, run limit :limit offset :offset
"""
BENCHMARKS = """
select source, benchmark, version, split, metric, count(*) as scores, min(unit) as unit, max(value) as highest, min(value) as lowest,
       max(measured_on) as last_measured_on
from catalog.score where model = :model group by 1, 2, 3, 4, 5 order by 2, 3 desc, 4, 5, 1
"""
MENTIONS = """
select mention.*, count(*) over () as total from catalog.mention as mention where model = :model and kind = :kind
order by coalesce(published_at, first_seen) desc, source, feed, item limit :limit offset :offset
"""
LISTED_NOW = """
select link.sold_by as provider, link.source, link.listed_id, link.snapshot from history.link as link
join history.listing as listing on listing.key_id = link.key_id and upper_inf(listing.seen)
left join catalog.source_rank as rank on rank.source = link.source
where upper_inf(link.seen) and rank.sells is not false and link.alias = '' and link.build = '' and link.region = '' and link.offer <> all(:hidden)
  and link.model = :model and link.variant = :variant and (:snapshot = '' or link.snapshot in (:snapshot, '')) and link.sold_by = any(:asked_how)
"""
CURATED = """
select slug, category, status, size, best_for, not_for, url, docs_url, checked_on from catalog.curated where model = :model order by slug limit 1
"""
COUNTS = """
select (select count(*) from history.mention_link where model = :model) as mentions,
       (select count(*) from access.follow where model_id = :card) as follows,
       (select coalesce(sum(views), 0)::bigint from access.view_count where model_id = :card) as views,
       (
           select count(*) from catalog.dispute
           where (model = :model or model is null and offer = :card) and closed_at is null and offer <> all(:hidden)
       ) as open_disputes
"""


def items(seen: Seen, ids: list[str]) -> dict[str, dict[str, Any]]:
    """What the list says of some models, by id."""
    return {
        row["model_id"]: row["item"] for row in rows(seen.connection, ITEMS.replace("{item}", as_json(FIELDS, seen.tier)), {"ids": ids})
    }


def bound_of(found: Found, **more: Any) -> dict[str, Any]:
    """What the statements here bind."""
    return found.named.bound | {"hidden": list(found.hidden), "card": found.card} | more


def any_plan(found: Found) -> str:
    """The condition on the offers that an id means, of any plan where it names nothing but the model."""
    named = found.named
    return "model = :model" if named.model and not (named.snapshot or named.variant or named.build or named.region) else named.condition


def known(seen: Seen, found: Found, known_at: datetime | None) -> dict[str, Any]:
    """What KNOWN_THEN binds."""
    return {"known": known_at, "ids": ids_of(seen.connection, found.named)} if known_at else {}


def prices(
    seen: Seen, found: Found, asked: Mapping[str, Any], at: datetime | None, known_at: datetime | None, limit: int, offset: int
) -> list[dict[str, Any]]:
    """What is served, as answers.prices, a part at a time: a row per offer, meter and condition. `asked` has provider, meter and everything."""
    statement = PRICE_PAGE.format(served=KNOWN_NOW if known_at is None else KNOWN_THEN, condition=found.named.condition)
    everything = asked["everything"] or found.named.names_dates
    sold_by = sellers(asked["provider"], found.named)
    bound = bound_of(found, at=at, sellers=sold_by, meter=asked["meter"], everything=everything, **known(seen, found, known_at))
    told = part(seen, statement, bound, limit, offset)
    return [{name: value for name, value in row.items() if name != "undated"} | {"served": in_words(row)} for row in told]


def by_provider(seen: Seen, found: Found) -> list[dict[str, Any]]:
    """The base prices of each provider's offers now."""
    statement = BASE_PRICES.format(served=KNOWN_NOW, condition=found.named.condition)
    bound = bound_of(found, at=None, sellers=None, meter=None, everything=found.named.names_dates)
    sold: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows(seen.connection, statement, bound):
        parts = {name: row[name] for name in OFFER_PARTS}
        offer = sold.setdefault(row["provider"], {}).setdefault(row["offer"], {**parts, "prices": []})
        offer["prices"].append({name: row[name] for name in PRICE_PARTS} | {"served": in_words(row)})
    return [{"provider": name, "offers": list(offers.values())} for name, offers in sold.items()]


def attributes(seen: Seen, model: str | None) -> dict[str, dict[str, Any]]:
    """Each attribute that is known of a model with the source it was taken from."""
    told = rows(seen.connection, "select * from catalog.model where model = :model", {"model": model})
    if not told:
        return {}
    [row] = told
    said: dict[str, dict[str, Any]] = {}
    for name in ATTRIBUTES:
        if row[name] is not None:
            precision = row.get(f"{name}_precision")
            said[name] = {"value": row[name], "source": row[f"{name}_source"]} | ({"precision": precision} if precision else {})
    return said


def detail(seen: Seen, found: Found, asked: str) -> dict[str, Any]:
    """All of the page of a model."""
    item = items(seen, [found.card])[found.card]
    model = {"model": found.named.model}
    bound = bound_of(found, asked_how=[*providers()])
    [counts] = rows(seen.connection, COUNTS, bound)
    stated = attributes(seen, found.named.model)
    curated = rows(seen.connection, CURATED, bound)
    text = not item["output_modalities"] or "text" in item["output_modalities"]
    return {
        **item,
        "asked": asked,
        "resolved_as": found.resolved_as,
        "attributes": {name: said for name, said in stated.items() if name != "replaced_by" or item["replaced_by"]},
        "prices_by_provider": by_provider(seen, found),
        "benchmarks": rows(seen.connection, BENCHMARKS, model),
        "quick_start": quick_starts(rows(seen.connection, LISTED_NOW, bound)) if text else [],
        "counts": {"offers": item["offers"], "providers": item["provider_count"], **counts},
        "curated": curated[0] if curated else None,
    }
