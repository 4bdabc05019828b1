"""What is served for a model: each price with where it comes from, why it is the one, and what speaks against it."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from model_assets.answers.naming import Named, ids_of, named
from model_assets.answers.plain import Answer, plain
from model_assets.answers.sellers import own_name, sellers, whose_word
from model_assets.errors import ModelAssetsError
from model_assets.ledger.observations import instant_text

#: an id for a served price: of the claim that is served
PRICE_ID = "lpad(to_hex({0}.key_id), 16, '0')"
SERVED = f"""
select {PRICE_ID.format("served")} as price_id, served.*, served.seen_since as observed_at,
       coalesce(cast(:at as timestamptz), now()) - served.last_observed_at as age,
       (select reasons from ops.held_change as doubt where doubt.held_id = served.held_id) as held_reasons
from catalog.price_as_of(cast(:at as timestamptz), cast(:known as timestamptz), cast(:links as timestamptz), cast(:ids as text[])) as served
where {{condition}}
  and (cast(:sellers as text[]) is null or served.provider = any(:sellers))
  and (cast(:meter as text) is null or served.meter = :meter)
order by served.model, served.provider, served.offer, array_position(array['input', 'output', 'cache_read', 'cache_write_5m', 'cache_write_1h'], served.meter),
         served.meter, served.service_tier <> 'standard', served.service_tier, served.prompt_above_tokens, served.time_window nulls first, served.detail
"""


def prices(
    connection: Connection,
    model: str,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    provider: str | None = None,
    meter: str | None = None,
    links_now: bool = False,
    everything: bool = False,
) -> list[Answer]:
    """What is served for a model (any id of any source) at `as_of`, by what was known at `known_at`: a row per offer, meter and condition.

    A past instant is answered by the links of that instant, unless `links_now`. Where a provider sells the model both by name and by dated
    snapshots, the dated ones are left out if the id names none, unless `everything`. Raises ModelAssetsError where the id cannot be resolved, or
    nothing is priced.
    """
    at, known = as_of or datetime.now(UTC), known_at or datetime.now(UTC)
    then = None if links_now or as_of is None else as_of
    meant = named(connection, model, whose_word(connection, provider, model, then), then)
    found = connection.execute(
        text(SERVED.format(condition=meant.condition)),
        meant.bound
        | {
            "ids": ids_of(connection, meant),
            "at": at,
            "known": known,
            "links": datetime.now(UTC) if links_now else None,
            "sellers": sellers(provider, meant),
            "meter": meter,
        },
    )
    rows = [plain(dict(row)) for row in found.mappings()]
    if not everything:
        rows = meant.chosen(rows, lambda row, name: row[name])
    if not rows:
        raise ModelAssetsError(nothing_priced(connection, meant, at, known, provider and own_name(provider), meter))
    return [row | {"served": in_words(row)} for row in rows]


def in_words(row: Answer) -> str:
    """A served price as it may be printed: a number alone only where nothing speaks against it."""
    said = amount_in_words(row["state"], row["amount"], row["currency"])
    marks = []
    if row["held"]:
        marks.append(f"held: {row['source']} says {amount_in_words(row['said_state'], row['said_amount'], row['currency'])}")
    if row["unconfirmed"]:
        marks.append("unconfirmed")
    if row["disputed"]:
        marks.append(f"disputed: {row['lowest']} to {row['highest']}")
    return f"{said} ({'; '.join(marks)})" if marks else said


def amount_in_words(state: str | None, amount: object, currency: str) -> str:
    """An amount, or the state where there is none."""
    return f"{amount} {currency}" if state == "paid" else str(state)


def nothing_priced(
    connection: Connection, meant: Named, at: datetime, known: datetime, provider: str | None, meter: str | None = None
) -> str:
    """Why no price was found, and what to ask instead."""
    which = "link.model = :model" if meant.model else "link.offer = any(:offers)"
    seen = connection.execute(
        text(
            "select min(lower(listing.seen)) as first, max(upper(listing.seen)) as last, bool_or(upper(listing.seen) is null) as still,"
            " array_agg(distinct sold_by) as sellers"
            " from history.listing as listing join history.link as link using (source, provider, listed_id)"
            f" where source <> 'models_dev_models' and {which}"
        ),
        meant.bound,
    ).one()
    what = meant.model or meant.given
    if seen.first is None:
        return f"{what} is known by name, and no source lists it for sale. Ask `model-assets resolve {meant.given}`."
    if provider is not None and provider not in seen.sellers:
        return f"{what} is not sold by {provider!r}. It is sold by: {', '.join(sorted(seen.sellers))}."
    if known < seen.first:
        return f"Nothing was known of {what} at {instant_text(known)}: it is seen since {instant_text(seen.first)}. Ask with a later --known-at."
    of = f" of {meter}" if meter else ""
    said = f"{what} has no price{of} at {instant_text(at)} under the id {meant.given!r}"
    others = connection.scalars(
        text(
            "select distinct offer from catalog.price_as_of(cast(:at as timestamptz), cast(:known as timestamptz), null, cast(:ids as text[]))"
            " where model = :model and (cast(:provider as text) is null or :provider in (provider, source_provider)) order by offer limit 4"
        ),
        {"at": at, "known": known, "model": meant.model, "provider": provider, "ids": ids_of(connection, meant)},
    ).all()
    if others:
        return f"{said}. Sold then were: {', '.join(others)}. Ask with the id of one of them, or for another meter."
    if known < at and seen.first <= at:
        return f"{said}, by what was known at {instant_text(known)}. Ask with a later --known-at."
    span = f"from {instant_text(seen.first)} until {'now' if seen.still else instant_text(seen.last)}"
    return f"{said}. It was listed {span}: `model-assets history {meant.given}` shows when it had one."
