"""A page of the list of models as SQL: which rows a question leaves, and in which order. One statement makes a page."""

from collections.abc import Mapping
from typing import Any

from model_assets.access.visibility import sees
from model_assets.api.asking import instant, utc
from model_assets.api.cursors import Place
from model_assets.api.model_list import FIELDS, PAST_FIELDS, RELEASED_LATELY, SEES_OTHER, Asked
from model_assets.identity.tables import provider_of

#: name of a sort -> (its value, its type); price is that of the meter that is asked for
SORTS = {
    "name": ('lower(card.name) collate "C"', "text"),
    "released_on": ("card.released_on", "date"),
    "context_tokens": ("card.context_tokens", "bigint"),
    "providers": ("cardinality(card.providers)", "integer"),
    "first_seen": ("card.first_seen", "timestamptz"),
    "changed_at": ("card.changed_at", "timestamptz"),
    "price": ("{price}", "numeric"),
}
PRICE_COLUMNS = {"input": "card.input_usd_per_mtok", "output": "card.output_usd_per_mtok"}
#: what was sold of a card at a past instant. What is hidden now is hidden from questions about the past as well
SOLD_THEN = """
        cross join lateral (
            select coalesce((
                select json_object_agg(price.meter, json_build_object('amount', trim_scale(price.amount)::text, 'currency', 'USD', 'per', price.per))
                from (
                    select span.meter, span.per, min(span.amount) as amount from catalog.base_price_span as span
                    where span.model_id = card.model_id and span.served_in @> cast(:as_of as timestamptz)
                    group by span.meter, span.per
                ) as price
            ), '{}') as prices,
            array(
                select sold.provider from catalog.seller_span as sold
                where sold.model_id = card.model_id and sold.listed_in @> cast(:as_of as timestamptz) order by sold.provider
            ) as providers
        ) as past"""
PRICED_THEN = """
    left join (
        select span.model_id, min(span.amount) as amount from catalog.base_price_span as span
        where span.meter = '{meter}' and span.served_in @> cast(:as_of as timestamptz) group by 1
    ) as priced on priced.model_id = card.model_id"""
PROVIDER_THEN = """card.model_id in (
    select sold.model_id from catalog.seller_span as sold where sold.provider = :provider and sold.listed_in @> cast(:as_of as timestamptz))"""


def page_of(asked: Asked, tier: str, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a page, and what it binds: (version, published_at, total, keys, ids, data as JSON); one row more than the page has, if
    there is one, is in keys and ids alone."""
    bound: dict[str, Any] = {"limit": asked.limit, "as_of": instant(asked.as_of)}
    key, kind = _key(asked)
    order, beyond = _order(asked.sort.startswith("-"), kind)
    where = " and ".join([sees(tier), *_conditions(asked, bound)])
    if after is not None:
        bound |= {"after": after.key, "after_id": after.last_id}
        skip = f"where {beyond if after.key is not None else BEYOND_NULL}"
    else:
        bound["offset"] = asked.offset
        skip = ""
    known = FIELDS if asked.as_of is None else PAST_FIELDS
    row = as_json({name: known[name] for name in asked.wanted}, tier)
    statement = f"""
with matched as materialized (
    select card.model_id, {key} as key from catalog.model_card as card{_joined(asked)} where {where}
),
page as (
    select * from matched {skip} order by {order} limit :limit + 1 {"" if after else "offset :offset"}
),
told as (
    select array_agg(key::text order by place) as keys, array_agg(card.model_id order by place) as ids,
           json_agg({row} order by place) filter (where place <= :limit)::text as data
    from (select page.*, row_number() over (order by {order}) as place from page) as page
    join catalog.model_card as card on card.model_id = page.model_id
    left join catalog.model as model on model.model = card.model_id{_then(asked)}
)
select published.version, {utc("published.published_at")} as published_at, (select count(*) from matched) as total, told.keys, told.ids, told.data
from catalog.published cross join told
"""
    return statement, bound


def as_json(fields: Mapping[str, str], tier: str) -> str:
    """SQL: a row as a tier sees it."""
    pairs = ", ".join(f"'{name}', {value}" for name, value in fields.items())
    return f"json_build_object({pairs})".replace(SEES_OTHER, sees(tier, "other"))


def _key(asked: Asked) -> tuple[str, str]:
    value, kind = SORTS[asked.sort.lstrip("-")]
    return value.format(price=_price(asked)), kind


def _price(asked: Asked) -> str:
    if asked.as_of is not None:
        return "priced.amount"
    return PRICE_COLUMNS.get(asked.meter, f"(card.prices ->> '{asked.meter}')::numeric")  # a name of METERS


BEYOND_NULL = 'key is null and model_id collate "C" > :after_id'


def _order(descending: bool, kind: str) -> tuple[str, str]:
    """(the order, the condition on what comes after a row that has a value). Rows without a value come last; the id decides among equals."""
    after = f"cast(:after as {kind})" + (' collate "C"' if kind == "text" else "")
    sign, way = ("<", "desc") if descending else (">", "asc")
    beyond = f'(key is null or key {sign} {after} or (key = {after} and model_id collate "C" > :after_id))'
    return f'key {way} nulls last, model_id collate "C"', beyond


def _joined(asked: Asked) -> str:
    if asked.as_of is None or not (asked.sort.endswith("price") or asked.min_price is not None or asked.max_price is not None):
        return ""
    return PRICED_THEN.format(meter=asked.meter)


def _then(asked: Asked) -> str:
    """What was sold of a row at a past instant."""
    return "" if asked.as_of is None else SOLD_THEN


def _conditions(asked: Asked, bound: dict[str, Any]) -> list[str]:
    """The filters as SQL; what they compare with is bound."""
    found: list[str] = []

    def add(condition: str, **values: Any) -> None:
        found.append(condition)
        bound.update(values)

    if asked.as_of is not None:
        add("card.listed_in @> cast(:as_of as timestamptz)")
    if asked.provider is not None:
        add(PROVIDER_THEN if asked.as_of else "card.providers @> array[cast(:provider as text)]", provider=provider_of(asked.provider).name)
    if asked.modality is not None:
        add("(:modality = any(card.input_modalities) or :modality = any(card.output_modalities))", modality=asked.modality)
    if asked.capability:
        add("card.capabilities @> cast(:capabilities as text[])", capabilities=asked.capability)
    if asked.license is not None:
        add("lower(card.license) = lower(:license)", license=asked.license)
    for column in ("author", "status", "lifecycle", "open_weights"):
        if (value := getattr(asked, column)) is not None:
            add(f"card.{column} = :{column}", **{column: value})
    for direction in ("input", "output"):
        if (value := getattr(asked, f"{direction}_modality")) is not None:
            add(f":{direction} = any(card.{direction}_modalities)", **{direction: value})
    if asked.min_context is not None:
        add("card.context_tokens >= :min_context", min_context=asked.min_context)
    for bound_name, sign in (("min_price", ">="), ("max_price", "<=")):
        if (value := getattr(asked, bound_name)) is not None:
            add(f"{_price(asked)} {sign} :{bound_name}", **{bound_name: value})
    if asked.tier is not None:
        add(f"card.is_{asked.tier}")
    if asked.released_after is not None:
        add("card.released_on > :released_after", released_after=asked.released_after)
    if asked.free is not None:
        add("card.any_free = :free", free=asked.free)
    if asked.new is not None:
        add(f"{RELEASED_LATELY} = :new", new=asked.new)
    for number, word in enumerate((asked.q or "").split()):
        add(f"strpos(card.words, lower(:word_{number})) > 0", **{f"word_{number}": word})
    return found
