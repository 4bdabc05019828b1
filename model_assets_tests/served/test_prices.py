"""What is served, now and in the past: from any id to its price, and nothing doubtful as a plain number."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import answers, loading, recording_files
from model_assets.answers import named, prices, read_instant, resolve
from model_assets.answers.naming import listed_as
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.identity.corrections import keep_correction
from model_assets.identity.links import refresh_links
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES
from model_assets_tests.conftest import Run
from model_assets_tests.served.conftest import DAY_2

#: an amount that nothing speaks against, as it is printed
PLAIN = re.compile(r"[0-9]+(\.[0-9]+)? [A-Z]{3}")


def refused(connection: Connection, model: str, **options: Any) -> str:
    with pytest.raises(ModelAssetsError) as error:
        prices(connection, model, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- which model is meant ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    ["anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic/claude-sonnet-4.5", "claude-4.5-sonnet", "helicone/claude-4.5-sonnet"],
)
def test_any_id_of_any_source_brings_the_prices_of_the_model_at_all_its_providers(ledger: Connection, given: str) -> None:
    found = {row["provider"] for row in prices(ledger, given)}
    assert found == {"amazon-bedrock", "anthropic", "helicone", "openrouter"}


def test_every_listed_id_is_named_as_the_model_it_is_linked_to(ledger: Connection) -> None:
    links = ledger.execute(text("select provider, listed_id, model, offer from history.link where upper(seen) is null")).all()
    assert len(links) > 300
    for link in links:
        found = named(ledger, f"{link.provider}/{link.listed_id}")
        assert found.model == link.model, link
        assert link.offer in found.offers or found.given == found.model  # a canonical id stands for all offers


def test_every_id_that_is_priced_now_is_answered_with_a_price(ledger: Connection) -> None:
    listed = ledger.execute(text("select distinct on (offer) listed_id, source_provider, offer from catalog.price order by offer")).all()
    assert len(listed) > 100
    for row in listed:
        assert row.offer in {found["offer"] for found in prices(ledger, row.listed_id, provider=row.source_provider, everything=True)}


def test_an_id_that_nobody_listed_is_answered_where_its_name_leads_to_a_model(ledger: Connection) -> None:
    assert {row["snapshot"] for row in prices(ledger, "claude-sonnet-4-5@20250929", provider="amazon-bedrock")} == {"2025-09-29"}
    [link] = resolve(ledger, "claude-sonnet-4-5@20250929")
    assert (link.source, link.model, link.snapshot) == ("", "anthropic/claude-sonnet-4-5", "2025-09-29")


def test_snapshots_variants_builds_regions_and_derivatives_are_told_apart(ledger: Connection) -> None:
    def told(given: str) -> tuple[str | None, str, str, str, str]:
        link = resolve(ledger, given)[0]
        return link.model, link.snapshot, link.variant, link.build, link.region

    sonnet = "anthropic/claude-sonnet-4-5"
    assert told("us.anthropic.claude-sonnet-4-5-20250929-v1:0") == (sonnet, "2025-09-29", "", "", "us")
    assert told("claude-sonnet-4-5@20250929") == (sonnet, "2025-09-29", "", "", "")
    assert told("anthropic/claude-sonnet-4.5") == (sonnet, "", "", "", "")
    assert told("claude-sonnet-4-20250514")[0] != sonnet
    assert told("openai/gpt-oss-20b:free") == ("openai/gpt-oss-20b", "", "free", "", "")
    assert told("llama-3.3-70b-instruct-fp8") == ("meta/llama-3.3-70b-instruct", "", "", "fp8", "")
    [derived] = resolve(ledger, "llama-3.3-70b-instruct-abliterated")
    assert (derived.model, derived.derivative_of) == (None, "meta/llama-3.3-70b-instruct")


def test_an_id_whose_version_nobody_has_seen_is_refused_with_the_nearest_none_of_which_is_used(ledger: Connection) -> None:
    said = refused(ledger, "claude-sonnet-9")
    assert said.startswith("'claude-sonnet-9' was not resolved: no model is known by this name. The nearest known are: ")
    assert "anthropic/claude-sonnet-4-5" in said
    assert refused(ledger, "xyzzy").endswith("None comes near.")


def test_an_id_that_names_several_models_is_refused_with_all_of_them(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        word: dict[str, Any] = {"source": "models_dev", "provider": "azure", "since": None, "why": "to see", "by": "somebody"}
        keep_correction(connection, "gpt-4o", "openai/gpt-4o-mini", **word)
        refresh_links(connection)
        said = refused(connection, "gpt-4o")
        assert {row["model"] for row in prices(connection, "gpt-4o", provider="azure")} == {"openai/gpt-4o-mini"}
        assert {row["model"] for row in prices(connection, "gpt-4o", provider="openai")} == {"openai/gpt-4o"}
        assert {row["model"] for row in prices(connection, "openai/gpt-4o")} == {"openai/gpt-4o"}
    assert said == (
        "'gpt-4o' names several models: openai/gpt-4o at openai; openai/gpt-4o-mini at azure."
        " Say which, by its canonical id or with --provider."
    )


def test_an_id_of_openrouters_own_feed_is_what_openrouter_says_though_others_list_it_as_another_model(settled_copy: str) -> None:
    def listed(given: str) -> set[tuple[str, str | None]]:
        return {(row["offer"].partition(":")[0], row["model"]) for row in prices(connection, given)}

    with connect(settled_copy) as connection:
        assert {link.source for link in listed_as(connection, "openrouter/auto")} >= {"openrouter", "models_dev"}
        assert listed("openrouter/auto") == {("openrouter", None)}
        word: dict[str, Any] = {"source": "models_dev", "provider": None, "since": None, "why": "to see", "by": "somebody"}
        keep_correction(connection, "openrouter/auto", "openai/gpt-4o-mini", **word)
        refresh_links(connection)
        assert {link.model for link in listed_as(connection, "openrouter/auto")} == {None, "openai/gpt-4o-mini"}
        assert listed("openrouter/auto") == {("openrouter", None)}
        keep_correction(connection, "openrouter/auto", "openai/gpt-4o", **{**word, "source": "openrouter"})
        refresh_links(connection)
        assert {model for _, model in listed("openrouter/auto")} == {"openai/gpt-4o"}


def test_an_id_that_names_a_region_has_the_prices_of_that_region(ledger: Connection) -> None:
    rows = prices(ledger, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", meter="input")
    assert {(row["region"], row["amount"]) for row in rows} == {("eu", "3.3")}
    said = refused(ledger, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert said.startswith("anthropic/claude-sonnet-4-5 has no price at ")


def test_a_free_variant_is_not_the_model_and_is_served_by_its_own_name(ledger: Connection) -> None:
    assert {row["state"] for row in prices(ledger, "openai/gpt-oss-20b:free")} == {"free"}
    assert "free" not in {row["state"] for row in prices(ledger, "openai/gpt-oss-20b")}


def test_an_empty_ledger_says_how_to_load(url: str) -> None:
    with connect(url) as connection:
        assert refused(connection, "gpt-4o").startswith("The ledger is empty. Load something first")


# --- when -------------------------------------------------------------------------------------------------------------------------------


def test_a_model_that_is_gone_has_its_past_price_and_says_until_when(ledger: Connection) -> None:
    assert {row["amount"] for row in prices(ledger, "grok-4", as_of=DAY_2, provider="xai", meter="input")} == {"3"}
    said = refused(ledger, "grok-4")
    assert said.endswith(
        "It was listed from 2026-05-18T02:00Z until 2026-05-20T02:00Z: `model-assets history grok-4` shows when it had one."
    )


def test_a_price_with_dates_is_answered_in_the_past_and_in_the_announced_future(ledger: Connection) -> None:
    def costs(model: str, at: str, provider: str) -> set[Any]:
        return {row["amount"] for row in prices(ledger, model, as_of=read_instant(at), provider=provider, meter="input")}

    assert (costs("o3", "2025-06-08", "openai"), costs("o3", "2026-05-20", "openai")) == ({"10"}, {"2"})
    assert (costs("command-a-03-2025", "2026-12-31", "cohere"), costs("command-a-03-2025", "2027-01-01", "cohere")) == ({"2.5"}, {"2"})


def test_what_was_not_known_yet_is_not_answered(ledger: Connection) -> None:
    assert refused(ledger, "gpt-4o", known_at=read_instant("2026-05-01")) == (
        "Nothing was known of openai/gpt-4o at 2026-05-01T23:59:59Z: it is seen since 2026-05-18T02:00Z. Ask with a later --known-at."
    )


def test_a_provider_that_does_not_sell_the_model_is_told_who_does(ledger: Connection) -> None:
    assert (
        refused(ledger, "gpt-4o", provider="nobody") == "openai/gpt-4o is not sold by 'nobody'. It is sold by: azure, openai, openrouter."
    )


# --- nothing doubtful is a plain number -------------------------------------------------------------------------------------------------


def test_an_id_of_one_provider_is_asked_for_at_another(ledger: Connection) -> None:
    rows = prices(ledger, "claude-4.5-sonnet", provider="anthropic", meter="input")
    assert {row["offer"] for row in rows} == {"anthropic:anthropic/claude-sonnet-4-5"}
    assert [row["amount"] for row in rows if row["service_tier"] == "standard"] == ["3", "6"]


def test_a_number_stands_alone_only_where_it_is_paid_and_nothing_speaks_against_it(ledger: Connection) -> None:
    models = ledger.execute(text("select distinct coalesce(model, listed_id) from catalog.price")).scalars()
    rows = [row for model in models for row in prices(ledger, model, everything=True)]
    assert {row["state"] for row in rows} >= {"paid", "unknown", "dynamic", "included"}
    assert sum(row["disputed"] for row in rows) > 5
    assert sum(row["unconfirmed"] for row in rows) == 2
    for row in rows:
        certain = row["state"] == "paid" and not (row["held"] or row["disputed"] or row["unconfirmed"])
        assert bool(PLAIN.fullmatch(row["served"])) == certain, row["served"]
        assert (row["amount"] is None) == (row["state"] not in ("paid", "free"))


def test_a_held_price_is_the_last_good_one_and_names_the_newer_one(url: str) -> None:
    recordings = [one for one in recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings if one.source == "litellm"]
    loading.import_recordings(url, recordings, lambda _: None)
    settle(url, read_settings().model_policy_file)
    with connect(url) as connection:
        [row] = prices(connection, "groq/llama-3.3-70b-versatile", meter="input")
    assert (row["amount"], row["held"]) == ("0.59", True)
    assert row["served"] == "0.59 USD (held: litellm says 5.9 USD)"
    assert "multiplied by exactly 10" in row["held_reasons"][0]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("codestral-latest", "0.3 USD (disputed: 0.3 to 1)"),
        ("github-copilot/gpt-4.1", "2 USD (unconfirmed)"),
        ("openrouter/auto", "dynamic"),
        ("google/gemma-4-31b-it", "unknown"),
        ("openai/gpt-oss-20b:free", "free"),
        ("zai-coding-plan/glm-4.7", "included"),
    ],
)
def test_the_table_says_in_words_what_speaks_against_a_number(ask: Run, model: str, said: str) -> None:
    code, out, err = ask("price", model)
    assert (code, err) == (0, "")
    assert f"│ {said} " in out


def test_json_has_what_speaks_against_a_number_beside_it(ask: Run) -> None:
    rows = json.loads(ask("price", "codestral-latest", "--provider", "mistral", "--json")[1])
    assert [(row["meter"], row["amount"], row["disputed"], row["lowest"], row["highest"]) for row in rows] == [
        ("input", "0.3", True, "0.3", "1"), ("output", "0.9", True, "0.9", "3"),
    ]  # fmt: skip
    assert {
        name
        for row in rows
        for name in ("held", "unconfirmed", "rule", "source", "observed_at", "payload_sha256", "age")
        if name not in row
    } == set()


def test_what_one_source_says_is_told_with_claims_and_only_with_claims(ask: Run) -> None:
    rows = json.loads(ask("price", "groq/llama-3.3-70b-versatile", "--claims", "--source", "litellm", "--meter", "input", "--json")[1])
    assert [row["amount"] for row in rows] == ["5.9"]
    code, out, err = ask("price", "gpt-4o", "--source", "litellm")
    assert (code, out) == (2, "")
    assert "add --claims" in err


def test_the_answers_are_plain_values_that_json_can_hold(ledger: Connection) -> None:
    [row, *_] = prices(ledger, "gpt-4o")
    assert json.loads(json.dumps(row)) == row
    assert answers.plain({"at": datetime(2026, 5, 18, tzinfo=UTC)}) == {"at": "2026-05-18T00:00:00Z"}
