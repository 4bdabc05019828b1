"""All real recordings, imported and settled: what is served over time, and the four faults of others that must end as held or disputed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import loading, recording_files
from model_assets.answers import prices, read_instant, why
from model_assets.database import connect
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.soundness import unsound
from model_assets.sources import SOURCES
from model_assets_tests.conftest import copy_of
from model_assets_tests.shared_data import SHARED, needs_recordings
from model_assets_tests.test_price_span import assert_spans_are_what_was_served

pytestmark = [needs_recordings, pytest.mark.timeout(900)]
GAP, BACK = read_instant("2026-01-16T00:10Z"), read_instant("2026-01-16T12:00Z")


@pytest.fixture(scope="module")
def real(server: str, template: str) -> Iterator[str]:
    """The URL of a settled database with all real recordings, that tests only read."""
    with copy_of(server, template) as url:
        reports = loading.import_recordings(url, recording_files.find(SHARED / "recordings", SOURCES).recordings, lambda _: None)
        assert [error for report in reports for error in report.errors] == []
        settle(url, read_settings({}).model_policy_file)
        yield url


@pytest.fixture
def ledger(real: str) -> Iterator[Connection]:
    with connect(real) as connection:
        yield connection


def rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(query)).mappings()]


def test_all_97_recordings_of_9_sources_are_in_the_ledger_which_is_sound_and_most_scores_are_of_known_models(ledger: Connection) -> None:
    observed = dict(ledger.execute(text("select source, count(*) from ops.observation where verdict = 'accepted' group by 1")).all())  # type: ignore[arg-type]
    assert observed == {
        "aider": 4, "epoch": 2, "genai_prices": 7, "litellm": 5, "lmarena": 2, "models_dev": 45, "models_dev_models": 2, "openrouter": 26,
        "swebench": 4,
    }  # fmt: skip
    assert sum(observed.values()) == 97
    assert not any(unsound(ledger).values())
    resolved = rows(ledger, "select source, count(model) * 1.0 / count(*) as share from catalog.score group by 1")
    assert all(row["share"] > 0.5 for row in resolved)
    assert rows(ledger, "select 1 from catalog.frontier where benchmark = 'aider_polyglot' and metric = 'pass_rate_2' limit 1")


def test_the_spans_are_what_was_served_at_every_fifth_instant(real: str) -> None:
    assert_spans_are_what_was_served(real, every=5)


def test_the_gap_of_openrouter_is_held_and_its_prices_are_served_on(ledger: Connection) -> None:
    held = rows(
        ledger,
        f"select distinct listed_id, reasons ->> 0 as reason from ops.held_change where source = 'openrouter' and changed_at = '{GAP}'",
    )
    assert len(held) > 10
    assert all("are gone at once; a part of the list may have been lost on the way" in row["reason"] for row in held)
    served = (
        f"select listed_id, said_state from catalog.price_as_of('{GAP}', '{GAP}') where held and source = 'openrouter' and meter = 'input'"
    )
    assert {row["listed_id"] for row in rows(ledger, served)} <= {row["listed_id"] for row in held}
    assert {row["said_state"] for row in rows(ledger, served)} == {"gone"}


def test_the_thousandfold_slip_of_helicone_was_never_served(ledger: Connection) -> None:
    held = rows(
        ledger,
        "select to_amount, kind, reasons ->> 0 as reason from ops.held_change where provider = 'helicone' and listed_id = 'mistral-small' and meter = 'input'",
    )
    assert [(row["to_amount"], row["kind"]) for row in held] == [(Decimal(75), "held")]
    assert "from what others ask for the model" in held[0]["reason"]
    served = rows(
        ledger,
        "select amount from catalog.price_span where source_provider = 'helicone' and listed_id = 'mistral-small' and meter = 'input'",
    )
    assert all(row["amount"] is None or row["amount"] < 1 for row in served)


def test_the_prices_of_wandb_that_are_a_hundred_thousand_times_too_high_are_not_served(ledger: Connection) -> None:
    held = rows(
        ledger,
        "select listed_id, to_amount from ops.held_change where source = 'litellm' and provider = 'wandb' and kind = 'held' and outcome = 'open'",
    )
    assert len({row["listed_id"] for row in held}) >= 13
    assert all(row["to_amount"] >= 5000 for row in held)
    assert rows(ledger, "select offer from catalog.price where provider = 'wandb' and amount >= 1000") == []
    disputed = rows(ledger, "select count(*) as n from catalog.dispute where offer like 'wandb:%' and ratio > 90000")
    assert disputed[0]["n"] >= 10


def test_a_tenth_of_a_price_at_vercel_was_held_until_it_had_proven_itself(ledger: Connection) -> None:
    [held] = rows(
        ledger,
        "select * from ops.held_change where provider = 'vercel' and listed_id = 'google/gemini-3-pro-image' and meter = 'output' and kind = 'held'",
    )
    assert (held["from_amount"], held["to_amount"]) == (120, 12)
    assert "120 was divided by exactly 10; a decimal point may have slipped" in held["reasons"]
    [served] = prices(
        ledger, "google/gemini-3-pro-image", as_of=held["changed_at"], known_at=held["changed_at"], provider="vercel", meter="output"
    )
    assert served["served"].startswith("120 USD (held: models_dev says 12 USD")


def test_a_price_in_two_currencies_is_told_in_its_own(ledger: Connection) -> None:
    asked = rows(
        ledger,
        "select lpad(to_hex(key_id), 16, '0') as id, currency from (select *, count(*) over (partition by offer, meter, service_tier) as times"
        " from catalog.price where provider = 'databricks') as price where times = 2 and currency <> 'USD' order by 1 limit 3",
    )
    assert asked
    for row in asked:
        found = why(ledger, row["id"])
        assert found["served"]["currency"] == row["currency"]
        assert {claim["currency"] for claim in found["claims"]} == {row["currency"]}
