"""LiteLLM, in every real recording and every price map from its packages."""

import json
from copy import deepcopy
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from model_assets.frames import broken_rows
from model_assets.ledger.claims import LISTING, PRICE
from model_assets.sources.base import Parsed
from model_assets.sources.litellm import parse
from model_assets_tests.shared_data import SHARED, body, needs_recordings, recordings
from model_assets_tests.sources.damaged import amounts, outcomes, sound


def real_files() -> list[Path]:
    """Every real copy of the price map: those of a known day, then those from packages."""
    return [*recordings("litellm"), *sorted((SHARED / "payloads" / "litellm").glob("*.gz"))]


@cache
def decoded(path: Path) -> Any:
    """A real copy as decoded JSON. Two releases hold a key twice, which `strict_json` refuses: the last counts, as for LiteLLM itself."""
    return json.loads(body(path), parse_float=Decimal)


@cache
def recorded(path: Path) -> Parsed:
    """A real copy, parsed."""
    return parse(decoded(path))


def real(name: str) -> Parsed:
    """The real copy whose file's name holds `name`."""
    (path,) = [path for path in real_files() if name in path.name]
    return recorded(path)


def costs(parsed: Parsed, listed_id: str) -> dict[tuple[object, ...], object]:
    """The prices of one listing."""
    return amounts(Parsed(prices=[row for row in parsed.prices if row.listed_id == listed_id]))


def numbers_quoted(entry: dict[str, Any]) -> int:
    """How many numbers stand under a key with `cost` in its name, counted without the grammar; off-peak ones once per window."""
    count = 0
    for key, found in entry.items():
        if key == "off_peak_pricing":
            windows = sum(1 if isinstance(window["hours_utc"], str) else len(window["hours_utc"]) for window in found["windows"])
            count += windows * numbers_quoted(found)
        elif key == "tiered_pricing":
            count += sum(map(numbers_quoted, found))
        elif "cost" in key:
            count += len(found) if isinstance(found, dict) else 1
    return count


@needs_recordings
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_every_price_in_every_real_copy_becomes_a_sound_row(path: Path):
    parsed = sound(recorded(path))
    entries = {key: entry for key, entry in decoded(path).items() if key not in ("sample_spec", "fallback_generalizations")}
    assert len(parsed.listings) == len(entries)
    assert parsed.price_values == sum(map(numbers_quoted, entries.values()))
    assert parsed.share_mapped == 1
    assert (parsed.rejects, parsed.oddities, parsed.drift) == ([], [], {})
    keys = [row[:10] for row in parsed.prices]
    assert len(set(keys)) == len(keys)
    assert {row.listed_id for row in parsed.prices} == entries.keys()


@needs_recordings
def test_the_newest_copy_keeps_the_contract_that_the_ledger_checks():
    parsed = real("v1.109.1")
    assert broken_rows(LISTING, parsed.listings) == {}
    assert broken_rows(PRICE, parsed.prices) == {}


@needs_recordings
def test_a_price_that_is_a_hundred_thousand_times_too_dear_is_what_the_source_said():
    assert costs(real("2026-04-20"), "wandb/deepseek-ai/DeepSeek-R1-0528")[("input",)] == "135000"
    assert costs(real("v1.109.1"), "wandb/meta-llama/Llama-3.3-70B-Instruct")[("input",)] == "0.71"
    assert costs(real("v1.109.1"), "azure_ai/jais-30b-chat")[("input",)] == "3200"


@needs_recordings
def test_ids_that_differ_by_letter_case_alone_are_two_listings():
    ids = [row.listed_id for row in real("2026-04-20").listings if row.listed_id.lower() == "together_ai/baai/bge-base-en-v1.5"]
    assert len(ids) == 2


@needs_recordings
def test_a_limit_that_is_a_float_is_a_whole_number_of_tokens():
    (listing,) = [row for row in real("2026-04-20").listings if row.listed_id == "xai/grok-4-fast-reasoning"]
    assert listing.max_input_tokens == 2_000_000


@needs_recordings
def test_deepseek_s_two_names_for_a_cache_read_are_one_price_and_its_off_peak_hours_are_windows():
    assert costs(real("2025-12-30"), "deepseek/deepseek-chat")[("cache_read",)] == "0.07"
    assert costs(real("2026-04-20"), "deepseek/deepseek-chat")[("cache_read",)] == "0.028"
    prices = costs(real("v1.109.1"), "tencent/deepseek-v4-pro-0813")
    assert prices[("input",)] == "1.32"
    assert prices[("input", "04:00-06:00 UTC on mon,tue,wed,thu,fri Asia/Shanghai")] == "0.66"
    assert prices[("input", "00:00-00:00 UTC on sat,sun Asia/Shanghai")] == "0.66"


@needs_recordings
def test_real_entries_broken_once_in_every_way_end_in_a_declared_outcome():
    wanted = (
        "deepseek/deepseek-flash",
        "gpt-6-luna",
        "exa_ai/search",
        "bedrock/guardrails",
        "fal_ai/fal-ai/nano-banana-2",
        "opencode_go/grok-4.7",
    )
    (path,) = [path for path in real_files() if "v1.109.1" in path.name]
    count = outcomes(parse, deepcopy({key: decoded(path)[key] for key in wanted}))
    assert sum(count.values()) >= 2_000
