"""What a request cost and what a log cost, asked on the command line of a settled ledger that holds the three bundled days."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets_tests.conftest import Run

LOG: list[dict[str, Any]] = [
    {"time": "2026-05-18T12:00:00Z", "model": "gpt-4o", "provider": "openai", "input": 1000, "output": 100},
    {"time": "2026-05-19T12:00:00Z", "model": "claude-sonnet-4-5", "provider": "anthropic", "input": 250_000, "output": 100},
    {"time": "2026-05-18T12:00:00Z", "model": "meta-llama/llama-4-scout", "provider": "openrouter", "input": 1_000_000, "output": 0},
    {"time": "2026-05-19T12:00:00Z", "model": "meta-llama/llama-4-scout", "provider": "openrouter", "input": 1_000_000, "output": 0},
    {"time": "2026-05-20T12:00:00Z", "model": "codestral-latest", "provider": "mistral", "input": 1000, "output": 1000},
    {"time": "2026-05-20T12:00:00Z", "model": "github-copilot/gpt-4.1", "provider": "github-copilot", "input": 1000, "output": 1000},
]
BAD: list[dict[str, Any]] = [
    {"time": "2026-05-19T12:00:00Z", "model": "no-such", "provider": "openai", "input": 5, "output": 2},
    {"time": "never", "model": "gpt-4o", "provider": "openai", "input": 1, "output": 1},
    {"time": "2026-05-19T12:00:00Z", "model": "gpt-4o", "provider": "openai", "input": -5, "output": 1},
    {"time": "2026-05-19T12:00:00Z", "model": "gpt-4o", "provider": "", "input": 1000, "output": 1000},
]


@pytest.fixture
def ask(ask: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on the settled database, in a terminal wide enough for its tables."""
    monkeypatch.setenv("COLUMNS", "400")
    return ask


def cells(out: str) -> list[list[str]]:
    """The cells of the tables in an answer."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]


def cost(ask: Run, *words: object) -> dict[str, Any]:
    """The only offer's answer."""
    code, out, err = ask("cost", *words, "--json")
    assert (code, err) == (0, "")
    [found] = json.loads(out)
    return dict(found)


# --- cost -------------------------------------------------------------------------------------------------------------------------------


def test_a_request_is_told_line_by_line_with_its_total(ask: Run) -> None:
    code, out, err = ask("cost", "claude-sonnet-4-5", "--provider", "anthropic", "--input", 1000, "--cache-read", 3, "--output", 10)
    assert (code, err) == (0, "")
    assert cells(out) == [
        ["input", "1,000", "3 USD per 1M tokens", "0.003", "genai_prices", "the list price"],
        ["cache_read", "3", "0.3 USD per 1M tokens", "0.0000009", "genai_prices", "the list price"],
        ["output", "10", "15 USD per 1M tokens", "0.00015", "genai_prices", "the list price"],
    ]
    assert out.endswith("total  0.0031509 USD\n")


def test_crossing_a_threshold_reprices_the_whole_request_and_caches_count_towards_it(ask: Run) -> None:
    at_the_bound = cost(ask, "claude-sonnet-4-5", "--provider", "anthropic", "--input", 199_000, "--cache-read", 1000)
    above = cost(ask, "claude-sonnet-4-5", "--provider", "anthropic", "--input", 199_000, "--cache-read", 1001)
    assert [line["unit_amount"] for line in at_the_bound["lines"]] == ["3", "0.3"]
    assert [line["unit_amount"] for line in above["lines"]] == ["6", "0.6"]
    assert (above["prompt_tokens"], above["totals"]) == (200_001, {"USD": "1.1946006"})


def test_all_providers_are_told_the_cheapest_first_where_none_is_named(ask: Run) -> None:
    code, out, err = ask("cost", "glm-4.7", "--input", 1_000_000)
    assert (code, err) == (0, "")
    assert [row[:2] for row in cells(out)] == [
        ["zai-coding-plan:zhipuai/glm-4.7", "0 USD (included)"], ["openrouter:zhipuai/glm-4.7", "0.4 USD"], ["zai:zhipuai/glm-4.7", "0.6 USD"],
    ]  # fmt: skip
    code, as_json, _ = ask("cost", "glm-4.7", "--input", 1_000_000, "--json")
    assert [one["offer"] for one in json.loads(as_json)] == [row[0] for row in cells(out)]


