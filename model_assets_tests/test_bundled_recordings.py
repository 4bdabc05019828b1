"""The bundled recordings are what `facts.yml` makes, and hold what their README promises."""

import gzip
import importlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from model_assets.recordings import make

DAY_1, DAY_2, AFTERNOON, DAY_3 = "2026-05-18T0200Z", "2026-05-19T0200Z", "2026-05-19T1400Z", "2026-05-20T0200Z"
DAYS = (DAY_1, DAY_2, DAY_3)
FILES = sorted(make.HERE.rglob("*.json.gz"))


def payload(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)


def recording(source: str, instant: str) -> Any:
    return payload(make.HERE / source / f"{instant}.json.gz")


def models_dev(provider: str, model: str, instant: str = DAY_1) -> Any:
    return recording("models_dev", instant).get(provider, {"models": {}})["models"].get(model)


def openrouter(model: str, instant: str = DAY_1) -> Any:
    return {m["id"]: m for m in recording("openrouter", instant)["data"]}.get(model)


def litellm(key: str, instant: str = DAY_1) -> Any:
    return recording("litellm", instant).get(key)


def genai_prices(provider: str, model: str, instant: str = DAY_1) -> Any:
    found = {(p["id"], m["id"]): m["prices"] for p in recording("genai_prices", instant) for m in p["models"]}
    return found.get((provider, model))


def listed(source: str, found: Any) -> set[str]:
    """What one payload lists, in its own spelling."""
    match source:
        case "models_dev":
            return {f"{provider}/{model}" for provider in found for model in found[provider]["models"]}
        case "models_dev_models":
            return set(found)
        case "openrouter":
            return {model["id"] for model in found["data"]}
        case "litellm":
            return set(found) - {"sample_spec"}
        case _:
            return {f"{provider['id']}/{model['id']}" for provider in found for model in provider["models"]}


