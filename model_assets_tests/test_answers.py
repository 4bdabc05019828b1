"""Answers from a ledger that holds the three bundled days: prices at an instant, differences, and what to ask instead."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from model_assets import answers, database
from model_assets.answers import claims, difference, read_instant
from model_assets.answers.naming import ids_of, named
from model_assets.errors import ModelAssetsError
from model_assets.sources import SOURCES

DAY_1, DAY_2, DAY_3 = (read_instant(f"2026-05-{day}") for day in (18, 19, 20))


@pytest.fixture
def ledger(settled: str) -> Iterator[Connection]:
    with database.connect(settled) as connection:
        yield connection


def costs(
    connection: Connection,
    model: str,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    provider: str | None = None,
    source: str | None = None,
) -> dict[str, str | None]:
    """meter -> amount, or the state where there is none; of one source's one listing."""
    rows = claims(connection, model, as_of, known_at, provider, source)
    assert len({(row["source"], row["provider"]) for row in rows}) == 1
    return {row["meter"]: row["amount"] if row["state"] == "paid" else row["state"] for row in rows if row["service_tier"] == "standard"}


def refused(connection: Connection, model: str, *options: object) -> str:
    with pytest.raises(ModelAssetsError) as error:
        claims(connection, model, *(*options, None, None, None, None)[:4])  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


# --- instants ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "2026-05-18T02:00Z", "2026-05-18T0200Z", "2026-05-18T020000Z", "2026-05-18T02:00:00Z", "2026-05-18T02:00:00.000Z", " 2026-05-18T02:00Z ",
        "2026-05-18T02:00", "2026-05-18 02:00", "2026-05-18T04:00+02:00", "2026-05-17T21:30-0430",
    ],
)  # fmt: skip
def test_an_instant_is_read_in_every_usual_form_and_is_utc_where_no_zone_is_said(given: str) -> None:
    assert read_instant(given) == datetime(2026, 5, 18, 2, tzinfo=UTC)
    assert read_instant(given).tzinfo is UTC


def test_a_day_stands_for_its_last_moment_even_the_last_day_of_the_calendar() -> None:
    assert read_instant("2026-05-18") == datetime(2026, 5, 18, 23, 59, 59, 999_999, tzinfo=UTC)
    assert read_instant("9999-12-31").year == 9999


