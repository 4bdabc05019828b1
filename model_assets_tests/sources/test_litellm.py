"""LiteLLM, from payloads small enough to read."""

import json
from datetime import date
from decimal import Decimal

import pytest

from model_assets.contracts import METERS, Listing, Price
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed
from model_assets.sources.litellm import BASES, BASES_IN_MODE, SOURCE, meaning, parse
from model_assets_tests.sources.damaged import amounts, outcomes, sound


def one(**entry: object) -> Parsed:
    """What becomes of one model `m`."""
    return sound(parse({"m": {"litellm_provider": "lab"} | entry}))


def said(parsed: Parsed) -> Listing:
    """The only listing."""
    (found,) = parsed.listings
    return found


def extra(parsed: Parsed) -> dict[str, object]:
    """What is kept of the only listing besides its columns."""
    return dict(json.loads(said(parsed).extra))


# --- prices -----------------------------------------------------------------------------------------------------------------------------


def test_a_price_per_token_is_returned_per_million_and_a_float_s_noise_is_gone():
    parsed = one(input_cost_per_token=Decimal("1.0000000000000001e-07"), output_cost_per_token=Decimal("0.0000018000000000000001"))
    assert amounts(parsed) == {("input",): "0.1", ("output",): "1.8"}


def test_zero_is_free_and_a_price_that_is_null_or_missing_is_unknown():
    assert amounts(one(mode="chat", input_cost_per_token=0, output_cost_per_token=Decimal("0.0"))) == {("input",): "0", ("output",): "0"}
    assert amounts(one(mode="chat", input_cost_per_token=None)) == {("input",): "unknown", ("output",): "unknown"}
    assert amounts(one()) == {("input",): "unknown", ("output",): "unknown"}


def test_only_a_model_of_text_has_an_unknown_price_beside_a_known_one():
    assert amounts(one(mode="responses", input_cost_per_token=1)) == {("input",): "1000000", ("output",): "unknown"}
    assert amounts(one(mode="embedding", input_cost_per_token=1)) == {("input",): "1000000"}
    assert amounts(one(mode="image_generation", output_cost_per_image=Decimal("0.04"))) == {("image",): "0.04"}


def test_conditions_may_stand_behind_a_base_in_any_order():
    for key in (
        "cache_creation_input_token_cost_above_12hr_above_272k_tokens_flex",
        "cache_creation_input_token_cost_flex_above_272k_tokens_above_12hr",
    ):
        assert amounts(one(mode="embedding", **{key: Decimal("1e-6")})) == {("cache_write_12h", "flex", 272_000): "1"}


def test_each_condition_is_a_column_of_its_own():
    parsed = one(
        input_cost_per_token_above_200k_tokens_batches=Decimal("1e-6"),
        input_cost_per_token_batch_requests=Decimal("2e-6"),
        input_cost_per_token_priority=Decimal("3e-6"),
        input_cost_per_token_ultrafast=Decimal("4e-6"),
        input_cost_per_token_balanced=Decimal("5e-6"),
        input_cost_per_token_decisions=Decimal("6e-6"),
        cache_creation_input_token_cost_above_1hr=Decimal("7e-6"),
        explicit_cache_read_input_token_cost=Decimal("8e-6"),
    )
    assert amounts(parsed) == {
        ("input", "batch", 200_000): "1",
        ("input", "batch"): "2",
        ("input", "priority"): "3",
        ("input", "ultrafast"): "4",
        ("input", "balanced"): "5",
        ("input", "decisions"): "6",
        ("cache_write_1h",): "7",
        ("cache_read", "explicit"): "8",
    }