def test_a_provider_is_the_same_however_a_source_spells_it_for_a_request_and_in_a_log(ask: Run, tmp_path: Path) -> None:
    asked = ("claude-haiku-4-5", "--input", 1000, "--at", "2026-05-19T12:00Z")
    one, other = (ask("cost", *asked, "--provider", name, "--json") for name in ("amazon-bedrock", "bedrock"))
    assert one == other
    assert {answer["offer"].partition(":")[0] for answer in json.loads(one[1])} == {"amazon-bedrock"}
    log = tmp_path / "log.csv"
    request = {"time": "2026-05-19T12:00:00Z", "model": "amazon/nova-lite", "input": 1000, "output": 0}
    names = ("amazon-bedrock", "bedrock", "aws", "bedrock_converse")
    pd.DataFrame([request | {"provider": name} for name in names]).to_csv(log, index=False)
    totals = json.loads(ask("replay", log, "--json")[1])["logged"]
    assert (totals["rows_priced"], totals["unpriced"]) == (4, [])


def test_the_tier_and_the_hour_decide(ask: Run) -> None:
    batch = cost(ask, "gpt-4o", "--provider", "openai", "--input", 1000, "--output", 100, "--tier", "batch")
    assert (batch["totals"], batch["service_tier"]) == ({"USD": "0.00175"}, "batch")
    hours = [
        cost(ask, "deepseek-chat", "--provider", "deepseek", "--input", 1_000_000, "--at", f"2026-05-19T{hour}Z")
        for hour in ("12:00", "18:00")
    ]
    assert [found["totals"] for found in hours] == [{"USD": "0.27"}, {"USD": "0.135"}]


def test_the_instant_decides_and_what_was_known_then(ask: Run) -> None:
    def scout(*words: str) -> Any:
        return cost(ask, "meta-llama/llama-4-scout", "--provider", "openrouter", "--input", 1_000_000, *words)["totals"]["USD"]

    assert [scout("--at", f"2026-05-{day}T12:00Z") for day in (18, 19, 20)] == ["0.08", "0.1", "0.08"]
    assert scout("--at", "2026-05-19T12:00Z", "--known-at", "2026-05-18T12:00Z") == "0.08"


def test_what_has_no_price_is_named_and_makes_the_answer_partial_never_0(ask: Run) -> None:
    code, out, err = ask("cost", "gpt-4o", "--provider", "azure", "--input", 5, "--images", 2)
    assert (code, err) == (0, "")
    assert ["image", "2", "no price", "", "", "no price is known"] in cells(out)
    assert "total  not known whole: 0.0000125 USD without image\n" in out
    found = cost(ask, "gpt-4o", "--provider", "azure", "--input", 5, "--images", 2)
    assert (found["partial"], found["flags"], found["totals"]) == (True, ["partial"], {"USD": "0.0000125"})
    assert [line["amount"] for line in found["lines"]] == ["0.0000125", None]


@pytest.mark.parametrize(
    ("model", "provider", "total"),
    [
        ("openrouter/auto", "openrouter", "not known whole: nothing without input (dynamic)"),
        ("gemma-4-31b-it", "google", "not known whole: nothing without input (unknown)"),
        ("gpt-4.1", "github-copilot", "2 USD (unconfirmed)"),
        ("codestral-latest", "mistral", "0.3 USD (disputed)"),
        ("openai/gpt-oss-20b:free", "openrouter", "0 USD"),
        ("glm-4.7", "zai-coding-plan", "0 USD (included)"),
    ],
)
def test_a_total_stands_alone_only_where_nothing_speaks_against_it(ask: Run, model: str, provider: str, total: str) -> None:
    code, out, err = ask("cost", model, "--provider", provider, "--input", 1_000_000)
    assert (code, err) == (0, "")
    assert f"total  {total}\n" in out


