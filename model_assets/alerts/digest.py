"""What changed on a day, in one message, for those who ask for it: new models, changed prices, retirements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, text

from model_assets.alerts.outbox import Alert, open_keys, raise_alert

SHOWN = 10  # lines of each part; the rest is counted

# what the first look at a source brings is not news
NEW_MODELS = """
select model, name, providers, first_seen as at
from catalog.model
where first_seen >= :since and first_seen < :until
    and first_seen not in (select min(observed_at) from ops.observation where verdict = 'accepted' group by source)
order by model
"""
PRICES = """
select source, provider, listed_id, meter, service_tier, prompt_above_tokens, currency, coalesce(from_amount::text, from_state) as before,
    coalesce(to_amount::text, to_state) as after, round(ratio, 4)::text as ratio, changed_at as at
from catalog.price_change
where kind = 'changed' and changed_at >= :since and changed_at < :until
    and (from_amount is distinct from to_amount or from_state is distinct from to_state)
order by abs(ln(nullif(ratio, 0))) desc nulls first, source, provider, listed_id, meter
"""
RETIRED = """
select model, name, coalesce(retires_on::text, retired_observed::text) as on_day
from catalog.model
where retired_observed >= :since and retired_observed < :until or retires_on = :day
order by model
"""


@dataclass(frozen=True)
class Digest:
    """What changed on a UTC day."""

    day: date
    new_models: Sequence[dict[str, Any]]
    prices: Sequence[dict[str, Any]]
    retired: Sequence[dict[str, Any]]

    @property
    def title(self) -> str:
        """What there is, counted."""
        counted = (("new model", self.new_models), ("price change", self.prices), ("retirement", self.retired))
        said = [f"{len(rows)} {word}{'s' * (len(rows) != 1)}" for word, rows in counted if rows]
        return f"{self.day}: {', '.join(said) or 'nothing changed'}"

    @property
    def lines(self) -> list[str]:
        """The first ten of each part in words, the rest counted."""
        return [
            *_some("new", [row["model"] for row in self.new_models]),
            *_some(
                "price",
                [
                    f"{row['source']}: {row['provider']}/{row['listed_id']} {row['meter']} {row['before']} -> {row['after']}"
                    for row in self.prices
                ],
            ),
            *_some("retired", [f"{row['model']} ({row['on_day'][:10]})" for row in self.retired]),
        ]


def _some(what: str, said: Sequence[str]) -> list[str]:
    return [f"{what}: {one}" for one in said[:SHOWN]] + ([f"{what}: and {len(said) - SHOWN} more"] if len(said) > SHOWN else [])


def digest(connection: Connection, day: date) -> Digest:
    """What changed on a UTC day, by what is known now."""
    since = datetime.combine(day, time(), UTC)
    bounds = {"since": since, "until": since + timedelta(days=1), "day": day}
    parts = [[dict(row) for row in connection.execute(text(query), bounds).mappings()] for query in (NEW_MODELS, PRICES, RETIRED)]
    return Digest(day, *parts)


def raise_digest(connection: Connection, found: Digest) -> bool:
    """Put a day's digest into the outbox, once; a day on which nothing changed has none. Returns whether it is new."""
    if not found.lines:
        return False
    end_of_day = datetime.combine(found.day, time(), UTC) + timedelta(days=1)
    said = Alert(
        "digest", f"digest:{found.day}", "info", found.title, "\n".join(found.lines),
        f"Nothing. All of it: model-assets diff --from {found.day - timedelta(days=1)} --to {found.day}", "/assets/catalog/price_change", end_of_day,
    )  # fmt: skip
    return raise_alert(connection, said)


def daily_digest(connection: Connection, now: datetime, hour: int) -> bool:
    """From `hour` (UTC) on: the digest of the day before, once. Returns whether it was raised now."""
    day = now.astimezone(UTC).date() - timedelta(days=1)
    if now.astimezone(UTC).hour < hour or open_keys(connection, f"digest:{day}"):
        return False
    return raise_digest(connection, digest(connection, day))
