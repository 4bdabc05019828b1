"""What became of a model: its prices over time, at every provider, as each source said them and as the gate judged them."""

from sqlalchemy import Connection, text

from model_assets.answers.doubts import disputed
from model_assets.answers.naming import named
from model_assets.answers.plain import Answer, plain
from model_assets.answers.prices import amount_in_words
from model_assets.answers.sellers import sellers, whose_word
from model_assets.errors import ModelAssetsError

CLAIMS = f"""
select lower(price.seen) as since, upper(price.seen) as until, link.sold_by as provider, price.source, price.listed_id, offer, price.meter,
       price.state, price.amount, price.currency, price.service_tier, price.prompt_above_tokens, nullif(price.time_window, '') as time_window,
       coalesce(nullif(price.region, ''), nullif(link.region, '')) as region, nullif(price.detail, '') as detail,
       price.effective_from, price.effective_to, doubt.kind as doubt, doubt.outcome, doubt.held_id, doubt.reasons ->> 0 as reason, doubt.ended_why,
       upper(doubt.held) as doubted_until, {disputed("price", "price.seen")} as disputed
from history.price as price
join history.link as link using (source, provider, listed_id)
left join ops.held_change as doubt on doubt.key_id = price.key_id and doubt.changed_at = lower(price.seen)
where upper(link.seen) is null and {{condition}}
  and (cast(:sellers as text[]) is null or link.sold_by = any(:sellers))
  and (cast(:meter as text) is null or price.meter = :meter)
order by link.sold_by, offer, price.meter, price.service_tier, price.prompt_above_tokens, price.source, price.listed_id, since
"""
LISTINGS = """
select link.sold_by as provider, listing.source, listing.listed_id, min(lower(listing.seen)) as first_seen,
       case when bool_or(upper(listing.seen) is null) then null else max(upper(listing.seen)) end as last_seen,
       max(listing.lifecycle) filter (where upper(listing.seen) is null) as lifecycle, max(listing.retires_on) as retires_on
from history.listing as listing join history.link as link using (source, provider, listed_id)
where upper(link.seen) is null and {condition} and (cast(:sellers as text[]) is null or link.sold_by = any(:sellers))
group by 1, 2, 3 order by 1, 2, 3
"""


def history(connection: Connection, model: str, provider: str | None = None, meter: str | None = None) -> tuple[list[Answer], list[Answer]]:
    """(the listings of a model with their first and last sight, every price claim about it with its span and what the gate made of it).

    Raises ModelAssetsError where the id cannot be resolved, or the provider never sold it.
    """
    meant = named(connection, model, whose_word(connection, provider, model))
    condition = "link.offer = any(:offers)" if meant.model is None else "link.model = :model and link.variant = :variant"
    bound = meant.bound | {"sellers": sellers(provider, meant), "meter": meter}
    listings = [plain(dict(row)) for row in connection.execute(text(LISTINGS.format(condition=condition)), bound).mappings()]
    rows = [plain(dict(row)) for row in connection.execute(text(CLAIMS.format(condition=condition)), bound).mappings()]
    if not listings:
        what = f"{meant.model or model}{f' ({meant.variant})' if meant.variant else ''} was never listed"
        if provider is None:
            raise ModelAssetsError(f"{what}. Ask for {meant.model or 'its model'} itself; `model-assets resolve {model}` says what it is.")
        raise ModelAssetsError(f"{what} by {provider!r}. Leave out --provider to see who did.")
    return listings, [row | {"said": _said(row)} for row in rows]


def _said(row: Answer) -> str:
    said = amount_in_words(row["state"], row["amount"], row["currency"])
    marks = []
    if row["doubt"] is not None:
        word = {"held": "held", "marked": "unconfirmed"}[row["doubt"]]
        marks.append(word if row["outcome"] == "open" else f"{word}, {row['outcome']}")
    if row["disputed"]:
        marks.append("disputed")
    return f"{said} ({'; '.join(marks)})" if marks else said
