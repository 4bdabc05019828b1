"""OpenRouter, from payloads small enough to read to every real recording."""

import json
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from model_assets.contracts import Listing, Price
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.base import Parsed
from model_assets.sources.openrouter import SOURCE, parse
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.damaged import amounts, outcomes, said, sound


def one(pricing: object, **entry: object) -> Parsed:
    """What becomes of one model `lab/m`."""
    return sound(parse({"data": [{"id": "lab/m", "pricing": pricing} | entry]}))


def priced(**pricing: object) -> Parsed:
    """What becomes of one model with these prices beside the two required ones."""
    return one({"prompt": "0.000002", "completion": "0.00001"} | pricing)


@cache
def recorded(name: str) -> Parsed:
    """A real recording, parsed."""
    (path,) = [path for path in recordings("openrouter") if path.name.startswith(name)]
    return parse(strict_json.loads(body(path)))


def find(name: str, listed_id: str) -> Listing:
    """What a real recording says about one model."""
    (found,) = [row for row in recorded(name).listings if row.listed_id == listed_id]
    return found


def costs(name: str, listed_id: str) -> dict[tuple[object, ...], object]:
    """The prices of one model in a real recording."""
    return amounts(Parsed(prices=[row for row in recorded(name).prices if row.listed_id == listed_id]))


BASE = {("input",): "2", ("output",): "10"}


# Prices


def test_a_price_per_token_is_exact_per_million():
    assert amounts(one({"prompt": "0.0000000375", "completion": "0.00000008333333333333334"})) == {
        ("input",): "0.0375",
        ("output",): "0.0833333333333333",
    }
    assert one({"prompt": "0.0000000375", "completion": "0"}).prices[0].amount == Decimal("0.0375")


def test_two_spellings_of_one_price_are_equal():
    spelled = [one({"prompt": quoted, "completion": "0"}).prices for quoted in ("0.00000008333333333333334", "0.0000000833333333333333")]
    assert spelled[0] == spelled[1]


def test_every_documented_key_has_its_unit():
    parsed = priced(
        input_cache_read="0.0000002", input_cache_write="0.0000025", input_cache_write_1h="0.000004", internal_reasoning="0.00001",
        audio="0.000003", audio_output="0.000064", input_audio_cache="0.0000003", image="0.0013", image_token="0.000005",
        image_output="0.00003", request="0.005", web_search="0.01", discount=Decimal("0.25"),
    )  # fmt: skip
    assert amounts(parsed) == BASE | {
        ("cache_read",): "0.2", ("cache_write_5m",): "2.5", ("cache_write_1h",): "4", ("reasoning",): "10", ("input_audio",): "3",
        ("output_audio",): "64", ("cache_read_audio",): "0.3", ("input_image_unit",): "0.0013", ("input_image",): "5",
        ("output_image",): "30", ("request",): "5", ("web_search",): "10",
    }  # fmt: skip
    assert (parsed.price_values, parsed.share_mapped) == (14, 1)
    assert json.loads(said(parsed).extra) == {"discount": "0.25"}


@pytest.mark.parametrize("dynamic", ["-1", -1])
def test_a_price_that_depends_on_the_route_is_dynamic_and_has_no_amount(dynamic: object):
    parsed = one({"prompt": dynamic, "completion": dynamic})
    assert [(p.meter, p.state, p.amount) for p in parsed.prices] == [("input", "dynamic", None), ("output", "dynamic", None)]
    assert (parsed.price_values, parsed.share_mapped, parsed.rejects) == (2, 1, [])


def test_a_zero_prompt_or_completion_is_free():
    assert [(p.state, p.amount) for p in one({"prompt": "0", "completion": "0"}).prices] == [("free", 0)] * 2


@pytest.mark.parametrize("nothing", ["0", "0.0", "0.000000", 0, None])
def test_an_optional_zero_says_no_more_than_an_absent_key(nothing: object):
    parsed = priced(request=nothing, image=nothing, internal_reasoning=nothing, input_cache_read=nothing)
    assert parsed.prices == priced().prices
    assert (parsed.price_values, parsed.share_mapped) == (6, 1)


@pytest.mark.parametrize("bad", ["-2", "-0.5", -3, "free", "", True, [], {}, "NaN", "Infinity", "1e-400", "1e30", 2**70])
def test_what_is_no_price_is_rejected_and_only_that_price_is_in_doubt(bad: object):
    parsed = one({"prompt": bad, "completion": "0.00001"})
    (reject,) = parsed.rejects
    assert isinstance(reject.row, Price)
    assert (reject.relation, reject.row.meter) == ("price", "input")
    assert amounts(parsed) == {("output",): "10"}
    (reject,) = priced(web_search="-1").rejects
    assert isinstance(reject.row, Price)
    assert reject.row.meter == "web_search"


