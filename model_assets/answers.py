"""Questions that the command line answers from the database: prices at an instant, differences, the state of things."""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from model_assets.errors import ModelAssetsError
from model_assets.ledger.describe import decimal_text
from model_assets.ledger.observations import instant_text

Answer = dict[str, Any]
PRICE_COLUMNS = (
    "source, provider, listed_id, meter, per, amount, currency, state, service_tier, prompt_above_tokens, time_window, region, detail,"
    " effective_from, effective_to, seen_since"
)


def read_instant(given: str) -> datetime:
    """An instant as people give it: `now`, `2026-01-16T00:10Z`, `2026-01-16T0010Z`, or a day, which stands for its end.

    Raises ModelAssetsError, saying which forms there are.
    """
    given = given.strip()
    if given == "now":
        return datetime.now(UTC)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            return datetime.combine(date.fromisoformat(given), time.max, UTC)
        if not re.match(r"\d{4}-\d\d-\d\d[T ]", given):  # 20260116 and 2026-W03-5 are days too, but not read as their end below
            raise ValueError(given)
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ModelAssetsError(
            f"{given!r} is no instant. Use 2026-01-16T00:10Z, a day such as 2026-01-16 (which stands for its end), or now."
        ) from None


def prices(
    connection: Connection, model: str, as_of: datetime | None, known_at: datetime | None, provider: str | None, source: str | None
) -> list[Answer]:
    """What a listed id costs, by every source and provider that lists it; at `as_of`, by what was known at `known_at` (both now if null).

    `model` is an id letter for letter, or `provider/id`. Raises ModelAssetsError, naming the nearest ids, where nothing is priced under it.
    """
    at, known = as_of or datetime.now(UTC), known_at or datetime.now(UTC)
    found = connection.execute(
        text(
            f"select {PRICE_COLUMNS} from catalog.price_as_of(cast(:at as timestamptz), cast(:known as timestamptz))"
            " where (listed_id = :model or provider || '/' || listed_id = :model)"
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


DIFF = """
with before as (
    select * from catalog.price_as_of(cast(:since as timestamptz), cast(:since as timestamptz))
), after as (
    select * from catalog.price_as_of(cast(:until as timestamptz), cast(:until as timestamptz))
)
select case when b.source is null then 'opened' when a.source is null then 'closed' else 'changed' end as change,
       coalesce(a.source, b.source) as source, coalesce(a.provider, b.provider) as provider, coalesce(a.listed_id, b.listed_id) as listed_id,
       coalesce(a.meter, b.meter) as meter, coalesce(a.per, b.per) as per, coalesce(a.service_tier, b.service_tier) as service_tier,
       coalesce(a.prompt_above_tokens, b.prompt_above_tokens) as prompt_above_tokens, coalesce(a.time_window, b.time_window) as time_window,
       coalesce(a.region, b.region) as region, coalesce(a.detail, b.detail) as detail, coalesce(a.currency, b.currency) as currency,
       b.state as from_state, b.amount as from_amount, a.state as to_state, a.amount as to_amount,
       a.amount / nullif(b.amount, 0) as ratio
from before b full join after a
  on a.source = b.source and a.provider = b.provider and a.listed_id = b.listed_id and a.meter = b.meter and a.service_tier = b.service_tier
 and a.prompt_above_tokens = b.prompt_above_tokens and coalesce(a.time_window, '') = coalesce(b.time_window, '')
 and coalesce(a.region, '') = coalesce(b.region, '') and coalesce(a.detail, '') = coalesce(b.detail, '') and a.currency = b.currency
where (cast(:source as text) is null or coalesce(a.source, b.source) = :source)
  and (a.source is null or b.source is null or a.state <> b.state or a.amount is distinct from b.amount)
order by 1, 2, 3, 4, 5, 7, 8, 9, 10, 11
"""

LISTING_DIFF = """
with before as (select source, provider, listed_id, name from catalog.listing_as_of(cast(:since as timestamptz))),
     after as (select source, provider, listed_id, name from catalog.listing_as_of(cast(:until as timestamptz)))
select case when b.source is null then 'appeared' else 'vanished' end as change, coalesce(a.source, b.source) as source,
       coalesce(a.provider, b.provider) as provider, coalesce(a.listed_id, b.listed_id) as listed_id, coalesce(a.name, b.name) as name
from before b full join after a using (source, provider, listed_id)
where (a.source is null or b.source is null) and (cast(:source as text) is null or coalesce(a.source, b.source) = :source)
order by 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Difference:
    """What differs between two instants: listings that appeared and vanished, prices that opened, changed and closed."""

    listings: list[Answer]
    prices: list[Answer]


def difference(connection: Connection, since: datetime, until: datetime, source: str | None) -> Difference:
    """What is different at `until` from what was at `since`, each as it was known then. Raises ModelAssetsError where `since` is the later."""
    if since > until:
        raise ModelAssetsError(f"--from {instant_text(since)} is later than --to {instant_text(until)}. Exchange the two.")
    at = {"since": since, "until": until, "source": source}
    listings, changed = ([plain(dict(row)) for row in connection.execute(text(query), at).mappings()] for query in (LISTING_DIFF, DIFF))
    return Difference(listings, changed)


def status(connection: Connection) -> tuple[list[Answer], list[Answer]]:
    """(the health of every source, its age in seconds; the last ten attempts)."""
    columns = "source, last_observed_at, extract(epoch from age)::bigint as age_seconds, listings, prices, quarantined, refused_since"
    health = connection.execute(
        text(f"select {columns}, last_success_at, last_status, last_error from catalog.source_health order by source")
    ).mappings()
    runs = connection.execute(
        text(
            "select run_id, source, day, started_by, status, started_at, finished_at, observations, added, changed, closed, quarantined,"
            " error_class, message, what_to_do from ops.sync_run order by run_id desc limit 10"
        )
    ).mappings()
    return [plain(dict(row)) for row in health], [plain(dict(row)) for row in runs]


def plain(row: Answer) -> Answer:
    """A row as JSON can hold it: amounts as exact text, instants in UTC with a Z, spans in seconds."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    return value.isoformat() if hasattr(value, "isoformat") else value


def quarantined(connection: Connection, source: str | None, limit: int) -> list[Answer]:
    """What broke the contract, newest first."""
    found = connection.execute(
        text(
            "select source, observed_at, relation, provider, listed_id, reason, original from ops.quarantine"
            " where cast(:source as text) is null or source = :source order by observed_at desc, source, listed_id limit :limit"
        ),
        {"source": source, "limit": limit},
    )
    return [plain(dict(row)) for row in found.mappings()]
