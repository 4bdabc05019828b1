from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.gate.contradictions import LINTS, Lint, contradictions
from model_assets.sql_models import deploy, load_models
from model_assets_tests.test_catalog_sql import listing, price


def link(connection: Connection, listed_id: str, source: str = "feed", **values: Any) -> None:
    """Say that a listing of `host` is the model `lab/m`, unless told otherwise."""
    said: dict[str, Any] = dict.fromkeys(("author", "snapshot", "alias", "variant", "build", "region", "derivative_of"), "")
    said |= {"model": "lab/m", "sold_by": "host", "rule": "exact"} | values | {"source": source, "provider": "host", "listed_id": listed_id}
    said["offer"] = said.get("offer", f"{said['sold_by']}:{said['model']}@{said['snapshot']}#{said['region']}")
    connection.execute(
        text(f"""
            insert into history.link (key_id, seen, confidence, evidence, suggestions, {", ".join(said)})
            values (hashtextextended(:source || ' ' || :listed_id, 0), tstzrange('2026-01-01', null), 1, '{{}}', '{{}}',
                    {", ".join(f":{column}" for column in said)})"""),
        said,
    )


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, load_models())
        yield connection
        connection.rollback()


def found(connection: Connection, name: str) -> list[tuple[str, str]]:
    """The listings that break a claim, and how; no other claim is broken."""
    by_name = {lint.name: [(one.listed_id, one.said) for one in contradictions(connection, lint)] for lint in LINTS}
    assert all(not broken for other, broken in by_name.items() if other != name)
    return by_name[name]


def test_an_answer_longer_than_its_context_is_a_contradiction(ledger: Connection) -> None:
    listing(ledger, "m", 1, context_tokens=32_768, max_output_tokens=64_000)
    listing(ledger, "n", 1, context_tokens=32_768, max_output_tokens=32_768)
    listing(ledger, "o", 1, max_output_tokens=64_000)
    assert found(ledger, "output_fits_context") == [("m", "an answer may have 64000 tokens, of a context of 32768")]


def test_reading_from_a_cache_dearer_than_reading_afresh_is_a_contradiction(ledger: Connection) -> None:
    for listed_id, amount in (("m", "1.25"), ("n", "0.5")):
        price(ledger, "0.5", 1, listed_id=listed_id)
        price(ledger, amount, 1, listed_id=listed_id, meter="cache_read")
    price(ledger, "2", 1, listed_id="n", meter="cache_read", prompt_above_tokens=200_000)
    assert found(ledger, "cache_read_costs_no_more_than_input") == [("m", "cache_read costs 1.25, and input 0.5")]


def test_a_batch_dearer_than_the_standard_tier_is_a_contradiction(ledger: Connection) -> None:
    price(ledger, "1", 1)
    price(ledger, "1.5", 1, service_tier="batch")
    price(ledger, "1.5", 1, service_tier="priority")
    assert found(ledger, "batch_costs_no_more_than_standard") == [("m", "input (batch) costs 1.5, and the standard price is 1")]


def test_a_price_that_fell_to_zero_while_others_of_its_listing_are_paid_is_a_contradiction(ledger: Connection) -> None:
    price(ledger, "0.3", 1, 5)
    price(ledger, "0", 5)
    price(ledger, "0.6", 1, meter="output")
    for meter in ("input", "output"):
        price(ledger, "1", 1, 5, listed_id="turned free", meter=meter)
        price(ledger, "0", 5, listed_id="turned free", meter=meter)
    price(ledger, "0", 1, listed_id="embedding", meter="output")
    price(ledger, "1", 1, listed_id="embedding")
    assert found(ledger, "prices_fall_to_zero_with_their_listing") == [
        ("m", "input fell from 0.3 to 0 on 2026-01-05, and output still costs 0.6")
    ]


def test_a_region_cheaper_than_none_is_a_contradiction(ledger: Connection) -> None:
    for listed_id, region, amount in (("m", "", "3"), ("eu/m", "eu", "2.7"), ("us/m", "us", "3.3")):
        price(ledger, amount, 1, listed_id=listed_id)
        link(ledger, listed_id, region=region)
    assert found(ledger, "regions_cost_no_less_than_anywhere") == [("eu/m", "input costs 2.7 in eu, and 3 as m")]


def test_the_newest_snapshot_priced_unlike_its_model_is_a_contradiction(ledger: Connection) -> None:
    for listed_id, snapshot, amount in (
        ("m", "", "2.5"),
        ("m-1", "2024-05-13", "5"),
        ("m-2", "2024-08-06", "2.6"),
        ("m-0528", "0528", "9"),
    ):
        price(ledger, amount, 1, listed_id=listed_id)
        link(ledger, listed_id, snapshot=snapshot)
    assert found(ledger, "snapshots_cost_what_their_model_costs") == [("m-2", "input costs 2.6, and 2.5 as m")]
    price(ledger, "2.5", 1, listed_id="m-3")
    link(ledger, "m-3", snapshot="2024-11-20")
    assert found(ledger, "snapshots_cost_what_their_model_costs") == []


def test_two_sources_as_far_apart_as_yuan_and_dollars_are_a_contradiction(ledger: Connection) -> None:
    for source, amount in (("feed", "7.1"), ("other", "1"), ("third", "1.2")):
        price(ledger, amount, 1, source=source)
        link(ledger, "m", source)
    assert found(ledger, "currencies_are_not_in_doubt") == [("m", "input costs 7.1 USD, and 1 USD by other")]


def test_one_number_in_two_currencies_is_a_contradiction(ledger: Connection) -> None:
    for source, currency in (("feed", "CNY"), ("other", "USD")):
        price(ledger, "8", 1, source=source, currency=currency)
        link(ledger, "m", source)
    assert found(ledger, "currencies_are_not_in_doubt") == [("m", "input costs 8 CNY, and 8 USD by other")]


@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.name)
def test_a_lint_says_in_a_sentence_what_it_asks_for(lint: Lint) -> None:
    assert lint.description.endswith(".")
    assert lint.name == lint.name.lower()