def test_a_null_prompt_is_unknown_and_a_missing_one_freezes_that_price():
    assert amounts(one({"prompt": None, "completion": "0"})) == {("input",): "unknown", ("output",): "0"}
    (reject,) = one({"completion": "0"}).rejects
    assert isinstance(reject.row, Price)
    assert (reject.row.meter, reject.reason) == ("input", "pricing has no prompt")


@pytest.mark.parametrize("pricing", [None, "0", [], 3])
def test_pricing_that_is_no_object_puts_all_prices_in_doubt_and_keeps_the_listing(pricing: object):
    parsed = one(pricing)
    assert said(parsed).listed_id == "lab/m"
    assert [(r.relation, r.listed_id, r.row) for r in parsed.rejects] == [("price", "lab/m", None)]


def test_a_price_key_that_no_rule_maps_is_reported():
    parsed = priced(per_song="0.05", video={"second": "0.1", "note": "soon"})
    assert amounts(parsed) == BASE
    assert parsed.unmapped == {"pricing.per_song": 1, "pricing.video.second": 1}
    assert parsed.drift == {"pricing.video.note": 1}
    assert parsed.share_mapped == 0.5


# Overrides


def test_an_override_by_prompt_tokens_holds_above_them():
    overrides = [{"min_prompt_tokens": 200000, "prompt": "0.000004", "completion": "0.000015", "input_cache_read": "0"}]
    assert amounts(priced(overrides=overrides)) == BASE | {("input", 200000): "4", ("output", 200000): "15"}


def test_an_override_by_time_of_day_holds_in_its_window_which_may_pass_midnight():
    parsed = priced(
        overrides=[{"utc_start": 1630, "utc_end": 30, "prompt": "0.000001"}, {"utc_start": 5, "utc_end": 0, "completion": "-1"}]
    )
    assert amounts(parsed) == BASE | {("input", "16:30-00:30 UTC"): "1", ("output", "00:05-00:00 UTC"): "dynamic"}


def test_an_override_may_have_several_conditions():
    both = {"min_prompt_tokens": 32000, "utc_start": 0, "utc_end": 830, "utc_days": ["sunday", "monday"], "prompt": "0.000001"}
    assert amounts(priced(overrides=[both])) == BASE | {("input", 32000, "00:00-08:30 UTC on mon,sun UTC"): "1"}


def test_a_price_whose_windows_fill_the_day_is_told_by_them_alone():
    """The price list repeats the window of the moment: two looks on one day would see a change where nothing changed."""
    windows = [{"utc_start": 30, "utc_end": 1630, "prompt": "0.000002"}, {"utc_start": 1630, "utc_end": 30, "prompt": "0.000001"}]
    by_day, by_night = (one({"prompt": now, "completion": "0", "overrides": windows}) for now in ("0.000002", "0.000001"))
    assert amounts(by_day) == {("output",): "0", ("input", "00:30-16:30 UTC"): "2", ("input", "16:30-00:30 UTC"): "1"}
    assert by_day.prices == by_night.prices
    assert (by_day.price_values, by_day.share_mapped) == (4, 1)


def test_windows_scoped_to_days_fill_the_week_together():
    weekdays = {"utc_days": ["monday", "tuesday", "wednesday", "thursday", "friday"]}
    windows: list[dict[str, object]] = [
        weekdays | {"utc_start": 30, "utc_end": 1630, "prompt": "0.000004"},
        weekdays | {"utc_start": 1630, "utc_end": 30, "prompt": "0.000002"},
        {"utc_days": ["saturday", "sunday"], "prompt": "0.000002"},
    ]
    assert amounts(priced(overrides=windows)) == {
        ("output",): "10",
        ("input", "00:30-16:30 UTC on mon,tue,wed,thu,fri UTC"): "4",
        ("input", "16:30-00:30 UTC on mon,tue,wed,thu,fri UTC"): "2",
        ("input", "00:00-00:00 UTC on sat,sun UTC"): "2",
    }
    assert amounts(priced(overrides=windows[:2]))["input",] == "2"