def test_sizes_and_qualities_of_what_is_made_are_its_detail():
    parsed = one(
        mode="image_generation",
        output_cost_per_image=1,
        output_cost_per_image_4K=2,
        output_cost_per_image_1024=3,
        output_cost_per_image_premium_image=4,
        output_cost_per_image_above_512_and_512_pixels=5,
        output_cost_per_image_above_512_and_512_pixels_and_premium_image=6,
        **{"output_cost_per_image_0.5K": 7},
    )
    assert amounts(parsed) == {
        ("image",): "1",
        ("image", "4K"): "2",
        ("image", "1024"): "3",
        ("image", "premium"): "4",
        ("image", "above 512x512 pixels"): "5",
        ("image", "above 512x512 pixels, premium"): "6",
        ("image", "0.5K"): "7",
    }


def test_a_condition_that_does_not_fit_its_base_or_is_not_known_is_no_guess():
    for key in ("input_cost_per_token_above_1hr", "input_cost_per_token_1080p", "input_cost_per_token_above_1hr_above_1hr",
                "input_cost_per_token_turbo", "output_cost_per_song", "input_cost_per_token_flex_flex"):  # fmt: skip
        assert meaning(key, None) is None, key
        parsed = one(input_cost_per_token=1, **{key: Decimal("1e-6")})
        assert parsed.unmapped == {key: 1}
        assert (parsed.price_values, extra(parsed)) == (2, {key: "0.000001"})


def test_what_is_counted_in_seconds_depends_on_the_mode():
    both = {"input_cost_per_second": 1, "output_cost_per_second": 2}
    assert amounts(one(mode="audio_transcription", **both)) == {("input_audio_second",): "1", ("second", "output"): "2"}
    assert amounts(one(mode="video_generation", **both)) == {("second", "input"): "1", ("video_second",): "2"}
    assert amounts(one(mode="audio_speech", output_cost_per_second=2)) == {("audio_second",): "2"}
    assert amounts(one(mode="realtime", **both)) == {("second", "input"): "1", ("second", "output"): "2"}
    assert amounts(one(mode="video_generation", output_cost_per_second_1080p=3)) == {("video_second", "1080p"): "3"}
    assert amounts(one(mode="embedding", input_cost_per_video_per_second_above_15s_interval=3)) == {
        ("input_video_second", "above 15 s"): "3"
    }


def test_an_image_generator_s_input_price_is_for_the_image_made_unless_that_has_a_price_of_its_own():
    assert amounts(one(mode="image_generation", input_cost_per_image=1)) == {("image",): "1"}
    assert amounts(one(mode="image_generation", input_cost_per_image=0, output_cost_per_image=1)) == {
        ("input_image_unit",): "0",
        ("image",): "1",
    }
    assert amounts(one(mode="embedding", input_cost_per_image=1)) == {("input_image_unit",): "1"}
    assert amounts(one(mode="image_generation", input_cost_per_pixel=Decimal("1.9e-8"))) == {("output_pixel",): "0.019"}


def test_a_second_name_for_the_same_price_gives_one_row_and_a_contradiction_is_reported():
    agreed = one(input_cost_per_token_cache_hit=Decimal("7e-8"), cache_read_input_token_cost=Decimal("7.0000000000000001e-8"))
    assert amounts(agreed) == {("cache_read",): "0.07"}
    assert (agreed.price_values, agreed.oddities) == (2, [])
    contradicted = one(input_cost_per_token_cache_hit=Decimal("7e-8"), cache_read_input_token_cost=Decimal("8e-8"))
    assert amounts(contradicted) == {("cache_read",): "0.08"}
    assert [odd.field for odd in contradicted.oddities] == ["input_cost_per_token_cache_hit"]
    assert amounts(one(input_cost_per_token_cache_hit=Decimal("7e-8"))) == {("cache_read",): "0.07"}
    assert amounts(one(cache_read_input_token_cost_per_audio_token=Decimal("7e-8"))) == {("cache_read_audio",): "0.07"}