def test_now_is_now() -> None:
    assert abs((read_instant("now") - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize(
    "given",
    ["", "yesterday", "2026-13-01", "2026-02-30", "2026-05-18T25:00Z", "20260518", "2026-W21-1", "0001-01-01T00:00+14:00", "18.5.2026"],
)
def test_what_is_no_instant_is_refused_with_the_forms_there_are(given: str) -> None:
    with pytest.raises(ModelAssetsError, match=r"is no instant. Use 2026-01-16T00:10Z, a day such as 2026-01-16"):
        read_instant(given)


# --- prices -----------------------------------------------------------------------------------------------------------------------------


def test_a_price_is_the_exact_text_per_million_tokens(ledger: Connection) -> None:
    [row] = [row for row in claims(ledger, "openai/gpt-4o-mini:batch", None, None, None, "openrouter") if row["meter"] == "cache_read"]
    assert (row["amount"], row["currency"], row["per"], row["state"]) == ("0.0375", "USD", "1M tokens", "paid")


def test_the_price_of_a_past_instant_is_the_one_that_was_seen_then(ledger: Connection) -> None:
    scout = [costs(ledger, "meta-llama/llama-4-scout", at, source="openrouter")["input"] for at in (DAY_1, DAY_2, DAY_3)]
    assert scout == ["0.08", "0.1", "0.08"]


def test_a_change_holds_from_the_very_instant_it_was_seen_at(ledger: Connection) -> None:
    asked = [read_instant(text) for text in ("2026-05-19T01:59:59.999999Z", "2026-05-19T02:00Z")]
    assert [costs(ledger, "deepseek/deepseek-v4-flash", at, source="openrouter")["input"] for at in asked] == ["0.126", "0.112"]


def test_known_at_answers_with_what_was_known_then(ledger: Connection) -> None:
    assert costs(ledger, "groq/llama-3.3-70b-versatile", DAY_3, source="litellm")["input"] == "5.9"
    assert costs(ledger, "groq/llama-3.3-70b-versatile", DAY_3, DAY_2, source="litellm")["input"] == "0.59"


def test_a_dated_price_is_found_before_it_was_first_seen_and_an_announced_one_after_its_start(ledger: Connection) -> None:
    assert [
        costs(ledger, "o3", read_instant(f"2025-06-{day}"), provider="openai", source="genai_prices")["input"] for day in ("09", "10")
    ] == [
        "10",
        "2",
    ]
    assert costs(ledger, "command-a-03-2025", read_instant("2026-12-31T23:59Z"), source="genai_prices") == {"input": "2.5", "output": "10"}
    assert costs(ledger, "command-a-03-2025", read_instant("2027-01-01T00:00Z"), source="genai_prices") == {"input": "2", "output": "8"}


def test_an_id_without_filters_is_answered_for_every_source_and_provider(ledger: Connection) -> None:
    found = {(row["source"], row["provider"]) for row in claims(ledger, "gpt-4o", None, None, None, None)}
    assert found == {("genai_prices", "openai"), ("litellm", "openai"), ("models_dev", "openai"), ("models_dev", "azure")}
    assert {row["provider"] for row in claims(ledger, "gpt-4o", None, None, "azure", None)} == {"azure"}
    assert {row["provider"] for row in claims(ledger, "azure/gpt-4o", None, None, None, "models_dev")} == {"azure"}


@pytest.mark.parametrize(
    ("model", "source", "state"),
    [
        ("openrouter/auto", "openrouter", "dynamic"),
        ("openrouter/auto", "models_dev", "unknown"),
        ("gemma-4-31b-it", "models_dev", "unknown"),
        ("openai/gpt-oss-20b:free", "openrouter", "free"),
        ("zai-coding-plan/glm-4.7", "models_dev", "included"),
    ],
)
def test_a_price_that_is_no_amount_has_a_word_and_only_free_has_a_zero(ledger: Connection, model: str, source: str, state: str) -> None:
    rows = claims(ledger, model, None, None, None, source)
    assert {row["state"] for row in rows} == {state}
    assert {row["amount"] for row in rows} == {"0" if state == "free" else None}


# --- what to ask instead ----------------------------------------------------------------------------------------------------------------


def test_an_unknown_id_brings_the_ids_that_contain_it_or_are_spelt_alike(ledger: Connection) -> None:
    assert refused(ledger, "GPT-4o").startswith("No source lists 'GPT-4o'. Ids are taken letter for letter; the nearest are: gpt-4o, ")
    assert "the nearest are: gpt-4o" in refused(ledger, "gpt4o")
    assert "openai/gpt-4o" in refused(ledger, "openai/gpt4o")
    assert refused(ledger, "xyzzy-9") == "No source lists 'xyzzy-9'. Ids are taken letter for letter; none comes near."


def test_a_listed_id_at_a_time_without_price_says_when_it_was_listed(ledger: Connection) -> None:
    assert refused(ledger, "grok-4", read_instant("2026-05-20T02:00Z")) == (
        "'grok-4' has no price at 2026-05-20T02:00Z. It was listed from 2026-05-18T02:00Z until 2026-05-20T02:00Z; ask with --as-of within that time."
    )
    assert refused(ledger, "gpt-4o", read_instant("2026-05-01T00:00Z")).endswith(
        "It was listed from 2026-05-18T02:00Z until now; ask with --as-of within that time."
    )
    assert "It was listed from" in refused(ledger, "azure/gpt-4o", read_instant("2026-05-01"), None, None, "models_dev")  # provider/id


def test_an_id_of_another_provider_or_source_says_whose_it_is(ledger: Connection) -> None:
    assert refused(ledger, "grok-4", DAY_1, None, "nobody") == (
        "'grok-4' is not listed by provider 'nobody'. It is listed by: x-ai (in genai_prices), xai (in models_dev)."
    )
    assert "is not listed by provider 'xai' and source 'litellm'" in refused(ledger, "grok-4", DAY_1, None, "xai", "litellm")


def test_an_id_that_was_not_known_yet_says_since_when_it_is(ledger: Connection) -> None:
    assert refused(ledger, "gpt-4o", None, read_instant("2026-05-01T00:00Z")) == (
        "Nothing was known of 'gpt-4o' at 2026-05-01T00:00Z: it was seen from 2026-05-18T02:00Z until now. Ask with a later --known-at, or without."
    )


def test_an_empty_ledger_says_how_to_load(url: str) -> None:
    with database.connect(url) as connection:
        assert refused(connection, "gpt-4o").startswith("The ledger is empty. Load something first")


# --- differences ------------------------------------------------------------------------------------------------------------------------


def test_a_difference_names_each_listing_that_appeared_or_vanished(ledger: Connection) -> None:
    found = [(row["change"], row["listed_id"]) for row in difference(ledger, DAY_1, DAY_3, "openrouter").listings]
    assert found == [("appeared", "google/gemini-3.5-flash"), ("appeared", "inclusionai/ring-2.6-1t"), ("vanished", "x-ai/grok-4")]


def test_a_difference_names_each_price_that_opened_closed_or_changed_from_what_to_what(ledger: Connection) -> None:
    rows = difference(ledger, DAY_1, DAY_3, "openrouter").prices
    moved = {(row["change"], row["listed_id"]) for row in rows}
    assert moved == {
        ("changed", "deepseek/deepseek-v4-flash"), ("changed", "qwen/qwen3-coder"), ("opened", "google/gemini-3.5-flash"),
        ("opened", "inclusionai/ring-2.6-1t"), ("closed", "x-ai/grok-4"),
    }  # fmt: skip
    [qwen] = [row for row in rows if row["listed_id"] == "qwen/qwen3-coder"]
    assert (qwen["meter"], qwen["from_amount"], qwen["to_amount"], qwen["ratio"][:6]) == ("output", "1.8", "1.5", "0.8333")
    closed = next(row for row in rows if row["change"] == "closed" and row["meter"] == "input")
    assert (closed["from_state"], closed["from_amount"], closed["to_state"], closed["to_amount"]) == ("paid", "3", None, None)


def test_a_price_that_was_included_and_is_paid_now_has_no_ratio(ledger: Connection) -> None:
    rows = {row["meter"]: row for row in difference(ledger, DAY_1, DAY_2, "models_dev").prices if row["provider"] == "github-copilot"}
    assert {name: rows["input"][name] for name in ("change", "from_state", "from_amount", "to_state", "to_amount", "ratio")} == {
        "change": "changed", "from_state": "included", "from_amount": None, "to_state": "paid", "to_amount": "2", "ratio": None,
    }  # fmt: skip


def test_what_went_and_came_back_is_no_difference_and_neither_is_an_instant_with_itself(ledger: Connection) -> None:
    assert not [row for row in difference(ledger, DAY_1, DAY_3, None).prices if row["listed_id"] == "meta-llama/llama-4-scout"]
    assert difference(ledger, DAY_2, DAY_2, None) == answers.Difference([], [])


def test_a_difference_of_all_sources_is_that_of_each(ledger: Connection) -> None:
    together = difference(ledger, DAY_1, DAY_3, None).prices
    assert together == sorted(
        (row for name in SOURCES for row in difference(ledger, DAY_1, DAY_3, name).prices),
        key=lambda row: (row["change"], row["source"]),
    )


def test_two_instants_in_the_wrong_order_are_refused(ledger: Connection) -> None:
    with pytest.raises(ModelAssetsError, match=r"--from 2026-05-20T02:00Z is later than --to 2026-05-18T02:00Z\. Exchange the two\."):
        difference(ledger, read_instant("2026-05-20T02:00Z"), read_instant("2026-05-18T02:00Z"), None)


# --- prices of some ids ------------------------------------------------------------------------------------------------------------------


def test_what_is_served_is_the_same_whether_all_is_looked_at_or_only_the_ids_of_what_is_meant(ledger: Connection) -> None:
    served = text(
        "select served::text from catalog.price_as_of(:at, :known, null, cast(:ids as text[])) as served where offer = any(:offers) order by 1"
    )
    given = ledger.execute(
        text("select coalesce(model, listed_id), array_agg(distinct offer) from history.link group by 1 order by 1")
    ).all()
    assert len(given) > 10
    rows = 0
    for at, known in ((DAY_1, DAY_1), (DAY_2, DAY_3), (DAY_3, DAY_1)):
        for id_, offers in given:
            asked = {"at": at, "known": known, "offers": offers}
            whole = ledger.execute(served, {**asked, "ids": None}).all()
            assert ledger.execute(served, {**asked, "ids": ids_of(ledger, named(ledger, id_))}).all() == whole
            rows += len(whole)
    assert rows > 100


# --- how much there is -------------------------------------------------------------------------------------------------------------------


def test_what_a_source_brought_last_is_what_the_ledger_holds_of_it(ledger: Connection) -> None:
    counted = """
        select health.source, listings, prices from catalog.source_health as health
        except all
        select health.source, (select count(*) from history.listing where source = health.source and upper(seen) is null),
               (select count(*) from history.price where source = health.source and upper(seen) is null)
        from catalog.source_health as health"""
    assert ledger.execute(text(counted)).all() == []
    assert ledger.scalar(text("select sum(listings) from catalog.source_health")) > 0
