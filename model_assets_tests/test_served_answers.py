"""What is served and why, asked of a settled ledger that holds the three bundled days: from any id to its price, and from a price to its bytes."""

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import answers, cli, loading, recording_files
from model_assets.answers import disputes, held, history, named, payload_bytes, prices, read_instant, resolve, why
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.fetching import strict_json
from model_assets.identity.links import correct, refresh_links
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES
from model_assets.sources.base import as_json

DAY_1, DAY_2, DAY_3 = (read_instant(f"2026-05-{day}") for day in (18, 19, 20))
#: an amount that nothing speaks against, as it is printed
PLAIN = re.compile(r"[0-9]+(\.[0-9]+)? [A-Z]{3}")
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ledger(settled: str) -> Iterator[Connection]:
    with connect(settled) as connection:
        yield connection


@pytest.fixture
def ask(settled: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command line on the settled database: (exit code, stdout, stderr)."""
    monkeypatch.setenv("DATABASE_URL", settled)
    monkeypatch.setenv("COLUMNS", "400")

    def go(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(word) for word in words])
        return (int(end.value.code or 0), *capsys.readouterr())

    return go


def refused(connection: Connection, model: str, **options: Any) -> str:
    with pytest.raises(ModelAssetsError) as error:
        prices(connection, model, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def at_pointer(payload: Any, pointer: str) -> Any:
    """What a JSON pointer leads to."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        payload = payload[int(name)] if isinstance(payload, list) else payload[name]
    return payload


def recorded(source: str, at: datetime) -> bytes:
    return gzip.decompress((BUNDLED_RECORDINGS / source / f"{at:%Y-%m-%dT%H%M}Z.json.gz").read_bytes())


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
        correct(connection, "gpt-4o", "openai/gpt-4o-mini", source="models_dev", provider="azure", since=None, why="to see", by="somebody")
        said = refused(connection, "gpt-4o")
        assert {row["model"] for row in prices(connection, "gpt-4o", provider="azure")} == {"openai/gpt-4o-mini"}
        assert {row["model"] for row in prices(connection, "gpt-4o", provider="openai")} == {"openai/gpt-4o"}
        assert {row["model"] for row in prices(connection, "openai/gpt-4o")} == {"openai/gpt-4o"}
    assert said == (
        "'gpt-4o' names several models: openai/gpt-4o at openai; openai/gpt-4o-mini at azure."
        " Say which, by its canonical id or with --provider."
    )


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
def test_the_table_says_in_words_what_speaks_against_a_number(ask: Ask, model: str, said: str) -> None:
    code, out, err = ask("price", model)
    assert (code, err) == (0, "")
    assert f"│ {said} " in out


def test_json_has_what_speaks_against_a_number_beside_it(ask: Ask) -> None:
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


def test_what_one_source_says_is_told_with_claims_and_only_with_claims(ask: Ask) -> None:
    rows = json.loads(ask("price", "groq/llama-3.3-70b-versatile", "--claims", "--source", "litellm", "--meter", "input", "--json")[1])
    assert [row["amount"] for row in rows] == ["5.9"]
    code, out, err = ask("price", "gpt-4o", "--source", "litellm")
    assert (code, out) == (2, "")
    assert "add --claims" in err


# --- why --------------------------------------------------------------------------------------------------------------------------------


def price_ids(connection: Connection) -> list[str]:
    """Ids of served prices: the first few of each source."""
    query = """
        select lpad(to_hex(key_id), 16, '0')
        from (select *, row_number() over (partition by source order by offer, meter, service_tier, prompt_above_tokens) as place from catalog.price) p
        where place % 60 = 1"""
    return list(connection.execute(text(query)).scalars())


def test_a_price_leads_to_the_payload_that_says_it_hashed_and_read_again(ledger: Connection) -> None:
    asked = price_ids(ledger)
    assert len(asked) >= 8
    sources = set()
    for price_id in asked:
        found = why(ledger, price_id)
        claim, payload = found["claim"], found["payload"]
        body = recorded(claim["source"], datetime.fromisoformat(payload["observed_at"]))
        assert (payload["sha256"], payload["hash_is_right"], payload["bytes"]) == (sha256(body).hexdigest(), True, len(body))
        assert payload["read_again"] == "the same"
        assert payload_bytes(ledger, price_id) == body
        assert payload["entry"] == as_json(at_pointer(strict_json.loads(body), payload["where"]))
        assert found["price_id"] == price_id
        assert found["served"]["amount"] == claim["amount"]
        assert claim["source"] in {one["source"] for one in found["claims"]}
        sources.add(claim["source"])
    assert sources >= {"genai_prices", "models_dev", "openrouter"}


def test_the_entry_is_that_of_the_listing(ledger: Connection) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    found = why(ledger, row["price_id"])
    assert (found["payload"]["where"], json.loads(found["payload"]["entry"])["id"]) == ("/azure/models/gpt-4o", "gpt-4o")


def test_why_names_every_claim_the_rule_the_link_and_the_doubts_of_the_gate(ledger: Connection) -> None:
    query = "select lpad(to_hex(key_id), 16, '0') from ops.held_change where kind = 'held'"
    found = why(ledger, ledger.execute(text(query)).scalar_one())
    assert (found["claim"]["source"], found["claim"]["amount"]) == ("litellm", "5.9")
    assert (found["served"]["source"], found["served"]["amount"], found["served"]["rule"]) == ("genai_prices", "0.59", "the first in rank")
    assert {(one["source"], one["amount"], one["held"]) for one in found["claims"]} == {
        ("genai_prices", "0.59", False), ("models_dev", "0.59", False), ("litellm", "0.59", True),
    }  # fmt: skip
    assert found["link"]["model"] == "meta/llama-3.3-70b-instruct"
    [doubt] = found["gate"]
    assert (doubt["kind"], doubt["from_amount"], doubt["to_amount"], doubt["outcome"]) == ("held", "0.59", "5.9", "open")


def test_why_of_a_past_price_is_the_claim_and_the_payload_of_the_past(ledger: Connection) -> None:
    query = "select lpad(to_hex(key_id), 16, '0') from ops.held_change where kind = 'held'"
    price_id = ledger.execute(text(query)).scalar_one()
    found = why(ledger, price_id, as_of=DAY_1)
    assert (found["claim"]["amount"], found["payload"]["observed_at"]) == ("0.59", "2026-05-18T02:00:00Z")
    assert payload_bytes(ledger, price_id, as_of=DAY_1) == recorded("litellm", datetime(2026, 5, 18, 2, tzinfo=UTC))
    assert payload_bytes(ledger, price_id) == recorded("litellm", datetime(2026, 5, 20, 2, tzinfo=UTC))


def test_a_payload_that_was_tampered_with_is_found_out(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        row, _batch = prices(connection, "gpt-4o", provider="azure", meter="input")
        other = gzip.compress(recorded("models_dev", datetime(2026, 5, 18, 2, tzinfo=UTC)).replace(b"gpt-4o", b"gpt-4p"))
        connection.execute(
            text("update raw.body set gzip = :other where sha256 = decode(:sha256, 'hex')"),
            {"other": other, "sha256": row["payload_sha256"]},
        )
        found = why(connection, row["price_id"])["payload"]
    assert (found["hash_is_right"], found["read_again"] == "the same") == (False, False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("gpt-4o", "'gpt-4o' is no id of a price."),
        ("abc", "'abc' is no id of a price."),
        ("0000000000000001", "no price has an id that begins with '0000000000000001'."),
    ],
)
def test_what_is_no_id_of_a_price_is_refused_with_where_the_ids_are(ledger: Connection, asked: str, said: str) -> None:
    with pytest.raises(ModelAssetsError, match=re.escape(said)) as error:
        why(ledger, asked)
    assert "`model-assets price MODEL` shows the ids" in str(error.value)


def test_the_beginning_of_an_id_will_do(ledger: Connection) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    assert why(ledger, row["price_id"][:8])["price_id"] == row["price_id"]


def test_the_command_tells_it_in_lines_and_writes_the_very_bytes(ask: Ask, ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    # at an instant, or its age differs between the two
    assert json.loads(ask("why", row["price_id"], "--as-of", "2026-05-20", "--json")[1]) == why(ledger, row["price_id"], DAY_3)
    code, out, err = ask("why", row["price_id"][:8])
    assert (code, err) == (0, "")
    assert "computed again: right" in out
    assert "read again the same" in out
    assert f"sha256     {row['payload_sha256']}" in out
    assert "entry      /azure/models/gpt-4o" in out
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written))
    with pytest.raises(SystemExit) as end:
        cli.main(["why", row["price_id"], "--payload"])
    assert end.value.code == 0
    assert sha256(written.getvalue()).hexdigest() == row["payload_sha256"]