def test_tiers_hold_above_the_start_of_their_range_and_the_first_is_the_base():
    tiers = [
        {"range": [0, Decimal("256000.0")], "input_cost_per_token": Decimal("5e-8"), "output_cost_per_reasoning_token": Decimal("4e-7")},
        {"range": [Decimal("256000.0"), Decimal("1e6")], "input_cost_per_token": Decimal("2.5e-7")},
    ]
    parsed = one(tiered_pricing=tiers)
    assert amounts(parsed) == {("input",): "0.05", ("reasoning",): "0.4", ("input", 256_000): "0.25"}
    agreed = one(input_cost_per_token=Decimal("5.0000000000000004e-08"), tiered_pricing=tiers)
    assert (amounts(agreed), agreed.oddities) == (amounts(parsed), [])
    contradicted = one(input_cost_per_token=Decimal("6e-8"), tiered_pricing=tiers)
    assert amounts(contradicted)[("input",)] == "0.06"
    assert len(contradicted.oddities) == 1


def test_tiers_by_number_of_results_are_a_detail():
    tiers = [{"max_results_range": [0, 25], "input_cost_per_query": Decimal("0.005")}]
    assert amounts(one(mode="search", tiered_pricing=tiers)) == {("query", "results 0-25"): "5"}


@pytest.mark.parametrize(
    "limits", [None, {}, "0-256000", [0], [0, "256000"], [256_000, 0], [Decimal("0.5"), 1], [True, 5], [-1, 5], [0, 2**70]]
)
def test_a_tier_whose_range_cannot_be_read_puts_all_prices_of_its_listing_in_doubt(limits: object):
    parsed = one(mode="chat", tiered_pricing=[{"range": limits, "input_cost_per_token": 1}])
    assert [(reject.relation, reject.listed_id, reject.row) for reject in parsed.rejects] == [("price", "m", None)]
    assert parsed.prices == []
    assert len(parsed.listings) == 1


def test_a_tier_of_another_kind_is_counted_and_not_guessed():
    parsed = one(mode="chat", tiered_pricing=[{"output_range": [0, 5], "input_cost_per_token": 1}])
    assert parsed.unmapped["tiered_pricing[].input_cost_per_token"] == 1
    assert amounts(parsed) == {("input",): "unknown", ("output",): "unknown"}


def test_off_peak_prices_hold_in_each_of_their_windows_and_say_in_which_zone_a_weekday_begins():
    block = {
        "input_cost_per_token": Decimal("1.5e-7"),
        "weekday_timezone": "Asia/Shanghai",
        "windows": [
            {"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [5, 1, 2, 3, 4]},
            {"hours_utc": "00:00-00:00", "weekdays": ["Sat", "sunday"]},
        ],
    }
    assert amounts(one(input_cost_per_token=Decimal("3e-7"), off_peak_pricing=block)) == {
        ("input",): "0.3",
        ("input", "00:00-01:00 UTC on mon,tue,wed,thu,fri Asia/Shanghai"): "0.15",
        ("input", "10:00-00:00 UTC on mon,tue,wed,thu,fri Asia/Shanghai"): "0.15",
        ("input", "00:00-00:00 UTC on sat,sun Asia/Shanghai"): "0.15",
    }
    daily = {"hours_utc": "16:30-00:30", "output_cost_per_token": Decimal("1e-6")}
    assert amounts(one(off_peak_pricing=daily)) == {("output", "16:30-00:30 UTC"): "1"}
    assert " on mon UTC" in one(off_peak_pricing=daily | {"weekdays": [1]}).prices[0].time_window


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"windows": []},
        {"windows": "00:00-00:00"},
        {"windows": [{"hours_utc": "01:00-02:00"}, 7]},
        {"hours_utc": None},
        {"hours_utc": "25:00-26:00"},
        {"hours_utc": ["01:00-02:00", 5]},
        {"hours_utc": "01:00-02:00", "weekdays": []},
        {"hours_utc": "01:00-02:00", "weekdays": [0]},
        {"hours_utc": "01:00-02:00", "weekdays": [True]},
        {"hours_utc": "01:00-02:00", "weekdays": ["noday"]},
        {"hours_utc": "01:00-02:00", "weekday_timezone": "Mars; drop"},
    ],
)
def test_an_off_peak_schedule_that_cannot_be_read_is_counted_and_not_guessed(schedule: dict[str, object]):
    parsed = one(input_cost_per_token=1, output_cost_per_token=1, off_peak_pricing=schedule | {"input_cost_per_token": Decimal("1e-7")})
    assert len(parsed.prices) == 2
    assert parsed.unmapped == {"off_peak_pricing.input_cost_per_token": 1}


