import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.cost.evaluate import Answer, evaluate
from model_assets.cost.table import row_of
from model_assets.cost.usage import usage
from model_assets.errors import ModelAssetsError
from model_assets.sql_models import deploy, load_models

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
METERS = ("input", "input", "output", "cache_read", "cache_write_5m", "reasoning", "request", "web_search", "video_second", "second")
WINDOWS = (
    "",
    "",
    "",
    "16:30-00:30 UTC",
    "09:00-17:00 Europe/Berlin on mon,tue,sat Europe/Berlin",
    "00:00-00:00 UTC on sun Asia/Tokyo",
    "01:00-02:00 No/Where",
)
CONDITIONS = "meter service_tier prompt_above_tokens time_window region detail currency".split()  # noqa: SIM905


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, load_models())
        yield connection
        connection.rollback()


def sell(connection: Connection, model: str, meter: str, amount: str | None, **said: Any) -> None:
    """Put a price into the ledger, since long ago: of `model` at `host`, by `feed`, unless told otherwise."""
    values = {"source": "feed", "provider": "host", "listed_id": model, "meter": meter, "service_tier": "standard"} | dict.fromkeys(
        ("time_window", "region", "detail"), ""
    )
    values |= {"prompt_above_tokens": 0, "currency": "USD", "amount": amount and Decimal(amount)}
    values["state"] = "unknown" if amount is None else "paid" if Decimal(amount) else "free"
    values |= said
    key = {"key": repr([values[name] for name in ("source", "provider", "listed_id", *CONDITIONS)])}
    connection.execute(
        text(f"""
            insert into history.price (key_id, seen, digest, {", ".join(values)})
            values (hashtextextended(:key, 0), '[2026-01-01,)', '', {", ".join(f":{name}" for name in values)})"""),
        values | key,
    )


def link(connection: Connection, model: str, provider: str = "host") -> None:
    """Say that the listing `model` at `provider` is the model `lab/<model>`."""
    connection.execute(
        text("""
            insert into history.link (source, provider, listed_id, key_id, seen, model, sold_by, author, snapshot, alias, variant, build,
                                      region, derivative_of, offer, rule, confidence, evidence, suggestions)
            values ('feed', :provider, :listed, hashtextextended(:provider || :listed, 0), '[2026-01-01,)', 'lab/' || :listed, :provider,
                    'lab', '', '', '', '', '', '', :provider || '\\:lab/' || :listed, 'exact', 1, '{}', '{}')"""),
        {"provider": provider, "listed": model},
    )


