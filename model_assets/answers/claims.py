"""What each source says of a listed id, right or wrong."""

import difflib
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from model_assets.answers.doubts import disputed
from model_assets.answers.plain import Answer, plain
from model_assets.errors import ModelAssetsError
from model_assets.ledger.observations import instant_text

AT = "tstzrange(cast(:at as timestamptz), cast(:at as timestamptz), '[]')"
PRICE_COLUMNS = (
    "source, provider, listed_id, meter, per, said_amount as amount, currency, said_state as state, held, unconfirmed, service_tier,"
    " prompt_above_tokens, time_window, region, detail, effective_from, effective_to, seen_since"
)


def claims(
    connection: Connection, model: str, as_of: datetime | None, known_at: datetime | None, provider: str | None, source: str | None
) -> list[Answer]:
    """What every source says that a listed id costs, right or wrong: `held` and `unconfirmed` say what the gate thinks of it, `disputed` that others differ.

    At `as_of`, by what was known at `known_at` (both now if null). `model` is an id letter for letter, or `provider/id`. Raises
    ModelAssetsError, naming the nearest ids, where nothing is priced under it.
    """
    at, known = as_of or datetime.now(UTC), known_at or datetime.now(UTC)
    found = connection.execute(
        text(
            f"select {PRICE_COLUMNS}, {disputed('claim', AT)} as disputed"
            " from catalog.listing_price_as_of(cast(:at as timestamptz), cast(:known as timestamptz)) as claim"
            " where said_state <> 'gone' and (listed_id = :model or provider || '/' || listed_id = :model)"
            " and (cast(:provider as text) is null or provider = :provider) and (cast(:source as text) is null or source = :source)"
            " order by source, provider, listed_id, meter, service_tier, prompt_above_tokens, time_window nulls first, region, detail"
        ),
        {"at": at, "known": known, "model": model, "provider": provider, "source": source},
    )
    rows = [plain(dict(row)) for row in found.mappings()]
    if not rows:
        raise ModelAssetsError(_nothing_priced(connection, model, at, known, provider, source))
    return rows


def _nothing_priced(connection: Connection, model: str, at: datetime, known: datetime, provider: str | None, source: str | None) -> str:
    """Why no price was found, and what to ask instead."""
    listed = connection.execute(
        text(
            "select source, provider, min(lower(seen)) as first, max(upper(seen)) as last, bool_or(upper_inf(seen)) as still"
            " from history.listing where listed_id = :model or provider || '/' || listed_id = :model group by source, provider order by 1, 2"
        ),
        {"model": model},
    ).all()
    if not listed:
        return _not_listed(connection, model)
    asked = [one for one in listed if provider in (None, one.provider) and source in (None, one.source)]
    if not asked:
        by = " and ".join(f"{word} {value!r}" for word, value in (("provider", provider), ("source", source)) if value is not None)
        found = ", ".join(f"{one.provider} (in {one.source})" for one in listed)
        return f"{model!r} is not listed by {by}. It is listed by: {found}."
    first = min(one.first for one in asked)
    span = f"from {instant_text(first)} until {'now' if any(one.still for one in asked) else instant_text(max(one.last for one in asked))}"
    if known < first:
        return f"Nothing was known of {model!r} at {instant_text(known)}: it was seen {span}. Ask with a later --known-at, or without."
    listed_then = first <= at and any(one.still or at < one.last for one in asked)
    remedy = "it has no price for this time" if listed_then else "ask with --as-of within that time"
    return f"{model!r} has no price at {instant_text(at)}. It was listed {span}; {remedy}."


def _not_listed(connection: Connection, model: str) -> str:
    """That nobody lists an id, and which ids come near: those that contain it, or else those spelt alike."""
    spellings = ["listed_id", "provider || '/' || listed_id"] if "/" in model else ["listed_id"]
    known = sorted(connection.execute(text(" union ".join(f"select {one} from history.listing" for one in spellings))).scalars())
    if not known:
        return "The ledger is empty. Load something first: `model-assets sync`, or `model-assets import FOLDER`."
    lower = {one.lower(): one for one in known}
    near = sorted((one for one in lower if model.lower() in one), key=len)[:5] or difflib.get_close_matches(model.lower(), lower, 3, 0.5)
    said = f"the nearest are: {', '.join(lower[one] for one in near)}" if near else "none comes near"
    return f"No source lists {model!r}. Ids are taken letter for letter; {said}."