def test_searches_by_context_size_and_guardrail_units_have_their_key_as_detail():
    parsed = one(
        search_context_cost_per_query={"search_context_size_low": Decimal("0.01"), "search_context_size_high": 0, "per_month": 5},
        guardrail_cost_per_unit={"topicPolicyUnits": Decimal("0.00015")},
    )
    assert amounts(parsed) == {("web_search", "low"): "10", ("web_search", "high"): "0", ("guardrail_unit", "topicPolicyUnits"): "0.00015"}
    assert parsed.unmapped == {"search_context_cost_per_query.per_month": 1}
    assert amounts(one(search_context_cost_per_query=Decimal("0.01"))) == {("web_search",): "10"}


def test_units_that_a_key_names_are_taken_from_it():
    parsed = one(
        file_search_cost_per_1k_calls=Decimal("2.5"),
        vector_store_cost_per_gb_per_day=Decimal("0.1"),
        computer_use_input_cost_per_1k_tokens=Decimal("0.003"),
        input_cost_per_request=Decimal("0.005"),
        google_maps_grounding_cost_per_query=Decimal("0.025"),
        ocr_cost_per_page_batches=Decimal("0.002"),
        input_cost_per_character=Decimal("1.5e-5"),
    )
    assert amounts(parsed) == {
        ("file_search",): "2.5",
        ("gigabyte_day", "vector store"): "0.1",
        ("input", "computer use"): "3",
        ("request",): "5",
        ("map_search",): "25",
        ("page", "batch"): "0.002",
        ("input_character",): "15",
    }


def test_databricks_units_are_a_currency_of_their_own():
    parsed = one(input_cost_per_token=Decimal("1e-7"), input_dbu_cost_per_token=Decimal("1.429e-6"), output_cost_per_token=0)
    assert {(price.meter, price.currency, price.amount) for price in parsed.prices} == {
        ("input", "USD", Decimal("0.1")), ("input", "DBU", Decimal("1.429")), ("output", "USD", Decimal(0)),
    }  # fmt: skip


def test_multipliers_are_kept_and_are_no_prices():
    parsed = one(input_cost_per_token=1, provider_specific_entry={"us": Decimal("1.1")}, regional_endpoint_uplift_multiplier=Decimal("1.1"))
    assert parsed.price_values == 1
    assert extra(parsed) == {"provider_specific_entry": {"us": "1.1"}, "regional_endpoint_uplift_multiplier": "1.1"}


@pytest.mark.parametrize(
    "found", [-1, Decimal("-0.5"), "free", "", "$1", Decimal("1e-400"), Decimal("1e30"), "NaN", True, [1], {"a": 1}, 2**70, "1e-5000"]
)
def test_what_is_no_price_is_rejected_by_itself_and_leaves_the_others(found: object):
    parsed = one(mode="chat", input_cost_per_token=found, output_cost_per_token=1)
    assert amounts(parsed) == {("output",): "1000000"}
    (reject,) = parsed.rejects
    assert isinstance(reject.row, Price)
    assert (reject.relation, reject.listed_id, reject.row.meter) == ("price", "m", "input")


def test_every_base_of_the_grammar_has_a_meter_and_a_meaning():
    for base in [*BASES.values(), *BASES_IN_MODE.values()]:
        assert base.meter in METERS
    assert all(meaning(base, None) == known for base, known in BASES.items())


# --- listings ---------------------------------------------------------------------------------------------------------------------------


