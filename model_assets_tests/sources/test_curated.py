"""The curated models: a file that says at least what people had before, read as a source, and checked against all others."""

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets import loading
from model_assets.database import connect
from model_assets.errors import BadPayload
from model_assets.fetching.http import Policy
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.sources.curated import SOURCE

FILE = read_settings({}).model_curated_file
ENTRY = """
  - {slug: a, name: A, provider: openai, listed_id: gpt-4o, category: commercial, best_for: [x], not_for: [y], url: "https://a.test/",
     docs_url: "https://a.test/docs", context_tokens: 128000, usd_per_mtok: {input: 2.5, output: 10}}
"""


def test_the_file_holds_at_least_what_the_tracker_before_it_claimed_to_hold() -> None:
    parsed = SOURCE.rows(FILE.read_bytes())
    names = {listing.name for listing in parsed.listings}
    assert len(parsed.listings) >= 47
    assert {
        "GPT-4 Turbo", "GPT-4o", "GPT-3.5 Turbo", "Claude 3.5 Sonnet", "Claude 3 Opus", "Claude 3 Haiku", "Gemini 1.5 Pro", "Gemini 1.5 Flash",
        "PaLM 2", "Llama 3.2 3B", "Code Llama 70B", "Mistral Large", "Mixtral 8x7B",
    } <= names  # fmt: skip
    assert {"cohere", "xai", "amazon-bedrock", "microsoft"} <= {listing.provider for listing in parsed.listings}
    assert (parsed.rejects, parsed.oddities, dict(parsed.drift), dict(parsed.unmapped)) == ([], [], {}, {})


def test_amounts_are_exact_and_a_missing_price_is_none_at_all() -> None:
    parsed = SOURCE.rows(FILE.read_bytes())
    prices = {(price.listed_id, price.meter): price.amount for price in parsed.prices}
    assert (prices["gpt-4o", "input"], prices["gpt-4o-mini", "output"]) == (Decimal("2.5"), Decimal("0.6"))
    assert ("text-bison-001", "input") not in prices


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("  - {slug: b}\n", "without best_for"),
        ("  - nothing\n", "a string where a model belongs"),
        (ENTRY.replace("commercial", "cheap").replace("gpt-4o", "b"), "category is none of"),
        (ENTRY.replace("https://a.test/docs", "javascript:alert(1)").replace("gpt-4o", "b"), "no https URL"),
        (ENTRY.replace("name: A", "name: A, status: fine").replace("gpt-4o", "b"), "status is none of"),
    ],
)
def test_a_broken_entry_is_rejected_by_itself(broken: str, why: str) -> None:
    parsed = SOURCE.rows(f"models:{ENTRY}{broken}".encode())
    assert [listing.listed_id for listing in parsed.listings] == ["gpt-4o"]
    [reject] = parsed.rejects
    assert why in reject.reason


@pytest.mark.parametrize("body", [b"", b"models: []", b"[]", b"models: {}", b"\xff", b"models: [", b"- a: &x 1\n- *x"])
def test_a_file_that_is_none_is_refused_with_what_to_do(body: bytes) -> None:
    with pytest.raises(BadPayload, match=r"(Look at|Save)"):
        SOURCE.rows(body)


def test_what_the_others_contradict_is_listed_and_never_served(settled_copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(settled_copy) as connection:
        served = text(
            "select amount from catalog.price where offer = 'openai:openai/gpt-4o' and meter = 'input' and service_tier = 'standard'"
        )
        before = connection.execute(served).scalars().all()
    file = tmp_path / "models.yml"
    file.write_text(f"checked_on: 2026-05-18\nmodels:{ENTRY.replace('input: 2.5', 'input: 99').replace('128000', '5')}")
    monkeypatch.setenv("MODEL_CURATED_FILE", str(file))
    [report] = loading.sync(settled_copy, [SOURCE], Policy(), lambda _: None)
    assert (report.errors, report.listings, report.prices) == ([], 1, 2)
    settle(settled_copy, read_settings().model_policy_file)
    with connect(settled_copy) as connection:
        found = connection.execute(text("select what, curated_value, others_value from catalog.curated_contradiction order by 1")).all()
        after = connection.execute(served).scalars().all()
        model, slug = connection.execute(text("select model, slug from catalog.curated")).one()
    assert [(what, value) for what, value, _ in found] == [("context_tokens", 5), ("price of input", 99)]
    assert [row.others_value for row in found][1] == before[0]
    assert after == before
    assert (model, slug) == ("openai/gpt-4o", "a")