# --- history, disputes, held ------------------------------------------------------------------------------------------------------------


def test_the_history_of_a_model_has_its_listings_and_every_price_with_what_the_gate_made_of_it(ledger: Connection) -> None:
    listings, claimed = history(ledger, "llama-3.3-70b-versatile", provider="groq", meter="input")
    assert {(row["source"], row["first_seen"], row["last_seen"]) for row in listings} == {
        (source, "2026-05-18T02:00:00Z", None) for source in ("genai_prices", "litellm", "models_dev")
    }
    assert [row["said"] for row in claimed if row["source"] == "litellm"] == ["0.59 USD", "5.9 USD (held; disputed)"]
    listings, _ = history(ledger, "grok-4", provider="xai")
    assert {row["last_seen"] for row in listings if row["source"] != "models_dev_models"} == {"2026-05-20T02:00:00Z"}


def test_a_history_at_a_provider_that_never_listed_it_is_refused(ledger: Connection) -> None:
    with pytest.raises(ModelAssetsError, match="was never listed by 'nobody'"):
        history(ledger, "gpt-4o", provider="nobody")
    with pytest.raises(ModelAssetsError, match=r"^openai/gpt-4o \(high\) was never listed\. Ask for openai/gpt-4o itself"):
        history(ledger, "gpt-4o-high")