def test_the_provider_is_what_the_entry_says_and_the_id_is_the_key_as_it_is_spelled():
    ids = [
        "together_ai/BAAI/bge",
        "together_ai/baai/bge",
        "bedrock/*/1-month-commitment/x",
        "1024-x-1024/50-steps/x",
        "fireworks-ai-above-16b",
    ]
    parsed = parse({listed_id: {"litellm_provider": "someone", "input_cost_per_token": 1} for listed_id in ids})
    assert [(row.provider, row.listed_id) for row in parsed.listings] == [("someone", listed_id) for listed_id in ids]
    assert [row.listed_id for row in parsed.prices] == ids


def test_documentation_and_naming_rules_are_no_models():
    parsed = parse(
        {"sample_spec": {"litellm_provider": "one of ..."}, "fallback_generalizations": {"rules": []}, "m": {"litellm_provider": "lab"}}
    )
    assert [row.listed_id for row in parsed.listings] == ["m"]
    assert parsed.rejects == []


def test_limits_are_the_prompt_s_and_the_answer_s_and_may_be_floats():
    listing = said(one(max_input_tokens=Decimal("2000000.0"), max_output_tokens=8192, max_tokens=8192))
    assert (listing.context_tokens, listing.max_input_tokens, listing.max_output_tokens) == (None, 2_000_000, 8192)
    assert type(listing.max_input_tokens) is int


def test_the_older_max_tokens_counts_only_for_text_without_a_newer_limit():
    assert said(one(mode="chat", max_tokens=Decimal("4096.0"))).max_output_tokens == 4096
    assert said(one(mode="embedding", max_tokens=512)).max_output_tokens is None
    assert extra(one(mode="embedding", max_tokens=512)) == {"mode": "embedding", "max_tokens": 512}
    newer = one(mode="chat", max_tokens=4096, max_output_tokens=100)
    assert (said(newer).max_output_tokens, extra(newer)) == (100, {"mode": "chat", "max_tokens": 4096})


def test_flags_become_modalities_and_capabilities_and_a_no_is_kept():
    parsed = one(
        mode="chat", supports_vision=True, supports_pdf_input=True, supports_audio_output=True, supports_function_calling=True,
        supports_response_schema=True, supports_reasoning=True, supports_something_new=True, supports_prompt_caching=False,
        supported_modalities=["text", "video"],
    )  # fmt: skip
    listing = said(parsed)
    assert listing.input_modalities == ("image", "pdf", "text", "video")
    assert listing.output_modalities == ("audio", "text")
    assert listing.capabilities == ("reasoning", "something_new", "structured_output", "tool_call")
    assert extra(parsed) == {"mode": "chat", "supports_prompt_caching": False}
    assert not parsed.drift
    assert said(one(mode="embedding", supports_vision=True)).input_modalities == ("image",)
    assert said(one(mode="chat")).input_modalities == ()


def test_the_deprecation_date_is_the_day_of_the_shutdown_and_says_nothing_of_today():
    listing = said(one(deprecation_date="2026-02-27"))
    assert (listing.retires_on, listing.lifecycle) == (date(2026, 2, 27), None)
    for vague in ("2026-02-31", "2026-02", "soon", 20260227):
        parsed = one(deprecation_date=vague)
        assert said(parsed).retires_on is None
        assert len(parsed.oddities) == 1


def test_only_a_web_address_is_one():
    assert said(one(source="https://openai.com/pricing")).docs_url == "https://openai.com/pricing"
    for prose in ("As of Jun, 2024. There is no api", "javascript:alert(1)", "http://a b"):
        parsed = one(source=prose)
        assert (said(parsed).docs_url, extra(parsed)) == (None, {"source": prose})


def test_unknown_keys_are_kept_and_counted():
    parsed = one(input_cost_per_token=1, mode="chat", brand_new={"a": [1, Decimal("0.5")]}, rpm=5)
    assert parsed.drift == {"brand_new": 1}
    assert extra(parsed) == {"mode": "chat", "brand_new": {"a": [1, "0.5"]}, "rpm": 5}