@pytest.mark.parametrize(
    "conditions",
    [
        {}, {"utc_start": 1000}, {"utc_end": 1000}, {"utc_start": 2400, "utc_end": 100}, {"utc_start": 1060, "utc_end": 100},
        {"utc_start": -1, "utc_end": 100}, {"utc_start": "1000", "utc_end": 100}, {"utc_start": True, "utc_end": 100},
        {"min_prompt_tokens": 0}, {"min_prompt_tokens": -5}, {"min_prompt_tokens": "many"}, {"min_prompt_tokens": 2**70},
        {"utc_days": []}, {"utc_days": ["someday"]}, {"utc_days": "monday"}, {"utc_days": [["monday"]]},
    ],
)  # fmt: skip
def test_an_override_whose_condition_cannot_be_read_puts_the_prices_of_its_listing_in_doubt(conditions: dict[str, object]):
    parsed = priced(overrides=[conditions | {"prompt": "0.000001"}])
    assert amounts(parsed) == BASE
    assert [(r.relation, r.listed_id, r.row) for r in parsed.rejects] == [("price", "lab/m", None)]


@pytest.mark.parametrize("overrides", [{}, "none", 3, [None], ["x"], [[]]])
def test_overrides_of_another_shape_put_the_prices_of_their_listing_in_doubt(overrides: object):
    (reject,) = priced(overrides=overrides).rejects
    assert (reject.relation, reject.row) == ("price", None)


@pytest.mark.parametrize("known", [{}, {"min_prompt_tokens": 9}])
def test_an_override_with_an_unknown_condition_makes_no_row_and_is_reported(known: dict[str, object]):
    parsed = priced(overrides=[known | {"min_images": 3, "prompt": "0.000001", "completion": "0.000001"}])
    assert amounts(parsed) == BASE
    assert parsed.unmapped.total() == 3
    assert "pricing.overrides[min_images].prompt" in parsed.unmapped
    assert not parsed.rejects


def test_an_unknown_price_in_an_override_is_reported_and_the_others_hold():
    parsed = priced(overrides=[{"min_prompt_tokens": 9, "per_song": "0.05", "prompt": "0.000001"}])
    assert amounts(parsed) == BASE | {("input", 9): "1"}
    assert parsed.unmapped == {"pricing.overrides[].per_song": 1}


# Listings


def test_a_listing_says_what_the_entry_says():
    parsed = one(
        {"prompt": "0", "completion": "0"},
        canonical_slug="lab/m-2025-11-04", hugging_face_id="Lab/M", name="Lab: M", created=1762214400, description="A model.",
        context_length=1000000, architecture={
            "modality": "text->text", "input_modalities": ["text", "file"], "output_modalities": ["text"], "tokenizer": "GPT",
            "instruct_type": None,
        },
        top_provider={"context_length": 400000, "max_completion_tokens": 128000, "is_moderated": True}, per_request_limits=None,
        supported_parameters=["tools", "temperature", "top_p", "structured_outputs", "reasoning"],
        default_parameters={"temperature": Decimal("0.6"), "top_p": None}, supported_voices=None, expiration_date="2026-12-31",
        knowledge_cutoff="2025-03-31", reasoning={"mandatory": True}, links={"details": "/x"}, benchmarks={"design_arena": []},
    )  # fmt: skip
    found = said(parsed)
    assert found._replace(extra="{}") == Listing(
        provider="openrouter", listed_id="lab/m", name="Lab: M", author="lab", description="A model.", knowledge_cutoff=date(2025, 3, 31),
        knowledge_cutoff_precision="day", context_tokens=1000000, max_output_tokens=128000, input_modalities=("file", "text"),
        output_modalities=("text",), capabilities=("reasoning", "structured_output", "temperature", "tool_call"),
        retires_on=date(2026, 12, 31), hugging_face_id="Lab/M", canonical_hint="lab/m-2025-11-04",
    )  # fmt: skip
    assert json.loads(found.extra) == {
        "created": 1762214400, "default_parameters": {"temperature": "0.6"}, "is_moderated": True, "reasoning": {"mandatory": True},
        "supported_parameters": ["top_p"], "tokenizer": "GPT", "top_provider_context_length": 400000,
    }  # fmt: skip
    assert not parsed.oddities
    assert not parsed.drift


def test_a_moving_alias_keeps_its_target_and_its_author():
    parsed = sound(
        parse({"data": [{"id": "~lab/m-latest", "alias_target": {"slug": "lab/m2"}, "pricing": {"prompt": "0", "completion": "0"}}]})
    )
    assert said(parsed).author == "lab"
    assert said(parsed).replaced_by is None
    assert json.loads(said(parsed).extra) == {"alias": True, "alias_target": {"slug": "lab/m2"}}
    assert said(parsed).canonical_hint == "lab/m2"