def cost(connection: Connection, model: str, counts: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
    """The lines of catalog.cost."""
    said = {"model": model, "usage": json.dumps(counts), "at": NOON, "provider": None, "tier": "standard", "region": None} | asked
    query = """
        select * from catalog.cost(:model, cast(:usage as jsonb), :at, provider => cast(:provider as text), service_tier => :tier,
                                   region => cast(:region as text)) order by offer, meter, quantity"""
    return [dict(row) for row in connection.execute(text(query), said).mappings()]


def lines_of(answer: Answer) -> list[dict[str, Any]]:
    """An answer of evaluate in the form of catalog.cost."""
    found = [
        {
            "meter": line.meter,
            "quantity": line.quantity,
            "per": line.per or None,
            "unit_amount": line.unit_amount,
            "currency": line.currency or None,
            "amount": line.amount,
            "state": line.state or None,
            "source": line.row.source if line.row else None,
            "held": bool(line.row and line.row.held),
            "disputed": bool(line.row and line.row.disputed),
            "unconfirmed": bool(line.row and line.row.unconfirmed),
            "why": line.why,
        }
        for line in answer.lines
    ]
    return sorted(found, key=lambda line: (str(line["meter"]), line["quantity"]))


def price_list(chance: random.Random) -> list[dict[str, Any]]:
    """Some prices of one offer, no two of one condition."""
    regions = chance.choice([["", "", "eu"], ["", "eu", "us"], ["eu"]])
    found = {}
    for _ in range(chance.randint(1, 16)):
        amount = chance.choice([None, "0", "0.0833333333333333", str(chance.randint(1, 900_000) / Decimal(10_000))])
        said = {
            "meter": chance.choice(METERS),
            "service_tier": chance.choice(["standard", "standard", "batch"]),
            "prompt_above_tokens": chance.choice([0, 0, 1_000, 200_000]),
            "time_window": chance.choice(WINDOWS),
            "region": chance.choice(regions),
            "detail": chance.choice(["", "", "", "large"]),
            "currency": chance.choice(["USD", "USD", "USD", "DBU"]),
            "amount": amount,
        }
        if amount is None:
            said["state"] = chance.choice(["unknown", "dynamic", "included"])
        found[tuple(said[name] for name in CONDITIONS)] = said
    return list(found.values())


def request(chance: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """The counts of one request, and the sizes it asked for."""
    names = [*METERS, "seconds", "cache_write_1h", "web_searches", "images"]
    counts: dict[str, Any] = {name: chance.choice([0, 7, 999, 150_000]) for name in chance.sample(names, chance.randint(1, 6))}
    if "reasoning" in counts:
        counts["output"] = counts["reasoning"] + counts.get("output", 0)
    if "seconds" in counts:
        counts["seconds"] = Decimal("2.5")
    details = {name: chance.choice(["large", "small"]) for name in chance.sample(names, 1)} if chance.random() < 0.3 else {}
    return counts, details


def test_it_says_what_evaluate_says(ledger: Connection) -> None:
    chance = random.Random(20260822)
    for number in range(50):
        link(ledger, f"m{number}")
        for said in price_list(chance):
            amount = said.pop("amount")
            sell(ledger, f"m{number}", said.pop("meter"), amount, **said)
    compared = 0
    for number in range(50):
        for _ in range(3):
            counts, details = request(chance)
            at = NOON + timedelta(minutes=chance.randint(0, 7 * 24 * 60))
            tier, region = chance.choice(["standard", "default", "batch", "flex"]), chance.choice([None, "EU", "mars"])
            rows = ledger.execute(
                text("select * from catalog.price_as_of(:at) where model = :model"), {"at": at, "model": f"lab/m{number}"}
            )
            table = [row_of(dict(row)) for row in rows.mappings()]
            try:
                expected = lines_of(evaluate(table, usage(counts, details), at, tier, region or ""))
            except ModelAssetsError:
                expected = []
            said = {name: float(count) for name, count in counts.items()} | {"details": details}
            found = cost(ledger, f"lab/m{number}", said, at=at, tier=tier, region=region)
            assert {line.pop("offer") for line in found} <= {f"host:lab/m{number}"}
            assert found == expected, (number, counts, details, at, tier, region)
            compared += len(found)
    assert compared > 300


def test_every_provider_that_sells_the_model_has_its_lines(ledger: Connection) -> None:
    for provider, amount in (("east", "3"), ("west", "4")):
        link(ledger, "m", provider)
        sell(ledger, "m", "input", amount, provider=provider)
    said = {line["offer"]: line["amount"] for line in cost(ledger, "lab/m", {"input": 500_000})}
    assert said == {"east:lab/m": Decimal("1.5"), "west:lab/m": Decimal("2")}
    assert [line["amount"] for line in cost(ledger, "lab/m", {"input": 500_000}, provider="west")] == [Decimal("2")]
    assert [line["amount"] for line in cost(ledger, "east:lab/m", {"input": 500_000})] == [Decimal("1.5")]


def test_what_has_no_price_is_a_line_without_an_amount(ledger: Connection) -> None:
    link(ledger, "m")
    sell(ledger, "m", "input", "3")
    found = {line["meter"]: (line["amount"], line["why"]) for line in cost(ledger, "lab/m", {"input": 1_000_000, "cache_read": 5})}
    assert found == {"input": (Decimal("3"), "the list price"), "cache_read": (None, "no price is known")}


def test_crossing_a_bound_reprices_the_whole_request(ledger: Connection) -> None:
    link(ledger, "m")
    sell(ledger, "m", "input", "3")
    sell(ledger, "m", "input", "6", prompt_above_tokens=200_000)
    assert [cost(ledger, "lab/m", {"input": tokens})[0]["amount"] for tokens in (200_000, 200_001)] == [Decimal("0.6"), Decimal("1.200006")]