# --- what is broken ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [[], {}, None, "", 5, {"error": "no"}, {"error": {"message": "no"}}, {"data": []}, [{"litellm_provider": "lab"}], {"sample_spec": {}}],
)
def test_what_is_no_price_map_is_refused_whole(payload: object):
    with pytest.raises(BadPayload, match="LiteLLM"):
        parse(payload)


@pytest.mark.parametrize(
    ("listed_id", "entry"),
    [("x", None), ("x", []), ("x", "prose"), ("x", {}), ("x", {"litellm_provider": None}), ("x", {"litellm_provider": 5}),
     ("x", {"litellm_provider": " "}), ("x", {"litellm_provider": "a\x00"}), ("", {"litellm_provider": "lab"}),
     ("a\x00b", {"litellm_provider": "lab"}), ("a\ud800", {"litellm_provider": "lab"}), ("a\u202eb", {"litellm_provider": "lab"}),
     ("a\u200bb", {"litellm_provider": "lab"}), ("a" * 1_000_000, {"litellm_provider": "lab"})],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_is_rejected_by_itself(listed_id: str, entry: object):
    parsed = sound(parse({"good": {"litellm_provider": "lab", "input_cost_per_token": 1}, listed_id: entry}))
    assert [row.listed_id for row in parsed.listings] == ["good"]
    (reject,) = parsed.rejects
    assert reject.relation == "listing"
    assert len(reject.original) <= 2_000


def test_text_that_no_database_takes_is_cleaned_and_numbers_beyond_all_limits_are_null():
    parsed = one(
        mode="ch\x00at\ud800\u202e", comment="a\x00b\ud800c", metadata={"\x00": "\udfff"}, source="https://a\x00b", max_input_tokens=2**70,
        max_output_tokens=Decimal("1e300"), output_vector_size=2**70, supported_modalities=["text", "\x00", 5],
        input_cost_per_token=Decimal("1e-7"), **{"a\x00\u202e": 1, "supports_\x00": True, "n" * 1_000_000: 1},
    )  # fmt: skip
    listing = said(parsed)
    assert (listing.max_input_tokens, listing.max_output_tokens, listing.capabilities) == (None, None, ())
    assert amounts(parsed)[("input",)] == "0.1"
    assert max(map(len, parsed.drift)) <= 200


MADE = {
    "sample_spec": {"litellm_provider": "prose", "input_cost_per_token": "0.0"},
    "lab/chat": {
        "litellm_provider": "lab",
        "mode": "chat",
        "input_cost_per_token": Decimal("1e-6"),
        "output_cost_per_token": Decimal("2e-6"),
        "input_cost_per_token_above_200k_tokens_batches": Decimal("5e-7"),
        "search_context_cost_per_query": {"search_context_size_low": Decimal("0.01")},
        "tiered_pricing": [{"range": [0, 1000], "cache_read_input_token_cost": Decimal("1e-7")}],
        "off_peak_pricing": {"input_cost_per_token": Decimal("5e-7"), "windows": [{"hours_utc": ["01:00-02:00"], "weekdays": [1]}]},
        "max_input_tokens": 1000,
        "max_output_tokens": Decimal("500.0"),
        "supports_vision": True,
        "supported_modalities": ["text"],
        "deprecation_date": "2027-01-01",
        "source": "https://lab.example",
        "metadata": {"notes": "x"},
    },
    "lab/video": {"litellm_provider": "lab", "mode": "video_generation", "output_cost_per_second_1080p": Decimal("0.08")},
}


def test_each_field_broken_once_in_every_way_ends_in_a_declared_outcome():
    count = outcomes(parse, MADE)
    assert sum(count.values()) >= 400
    assert {"rejected", "reported", "plain rows"} <= count.keys()


def test_it_has_a_name_an_address_and_a_first_line():
    assert (SOURCE.name, SOURCE.url.startswith("https://raw.githubusercontent.com/BerriAI/litellm/"), SOURCE.parse) == (
        "litellm",
        True,
        parse,
    )
    assert SOURCE.description.startswith("LiteLLM:")