def test_a_sentinel_for_no_expiration_and_an_empty_id_are_null_and_no_oddity():
    parsed = one({"prompt": "0", "completion": "0"}, expiration_date="2098-12-31", hugging_face_id="")
    assert (said(parsed).retires_on, said(parsed).hugging_face_id, parsed.oddities) == (None, None, [])


def test_ranks_of_the_day_are_left_in_the_raw_payload():
    looks = [one({"prompt": "0", "completion": "0"}, benchmarks={"design_arena": [{"rank": rank}]}) for rank in (1, 2)]
    assert looks[0] == looks[1]
    assert not looks[0].drift


def test_unknown_keys_are_kept_and_counted():
    entry = {
        "id": "lab/m",
        "speed": 7,
        "architecture": {"layers": 3},
        "top_provider": {"zone": "eu"},
        "pricing": {"prompt": "0", "completion": "0"},
    }
    parsed = sound(parse({"data": [entry], "generated": 1, "total_count": 1, "links": {"next": None}}))
    assert json.loads(said(parsed).extra) == {"speed": 7, "architecture.layers": 3, "top_provider.zone": "eu"}
    assert parsed.drift == {"envelope.generated": 1, "model.speed": 1, "model.architecture.layers": 1, "model.top_provider.zone": 1}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("name", 3), ("name", "a" * 1_000_000), ("description", ["a"]), ("canonical_slug", 5), ("hugging_face_id", {}),
        ("context_length", "1000"), ("context_length", Decimal("0.5")), ("context_length", 2**70), ("architecture", "text"),
        ("architecture", {"input_modalities": "text"}), ("top_provider", []), ("top_provider", {"max_completion_tokens": -1}),
        ("supported_parameters", "tools"), ("supported_parameters", [3]), ("expiration_date", "soon"), ("expiration_date", "2026-02-30"),
        ("expiration_date", "2026-05"), ("expiration_date", 7), ("knowledge_cutoff", "2025-02-31"),
    ],
)  # fmt: skip
def test_an_optional_field_that_cannot_be_used_is_null_and_reported(field: str, found: object):
    parsed = one({"prompt": "0", "completion": "0"}, **{field: found})
    (oddity,) = parsed.oddities
    assert oddity.field.split(".")[0] == field
    assert said(parsed)[:-1] == Listing("openrouter", "lab/m", author="lab")[:-1]
    assert not parsed.rejects


def test_texts_that_postgres_refuses_are_cleaned_wherever_they_stand():
    dirty = "a\x00b\u202e\u200b\ud800c"
    parsed = one(
        {"prompt": "0", "completion": "0"}, name=dirty, description=dirty, strange={dirty: dirty}, supported_parameters=[dirty, "top_p"]
    )
    assert (said(parsed).name, said(parsed).description) == ("abc", "abc")
    assert json.loads(said(parsed).extra) == {"strange": {"abc": "abc"}, "supported_parameters": ["top_p"]}
    assert len(parsed.oddities) == 3


# Entries and envelopes


@pytest.mark.parametrize(
    "entry", [None, "gone", [], 3, {}, {"id": None}, {"id": 5}, {"id": ""}, {"id": "a\x00b"}, {"id": "a" * 513}, {"id": "a\ud800"}]
)
def test_an_entry_without_a_usable_id_is_rejected_by_itself(entry: object):
    parsed = sound(parse({"data": [entry, {"id": "lab/good", "pricing": {"prompt": "0", "completion": "0"}}]}))
    assert [row.listed_id for row in parsed.listings] == ["lab/good"]
    assert [(r.relation, r.provider, r.listed_id) for r in parsed.rejects] == [("listing", "openrouter", None)]


@pytest.mark.parametrize(
    "payload",
    [{}, [], None, "text", 3, {"error": "down"}, {"error": {"code": 500}}, {"data": []}, {"data": {}}, {"data": None}, [{"id": "lab/m"}]],
)
def test_a_payload_that_is_no_catalogue_is_refused_whole(payload: object):
    with pytest.raises(BadPayload):
        parse(payload)


def test_one_page_of_a_longer_list_is_refused_whole():
    with pytest.raises(BadPayload, match="one page"):
        parse({"data": [{"id": "lab/m"}], "links": {"next": "/api/v1/models?offset=500"}})


def test_the_source_names_itself():
    assert (SOURCE.name, SOURCE.url) == ("openrouter", "https://openrouter.ai/api/v1/models")
    assert SOURCE.description.startswith("OpenRouter:")


# Mutations