def keys(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        yield from found
        found = list(found.values())
    if isinstance(found, list):
        for part in found:
            yield from keys(part)


# The files


def test_making_them_again_gives_the_same_bodies_and_headers_without_a_time(tmp_path):
    make.main(tmp_path)
    for path in FILES:
        again = tmp_path / path.relative_to(make.HERE)
        assert payload(again) == payload(path)
        assert gzip.decompress(again.read_bytes()) == gzip.decompress(path.read_bytes())
        assert again.read_bytes()[:10] == path.read_bytes()[:10]
        assert path.read_bytes()[3:8] == b"\0\0\0\0\0", "a gzip header with a name or a time"


def test_making_them_again_in_place_changes_no_byte(tmp_path):
    shutil.copytree(make.HERE, tmp_path, dirs_exist_ok=True)
    make.main(tmp_path)
    made_again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.gz")}
    assert made_again == {path.relative_to(make.HERE): path.read_bytes() for path in FILES}


def test_each_source_has_the_three_days_and_openrouter_an_afternoon():
    expected = {(source, day) for source in make.WIRE_SHAPE for day in DAYS} | {("openrouter", AFTERNOON)}
    assert {(path.parent.name, path.name.removesuffix(".json.gz")) for path in FILES} == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_recording_is_small_and_has_no_descriptions(path):
    assert path.stat().st_size <= 40 * 1024
    assert not {key for key in keys(payload(path)) if "description" in key or "comment" in key}


@pytest.mark.parametrize("source", make.SOURCES)
def test_most_listings_stay_from_day_to_day(source):
    days = [listed(source, recording(source, day)) for day in DAYS]
    for before, after in pairwise(days):
        assert len(before & after) >= 0.95 * len(before)
        assert len(after) >= 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_its_source_reads_a_recording_whole(path):
    parsed = importlib.import_module(f"model_assets.sources.{path.parent.name}").SOURCE.parse(payload(path))
    assert len(parsed.listings) == len(listed(path.parent.name, payload(path)))
    assert not parsed.rejects
    assert not parsed.unmapped
    assert not parsed.drift
    assert parsed.share_mapped == 1


def test_the_list_of_models_has_what_makers_sell_themselves_by_canonical_id_and_no_price():
    found = recording("models_dev_models", DAY_1)
    assert {"openai/gpt-4o", "alibaba/qwen3-32b", "zhipuai/glm-4.7"} <= set(found)
    assert not any("cost" in model for model in found.values())
    assert not any(id.startswith(("amazon/", "meta/")) for id in found), "sold by hosts only"


# What happens


def test_they_lie_before_the_first_full_payload_that_is_loaded_beside_them():
    assert max(path.name for path in FILES) < "2026-05-21T1355Z"


def test_no_model_is_listed_before_its_release():
    for instant in (*DAYS, AFTERNOON):
        for model in recording("openrouter", instant)["data"]:
            assert datetime.fromtimestamp(int(model["created"]), UTC) <= datetime.fromisoformat(instant)
    for day in DAYS:
        for provider in recording("models_dev", day).values():
            assert {model["release_date"] <= day for model in provider["models"].values()} == {True}


def test_a_model_appears_on_day_two():
    assert [bool(openrouter("inclusionai/ring-2.6-1t", day)) for day in DAYS] == [False, True, True]
    assert [bool(models_dev("openrouter", "inclusionai/ring-2.6-1t", day)) for day in DAYS] == [False, True, True]
    assert [bool(litellm("openrouter/inclusionai/ring-2.6-1t", day)) for day in DAYS] == [False, True, True]
    assert [bool(genai_prices("openrouter", "inclusionai/ring-2.6-1t", day)) for day in DAYS] == [False, True, True]


def test_a_model_appears_in_an_afternoon_and_at_its_maker_the_next_day():
    instants = (DAY_1, DAY_2, AFTERNOON, DAY_3)
    assert [bool(openrouter("google/gemini-3.5-flash", at)) for at in instants] == [False, False, True, True]
    assert [bool(models_dev("google", "gemini-3.5-flash", day)) for day in DAYS] == [False, False, True]
    assert [bool(litellm("gemini/gemini-3.5-flash", day)) for day in DAYS] == [False, False, True]
    assert [bool(genai_prices("google", "gemini-3.5-flash", day)) for day in DAYS] == [False, False, True]


def test_a_model_retires_on_day_three_after_its_deprecation_date():
    assert [bool(models_dev("xai", "grok-4", day)) for day in DAYS] == [True, True, False]
    assert [bool(openrouter("x-ai/grok-4", day)) for day in DAYS] == [True, True, False]
    assert [bool(litellm("xai/grok-4", day)) for day in DAYS] == [True, True, False]
    assert [bool(genai_prices("x-ai", "grok-4", day)) for day in DAYS] == [True, True, False]
    assert litellm("xai/grok-4")["deprecation_date"] == openrouter("x-ai/grok-4")["expiration_date"] == "2026-05-15"


def test_a_model_is_to_retire_after_the_three_days():
    assert litellm("gemini/gemini-2.0-flash", DAY_3)["deprecation_date"] == "2026-06-01"
    assert openrouter("google/gemini-2.0-flash-001", DAY_3)["expiration_date"] == "2026-06-01"


def test_a_price_change_is_seen_by_all_four_sources_in_their_own_units():
    quotes = [
        [models_dev("openrouter", "deepseek/deepseek-v4-flash", day)["cost"]["input"] for day in DAYS],
        [genai_prices("openrouter", "deepseek/deepseek-v4-flash", day)["input_mtok"] for day in DAYS],
        [litellm("openrouter/deepseek/deepseek-v4-flash", day)["input_cost_per_token"] * 1_000_000 for day in DAYS],
        [Decimal(openrouter("deepseek/deepseek-v4-flash", day)["pricing"]["prompt"]) * 1_000_000 for day in DAYS],
    ]
    assert quotes == [[Decimal("0.126"), Decimal("0.112"), Decimal("0.112")]] * 4


def test_openrouter_changes_within_a_day():
    assert [openrouter("qwen/qwen3-coder", at)["pricing"]["completion"] for at in (DAY_2, AFTERNOON)] == ["0.0000018", "0.0000015"]


def test_one_price_changes_and_changes_back():
    assert [openrouter("meta-llama/llama-4-scout", day)["pricing"]["prompt"] for day in DAYS] == ["0.00000008", "0.0000001", "0.00000008"]
    assert {models_dev("openrouter", "meta-llama/llama-4-scout", day)["cost"]["input"] for day in DAYS} == {Decimal("0.08")}


def test_one_source_alone_has_a_tenfold_change_on_day_three():
    before, after = (litellm("groq/llama-3.3-70b-versatile", day)["input_cost_per_token"] for day in (DAY_2, DAY_3))
    assert (before, after) == (Decimal("5.9e-7"), Decimal("5.9e-6"))
    assert models_dev("groq", "llama-3.3-70b-versatile", DAY_3)["cost"]["input"] == Decimal("0.59")


def test_a_plan_that_included_a_model_begins_to_charge_for_it():
    assert [models_dev("github-copilot", "gpt-4.1", day)["cost"]["input"] for day in DAYS] == [0, 2, 2]


# What a price may be


def test_an_unknown_price_is_left_out_and_is_not_zero():
    assert "cost" not in models_dev("google", "gemma-4-31b-it")
    assert genai_prices("google", "gemma-4-31b-it") == {}
    assert not {key for key in litellm("gemini/gemma-4-31b-it") if "cost" in key}
    assert "cost" not in models_dev("openai", "gpt-image-1")


def test_a_free_variant_is_priced_zero_in_text():
    assert openrouter("openai/gpt-oss-20b:free")["pricing"] == {"prompt": "0", "completion": "0"}
    assert models_dev("openrouter", "openai/gpt-oss-20b:free")["cost"] == {"input": 0, "output": 0}


def test_a_router_is_priced_minus_one_and_has_no_cost_at_models_dev():
    assert openrouter("openrouter/auto")["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert "cost" not in models_dev("openrouter", "openrouter/auto")


def test_a_context_tier_has_the_shape_of_each_source():
    cost = models_dev("google", "gemini-2.5-pro")["cost"]
    dearer = {"input": Decimal("2.5"), "output": 15, "cache_read": Decimal("0.25")}
    assert cost["tiers"] == [{**dearer, "tier": {"type": "context", "size": 200000}}]
    assert cost["context_over_200k"] == dearer
    assert litellm("gemini/gemini-2.5-pro")["output_cost_per_token_above_200k_tokens"] == Decimal("1.5e-5")
    assert litellm("gpt-5.4")["input_cost_per_token_above_272k_tokens"] == Decimal("5e-6")
    assert genai_prices("google", "gemini-2.5-pro")["output_mtok"] == {"base": 10, "tiers": [{"start": 200000, "price": 15}]}
    assert openrouter("google/gemini-2.5-pro")["pricing"]["overrides"] == [
        {"min_prompt_tokens": 200000, "prompt": "0.0000025", "completion": "0.000015", "input_cache_read": "0.00000025"}
    ]


def test_a_batch_price_is_a_suffix_at_litellm_and_a_twin_on_openrouter():
    assert litellm("gpt-4o")["input_cost_per_token_batches"] * 2 == litellm("gpt-4o")["input_cost_per_token"]
    twin = openrouter("openai/gpt-5.4:batch")
    assert twin["pricing"]["prompt"] == "0.00000125"
    assert twin["pricing"]["web_search"] == "0.01"
    assert twin["pricing"]["overrides"][0]["completion"] == "0.00001125"
    assert twin["canonical_slug"] == openrouter("openai/gpt-5.4")["canonical_slug"]


def test_an_announced_price_and_a_past_one_carry_their_dates():
    announced = genai_prices("cohere", "command-a-03-2025")
    assert announced[0] == {"prices": {"input_mtok": Decimal("2.5"), "output_mtok": 10}}
    assert announced[1] == {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 2, "output_mtok": 8}}
    assert [(price.get("constraint"), price["prices"]["input_mtok"]) for price in genai_prices("openai", "o3")] == [
        (None, 10),
        ({"start_date": "2025-06-10"}, 2),
    ]


def test_a_time_of_day_window_has_the_shape_of_each_source():
    off_peak, standard = genai_prices("deepseek", "deepseek-chat")
    assert off_peak == {"prices": {"input_mtok": Decimal("0.135"), "output_mtok": Decimal("0.55"), "cache_read_mtok": Decimal("0.035")}}
    assert standard["constraint"] == {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}
    windows = openrouter("deepseek/deepseek-r1")["pricing"]["overrides"]
    assert [(w["utc_start"], w["utc_end"], w["prompt"]) for w in windows] == [(1630, 30, "0.000000135"), (30, 1630, "0.00000055")]


def test_cache_prices_are_told_apart_to_the_hour():
    prices = openrouter("anthropic/claude-haiku-4.5")["pricing"]
    assert [prices[f"input_cache_{key}"] for key in ("read", "write", "write_1h")] == ["0.0000001", "0.00000125", "0.000002"]
    assert litellm("claude-haiku-4-5")["cache_creation_input_token_cost_above_1hr"] == Decimal("2e-6")
    assert models_dev("anthropic", "claude-haiku-4-5")["cost"]["cache_write"] == Decimal("1.25")


def test_audio_and_images_have_prices_of_their_own():
    assert models_dev("openai", "gpt-audio")["cost"]["output_audio"] == 64
    assert genai_prices("google", "gemini-2.5-flash")["cache_audio_read_mtok"] == Decimal("0.1")
    assert openrouter("google/gemini-2.5-flash-image")["pricing"]["image_output"] == "0.00003"
    assert litellm("gemini/gemini-2.5-flash-image")["output_cost_per_image"] == Decimal("0.039")


def test_the_irregularities_of_the_real_sources_are_there():
    assert models_dev("groq", "meta-llama/llama-4-maverick-17b-128e-instruct")["status"] == "deprecated"
    assert openrouter("z-ai/glm-4.6")["expiration_date"] == "2098-12-31"
    assert str(models_dev("helicone", "claude-4.5-sonnet")["cost"]["cache_read"]) == "0.30000000000000004"
    assert next(iter(recording("litellm", DAY_1))) == "sample_spec"
    assert isinstance(litellm("sample_spec")["input_cost_per_token"], str)


def test_a_seller_is_spelled_as_each_source_spells_it():
    assert litellm("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")["litellm_provider"] == "bedrock_converse"
    assert litellm("bedrock/us-west-2/moonshotai.kimi-k2-thinking")["litellm_provider"] == "bedrock"
    assert genai_prices("aws", "amazon.nova-pro-v1:0")["input_mtok"] == Decimal("0.8")
    assert models_dev("amazon-bedrock", "amazon.nova-pro-v1:0")["cost"]["input"] == Decimal("0.8")


def test_two_sources_disagree_about_one_offer():
    assert models_dev("mistral", "codestral-latest")["cost"]["input"] == Decimal("0.3")
    assert litellm("mistral/codestral-latest")["input_cost_per_token"] == Decimal("1e-6")