def test_disputes_name_each_side_the_largest_first_and_those_that_closed_when_asked(ledger: Connection) -> None:
    found = disputes(ledger, model=None, provider=None, everything=False, limit=50)
    ratios = [float(row["ratio"]) for row in found]
    assert ratios == sorted(ratios, reverse=True)
    assert not [row for row in found if row["closed_at"]]
    [codestral] = [row for row in found if row["offer"].startswith("mistral:") and row["meter"] == "input"]
    assert {(side["source"], side["amount"]) for side in codestral["sides"]} == {
        ("genai_prices", "0.3"),
        ("litellm", "1"),
        ("models_dev", "0.3"),
    }
    closed = [row for row in disputes(ledger, model=None, provider=None, everything=True, limit=50) if row["closed_at"]]
    assert {(row["offer"], row["opened_at"], row["closed_at"]) for row in closed} >= {
        ("openrouter:meta/llama-4-scout-17b-16e-instruct", "2026-05-19T02:00:00Z", "2026-05-20T02:00:00Z")
    }


def test_disputes_of_a_model_are_asked_for_by_any_of_its_ids(ask: Ask) -> None:
    found = [json.loads(ask("disputes", "--model", given, "--json")[1]) for given in ("codestral-latest", "mistral/codestral")]
    assert found[0] == found[1]
    assert {row["model"] for row in found[0]} == {"mistral/codestral"}


def test_the_held_and_the_unconfirmed_are_told_with_their_reasons(ledger: Connection, ask: Ask) -> None:
    found = {(row["kind"], row["listed_id"], row["meter"]): row for row in held(ledger, everything=False, limit=50)}
    assert set(found) == {
        ("held", "groq/llama-3.3-70b-versatile", "input"), ("marked", "gpt-4.1", "input"), ("marked", "gpt-4.1", "output"),
    }  # fmt: skip
    assert found["marked", "gpt-4.1", "input"]["reasons"] == ["it was included in a plan and now costs 2 USD"]
    code, out, _ = ask("held")
    assert code == 0
    assert "0.59 -> 5.9" in out