MADE: dict[str, Any] = {
    "data": [
        {
            "id": "lab/m", "canonical_slug": "lab/m-1", "hugging_face_id": "", "name": "Lab: M", "created": 1762214400, "description": "D",
            "context_length": 400000, "per_request_limits": None, "supported_voices": None, "expiration_date": "2026-12-31",
            "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "GPT"},
            "pricing": {
                "prompt": "0.000002", "completion": "0.00001", "request": "0", "image": "0.001",
                "overrides": [
                    {"min_prompt_tokens": 200000, "prompt": "0.000004"},
                    {"utc_start": 1000, "utc_end": 100, "completion": "0.000005"},
                    {"utc_start": 100, "utc_end": 1000, "completion": "0.00001"},
                ],
            },
            "top_provider": {"context_length": 400000, "max_completion_tokens": 128000, "is_moderated": False},
            "supported_parameters": ["tools", "top_p"], "default_parameters": {"temperature": None}, "knowledge_cutoff": "2025-03",
            "reasoning": {"mandatory": True}, "alias_target": {"slug": "lab/m2"}, "links": {"details": "/x"},
        },
        {"id": "lab/n", "pricing": {"prompt": "-1", "completion": "-1"}},
    ],
}  # fmt: skip


def test_every_mutation_of_a_made_payload_has_a_declared_outcome():
    count = outcomes(parse, MADE)
    assert count.total() > 1_000
    assert min(count["refused whole"], count["rejected"], count["reported"], count["plain rows"]) > 10


@needs_recordings
def test_every_mutation_of_a_trimmed_recording_has_a_declared_outcome():
    whole: Any = strict_json.loads(body(recordings("openrouter")[-1]))
    wanted = ("deepseek/deepseek-v4-flash-vision-exp", "qwen/qwen3-max", "google/gemini-3-pro-image", "openrouter/auto")
    assert outcomes(parse, {"data": [entry for entry in whole["data"] if entry["id"] in wanted]}).total() > 1_000


# Real recordings


@needs_recordings
def test_every_recording_parses_and_all_its_prices_become_rows():
    for path in recordings("openrouter"):
        parsed = sound(parse(strict_json.loads(body(path))))
        assert parsed.share_mapped >= 0.99
        assert not parsed.rejects
        assert not parsed.drift
        assert not parsed.oddities
        assert len({row[:10] for row in parsed.prices}) == len(parsed.prices)
        assert {row.listed_id for row in parsed.prices} == {row.listed_id for row in parsed.listings}


@needs_recordings
def test_routers_are_dynamic_in_every_recording_and_nothing_else_is():
    for path in recordings("openrouter"):
        states = {(row.listed_id.split("/")[0], row.state) for row in recorded(path.name).prices if row.amount is None}
        assert states == {("openrouter", "dynamic")}


@needs_recordings
def test_models_that_a_vendor_took_down_for_a_day_are_missing_for_that_day():
    before, during, after = (
        {row.listed_id for row in recorded(name).listings} for name in ("2026-01-15T1806Z", "2026-01-16T0010Z", "2026-01-16T1804Z")
    )
    assert len(before - during) == 17
    assert len((before - during) & after) == 11


@needs_recordings
def test_a_price_that_goes_to_and_fro_is_seen_each_time():
    id = "mistralai/mistral-small-3.1-24b-instruct"
    inputs = [costs(path.name, id).get(("input",)) for path in recordings("openrouter")]
    assert {"0.03", "0.35"} <= set(inputs)


@needs_recordings
def test_zeros_that_became_absent_keys_are_no_price_change():
    meters = {row.meter for row in recorded("2026-04-01").prices if row.listed_id == "openai/gpt-3.5-turbo-0613"}
    assert (
        meters
        == {row.meter for row in recorded("2025-12-30").prices if row.listed_id == "openai/gpt-3.5-turbo-0613"}
        == {"input", "output"}
    )


@needs_recordings
def test_an_answer_may_be_longer_than_the_context_says():
    found = find("2026-06-24", "openai/gpt-3.5-turbo-0613")
    assert (found.context_tokens, found.max_output_tokens) == (4095, 4096)


@needs_recordings
def test_the_first_prices_by_time_of_day_are_told_by_their_windows():
    found = costs("2026-08-22", "deepseek/deepseek-v4-flash-vision-exp")
    assert {key[1]: amount for key, amount in found.items() if key[0] == "input"} == {
        "10:00-01:00 UTC": "0.22",
        "01:00-04:00 UTC": "0.44",
        "04:00-06:00 UTC": "0.22",
        "06:00-10:00 UTC": "0.44",
    }
    assert costs("2026-08-22", "qwen/qwen3-max")["input", 128000] == "1.95"
