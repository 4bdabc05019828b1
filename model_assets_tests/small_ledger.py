"""A small ledger to try things on: small payloads in the sources' own shape, loaded day after day, and what then stands in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from model_assets import pipeline
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.ledger import observations
from model_assets.ledger.observations import Observation
from model_assets.pipeline import Audit
from model_assets.soundness import unsound
from model_assets.sources import SOURCES

START = datetime(2025, 6, 1, 2, tzinfo=UTC)
OPENROUTER, GENAI = SOURCES["openrouter"], SOURCES["genai_prices"]
Model = dict[str, Any]
LEDGER = (
    "history.listing, history.price, ops.source, ops.observation, ops.quarantine, ops.sync_run, raw.payload, raw.body, staged.change_set"
)


def at(step: float) -> datetime:
    """An instant, a day after the other."""
    return START + timedelta(days=step)


def model(listed_id: str, prompt: object = "0.000001", completion: object = "0.000002", **more: object) -> Model:
    """One model as OpenRouter lists it."""
    return {"id": listed_id, "name": listed_id.upper(), "pricing": {"prompt": prompt, "completion": completion}, **more}


def crowd(count: int = 40) -> list[Model]:
    """Models that never change, so that a few broken ones among them are few."""
    return [model(f"crowd/{number:03}") for number in range(count)]


def payload(*models: Model, others: int = 40) -> bytes:
    """OpenRouter's list of the given models among a crowd."""
    return json.dumps({"data": [*models, *crowd(others)]}).encode()


def genai_payload(prices: dict[str, object], others: int = 40) -> bytes:
    """genai-prices' list: models of the given price lists among a crowd. Amounts are written as they stand, so `-1` and `1e30` work."""
    models = [{"id": f"crowd-{number:03}", "prices": {"input_mtok": 1, "output_mtok": 2}} for number in range(others)]
    return json.dumps([{"id": "host", "models": [*models, *({"id": key, "prices": found} for key, found in prices.items())]}]).encode()


def record(url: str, when: datetime, body: bytes, source: str = "openrouter") -> Observation:
    with connect(url) as connection:
        return observations.record(connection, source, when, body, url=SOURCES[source].url, origin="recording")


def load(url: str, when: datetime, body: bytes, source: str = "openrouter") -> Audit:
    """Record and load one payload, in an attempt of its own."""
    observation = record(url, when, body, source)
    with attempt(url, source, when.date(), "a test") as running:
        return pipeline.load(url, SOURCES[source], observation, running)


def unfenced(connection: Connection) -> None:
    """A fence for merges without an attempt."""


def select(url: str, query: str, **values: object) -> list[Any]:
    """The rows of a query; where it has one column, its values."""
    with connect(url) as connection:
        rows = [tuple(row) for row in connection.execute(text(query), values)]
    return [row[0] if len(row) == 1 else row for row in rows]


def dump(url: str) -> list[str]:
    """All claims, every column as text, in order."""
    return [
        row
        for name in ("listing", "price")
        for row in select(url, f"select '{name} ' || cast(h as text) from history.{name} h order by source, key_id, lower(seen)")
    ]


def row_versions(url: str) -> dict[str, list[Any]]:
    """Which transaction wrote each row, and where it lies: equal only where no row was written."""
    return {name: select(url, f"select xmin, ctid from {name} order by 2") for name in LEDGER.split(", ") if name != "ops.sync_run"}


def reset(url: str) -> None:
    """An empty ledger again."""
    with connect(url) as connection:
        connection.execute(text(f"truncate {LEDGER} cascade"))


def assert_sound(url: str) -> None:
    with connect(url) as connection:
        broken = {claim: examples for claim, examples in unsound(connection).items() if examples}
    assert broken == {}


def prices(url: str, listed_id: str, meter: str = "input") -> list[tuple[object, ...]]:
    """(state, amount, since, until) of a price's claims; instants as steps."""
    found = select(
        url,
        "select state, cast(amount as text), lower(seen), upper(seen) from history.price where listed_id = :id and meter = :meter order by 3",
        id=listed_id, meter=meter,
    )  # fmt: skip
    return [(state, amount, *(instant and (instant - START) / timedelta(days=1) for instant in span)) for state, amount, *span in found]