def test_a_held_price_is_reckoned_with_the_last_good_one_and_marked(settled_copy: str, ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    with connect(settled_copy) as connection:
        connection.execute(text("delete from history.price where provider = 'groq' and source <> 'litellm'"))
    code, out, err = ask("cost", "llama-3.3-70b-versatile", "--provider", "groq", "--input", 1_000_000)
    assert (code, err) == (0, "")
    assert "total  0.59 USD (held)\n" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gpt-4o", "Nothing was counted."),
        ("gpt-4o --input 10 --reasoning 20 --output 5", "20 reasoning tokens are more than the 5 of output"),
        ("claude-sonnet-9 --input 5", "'claude-sonnet-9' was not resolved"),
        ("gpt-4o --input 5 --provider nobody", "is not sold by 'nobody'"),
        ("gpt-4o --input 5 --at 2026-05-01", "has no price at 2026-05-01"),
    ],
)
def test_what_cannot_be_reckoned_is_one_line(ask: Run, words: str, said: str) -> None:
    code, out, err = ask("cost", *words.split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err


# --- replay -----------------------------------------------------------------------------------------------------------------------------


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_a_log_is_priced_at_what_held_at_each_call_and_bad_rows_are_named_and_summed_apart(ask: Run, tmp_path: Path, name: str) -> None:
    code, out, err = ask("replay", written(tmp_path / name, LOG + BAD), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)["logged"]
    assert (found["rows"], found["rows_priced"], found["rows_unpriced"]) == (10, 6, 4)
    amounts = {(row["model"], *row["flags"]): row["amount"] for row in found["by_model"]}
    assert amounts == {
        ("gpt-4o",): "0.0035", ("claude-sonnet-4-5",): "1.50225", ("meta-llama/llama-4-scout",): "0.08", ("meta-llama/llama-4-scout", "disputed"): "0.1",
        ("codestral-latest", "disputed"): "0.0012", ("github-copilot/gpt-4.1", "unconfirmed"): "0.01",
    }  # fmt: skip
    assert found["plain"] == {"USD": {"rows": 3, "tokens": 1_251_200, "amount": "1.58575"}}
    assert {(one["flag"], one["rows"], one["amount"]) for one in found["flagged"]} == {
        ("disputed", 2, "0.1012"),
        ("unconfirmed", 1, "0.01"),
    }
    assert [one["rows"] for one in found["unpriced"]] == [1, 1, 1, 1]
    reasons = " | ".join(one["reason"] for one in found["unpriced"])
    for reason in ("'no-such' was not resolved", "its time cannot be read", "not a whole number, or negative", "say by which, in the log"):
        assert reason in reasons


def test_each_row_of_a_log_costs_what_cost_says(ask: Run, tmp_path: Path) -> None:
    for number, row in enumerate(LOG):
        code, out, _ = ask("replay", written(tmp_path / f"{number}.csv", [row]), "--json")
        [priced] = json.loads(out)["logged"]["by_model"]
        alone = cost(
            ask, row["model"], "--provider", row["provider"], "--input", row["input"], "--output", row["output"], "--at", row["time"]
        )
        assert (code, priced["amount"], priced["flags"]) == (0, alone["totals"]["USD"], alone["flags"]), row


def test_the_table_of_a_log_shows_no_doubtful_amount_without_its_doubt(ask: Run, tmp_path: Path) -> None:
    code, out, err = ask("replay", written(tmp_path / "log.csv", LOG + BAD))
    assert (code, err) == (0, "")
    assert ["codestral-latest", "1", "2000", "0.0012", "USD", "disputed"] in cells(out)
    assert ["github-copilot/gpt-4.1", "1", "2000", "0.01", "USD", "unconfirmed"] in cells(out)
    assert "6 of 10 rows have a price\n" in out
    assert "4 rows have no price, and are in no sum:\n" in out
    assert "1 rows, 7 tokens: 'no-such' was not resolved" in out


@pytest.mark.parametrize("by", ["model", "provider", "day"])
def test_the_sums_are_the_same_whatever_they_are_by(ask: Run, tmp_path: Path, by: str) -> None:
    found = json.loads(ask("replay", written(tmp_path / "log.csv", LOG), "--by", by, "--json")[1])["logged"][f"by_{by}"]
    assert sum(Decimal(row["amount"]) for row in found) == Decimal("1.69695")
    assert sum(row["rows"] for row in found) == len(LOG)


def test_a_log_is_priced_again_for_another_model_and_compared_on_the_rows_that_have_a_price_both_ways(ask: Run, tmp_path: Path) -> None:
    code, out, err = ask(
        "replay", written(tmp_path / "log.csv", LOG + BAD), "--as-model", "gpt-4o-mini", "--as-provider", "openai", "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found.keys() == {"logged", "what_if", "both_logged", "both_what_if"}
    assert {name: (one["rows"], one["rows_priced"]) for name, one in found.items()} == {
        "logged": (10, 6), "what_if": (10, 8), "both_logged": (6, 6), "both_what_if": (6, 6),
    }  # fmt: skip
    tokens = sum(row["input"] for row in LOG), sum(row["output"] for row in LOG)
    assert (
        Decimal(found["both_what_if"]["plain"]["USD"]["amount"]) == (tokens[0] * Decimal("0.15") + tokens[1] * Decimal("0.6")) / 1_000_000
    )


def test_a_log_in_another_tier_has_no_price_where_that_tier_has_none(ask: Run, tmp_path: Path) -> None:
    found = json.loads(ask("replay", written(tmp_path / "log.csv", LOG[:2]), "--as-tier", "flex", "--json")[1])
    assert found["what_if"]["rows_priced"] == 0
    assert all("it has no flex price" in one["reason"] for one in found["what_if"]["unpriced"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nosuch.csv", None, "There is no file "),
        ("log.csv", b"a,b\n1,2\n", "log.csv has no column time."),
        ("log.csv", b"time,model\n2026-05-18,gpt-4o\n", "log.csv"),
        ("log.parquet", b"not one", "log.parquet"),
    ],
)
def test_what_is_no_log_is_one_line(ask: Run, tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, out, err = ask("replay", tmp_path / name)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err