def test_a_person_releases_a_held_price_and_it_is_served(settled_copy: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    [one] = [row for row in json.loads(ask("held", "--json")[1]) if row["kind"] == "held"]
    code, out, err = ask("held", "release", one["held_id"], "--why", "asked the vendor")
    assert (code, out, err) == (0, f"{one['held_id']} is released: litellm counts with 5.9, not with 0.59.\n", "")
    assert [row["held_id"] for row in json.loads(ask("held", "--json")[1]) if row["kind"] == "held"] == []
    with connect(settled_copy) as connection:
        query = "select amount::text from catalog.listing_price where source = 'litellm' and listed_id = :id and meter = 'input'"
        assert connection.execute(text(query), {"id": one["listed_id"]}).scalars().all() == ["5.9"]
    [row] = [row for row in json.loads(ask("held", "--all", "--json")[1]) if row["held_id"] == one["held_id"]]
    assert (row["outcome"], row["ended_why"]) == ("released", "asked the vendor")
    code, out, err = ask("held", "release", "nosuch", "--why", "so")
    assert (code, out) == (1, "")
    assert "no held change has the id 'nosuch'" in err
    code, out, err = ask("held", "reject", one["held_id"], "--why", "the vendor was wrong")
    assert (code, out, err) == (0, f"{one['held_id']} is rejected: litellm counts with 0.59, not with 5.9.\n", "")
    with connect(settled_copy) as connection:
        assert connection.execute(text(query), {"id": one["listed_id"]}).scalars().all() == ["0.59"]
    found = json.loads(ask("held", "release", one["held_id"], "--why", "so", "--json")[1])
    assert (found["held_id"], found["outcome"], found["ended_why"]) == (one["held_id"], "released", "so")


def test_what_is_said_after_a_word_on_an_unconfirmed_price_is_true_of_it(
    settled_copy: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    [one] = [row for row in json.loads(ask("held", "--json")[1]) if (row["kind"], row["meter"]) == ("marked", "input")]
    for verdict, said in (
        ("reject", "rejected: what models_dev says, 2, stays unconfirmed, as there is no better value"),
        ("release", "released: what models_dev says, 2, is not unconfirmed any more"),
    ):
        assert ask("held", verdict, one["held_id"], "--why", "looked") == (0, f"{one['held_id']} is {said}.\n", "")
        shown = ask("price", "github-copilot/gpt-4.1", "--meter", "input")[1]
        assert ("2 USD (unconfirmed)" in shown) == (verdict == "reject")


@pytest.mark.parametrize("why", ["", "  ", "\t\n", "\u200b"])
@pytest.mark.parametrize(
    "words", [("held", "release", "x"), ("held", "reject", "x"), ("identity", "correct", "x", "a/b"), ("identity", "undo", "1")]
)
def test_a_blank_reason_is_refused_before_anything_is_asked(ask: Ask, words: tuple[str, ...], why: str) -> None:
    code, out, err = ask(*words, "--why", why)
    assert (code, out) == (2, "")
    assert "'--why': it is blank. Say why" in err


def test_a_change_without_an_amount_is_told_by_its_state() -> None:
    found = {"from_state": "unknown", "from_amount": None, "to_state": "paid", "to_amount": "55000"}
    assert answers.before_and_after(found) == ("unknown", "55000")
    assert answers.before_and_after(found | {"from_state": "paid", "from_amount": "0.000001", "to_state": "gone", "to_amount": None}) == (
        "0.000001", "gone",
    )  # fmt: skip


def test_a_correction_moves_the_prices_and_undoing_it_brings_them_back(
    settled_copy: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)

    def offers() -> set[str]:
        return {row["offer"] for row in json.loads(ask("price", "openai/gpt-4o-mini", "--json")[1])}

    before = offers()
    code, out, err = ask(
        "identity", "correct", "gpt-4o", "openai/gpt-4o-mini", "--source", "models_dev", "--provider", "azure", "--why", "to see"
    )
    assert (code, err) == (0, "")
    number = re.findall(r"correction (\d+)|identity undo (\d+)", out)[0]
    assert offers() == before | {"azure:openai/gpt-4o-mini"}
    assert ask("identity", "undo", "".join(number), "--why", "seen")[0] == 0
    assert offers() == before


# --- settled --------------------------------------------------------------------------------------------------------------------------


def versions(url: str) -> dict[str, list[Any]]:
    """Every row of what is derived, with the transaction that wrote it."""
    with connect(url) as connection:
        return {
            name: list(connection.execute(text(f"select xmin::text || ' ' || t::text from {name} t order by 1")).scalars())
            for name in ("history.link", "ops.held_change", "history.price", "history.listing")
        }


def test_settling_twice_writes_no_link_and_no_hold_and_serves_the_same(settled_copy: str) -> None:
    def served() -> list[str]:
        with connect(settled_copy) as connection:
            return list(connection.execute(text("select t::text from catalog.price_span t order by 1")).scalars())

    before, spans = versions(settled_copy), served()
    settle(settled_copy, read_settings().model_policy_file)
    assert versions(settled_copy) == before
    assert served() == spans


def test_nothing_is_resolved_again_while_the_ledger_and_the_rules_are_the_same(settled_copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: object) -> None:
        raise AssertionError("resolved again")

    monkeypatch.setattr("model_assets.identity.links.Resolver", resolved)
    monkeypatch.setattr("model_assets.gate.held_changes.Replay", resolved)
    settle(settled_copy, read_settings().model_policy_file)
    with connect(settled_copy) as connection:
        connection.execute(text("update history.listing set digest = 'x' where upper(seen) is null and listed_id = 'gpt-4o'"))
        with pytest.raises(AssertionError, match="resolved again"):
            refresh_links(connection)


def test_several_that_settle_at_once_leave_what_one_leaves(settled_copy: str) -> None:
    def served() -> list[str]:
        with connect(settled_copy) as connection:
            return list(connection.execute(text("select t::text from catalog.price_span t order by 1")).scalars())

    before, links = served(), versions(settled_copy)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: settle(settled_copy, read_settings({}).model_policy_file), range(3)))
    assert served() == before
    assert versions(settled_copy) == links


def test_the_answers_are_plain_values_that_json_can_hold(ledger: Connection) -> None:
    [row, *_] = prices(ledger, "gpt-4o")
    assert json.loads(json.dumps(row)) == row
    assert answers.plain({"at": datetime(2026, 5, 18, tzinfo=UTC)}) == {"at": "2026-05-18T00:00:00Z"}
