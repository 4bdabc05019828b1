"""genai-prices, from payloads small enough to read to every real recording."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from model_assets.contracts import METERS, Listing, Price
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.frames import broken_rows
from model_assets.ledger.claims import LISTING, PRICE
from model_assets.sources.base import Parsed
from model_assets.sources.genai_prices import METER_OF, SOURCE, parse
from model_assets_tests.shared_data import SHARED, body, needs_recordings, recordings
from model_assets_tests.sources.damaged import amounts, outcomes, sound


def one(prices: object = None, provider: dict[str, object] | None = None, **entry: object) -> Parsed:
    """What becomes of one model `m` of the provider `lab`."""
    model = {"id": "m", "match": {"equals": "m"}} | ({} if prices is None else {"prices": prices}) | entry
    return sound(parse([{"id": "lab", "models": [model]} | (provider or {})]))


def said(parsed: Parsed) -> Listing:
    """The only listing."""
    (found,) = parsed.listings
    return found


def spans(parsed: Parsed) -> dict[tuple[str, int, str], dict[str, object]]:
    """(from, prompt bound, until) -> meter -> amount, days as text and empty where nothing is stated."""
    found: dict[tuple[str, int, str], dict[str, object]] = {}
    for row in parsed.prices:
        days = [f"{day:%Y-%m-%d}" if day else "" for day in (row.effective_from, row.effective_to)]
        found.setdefault((days[0], row.prompt_above_tokens, days[1]), {})[row.meter] = (
            f"{row.amount:f}" if row.amount is not None else row.state
        )
    return found


# --- prices -----------------------------------------------------------------------------------------------------------------------------


def test_a_price_is_per_million_tokens_already_and_exact():
    assert amounts(one({"input_mtok": Decimal("0.0375"), "output_mtok": 24})) == {("input",): "0.0375", ("output",): "24"}
    assert amounts(one({"input_mtok": Decimal("0.30000000000000004")})) == {("input",): "0.3"}


def test_calls_and_searches_are_per_thousand():
    assert amounts(one({"requests_kcount": 12, "web_searches_kcount": 5})) == {("request",): "12", ("web_search",): "5"}


def test_every_key_has_a_meter():
    parsed = one(dict.fromkeys(METER_OF, 2))
    assert {row.meter for row in parsed.prices} == set(METER_OF.values()) <= METERS.keys()
    assert len(parsed.prices) == len(METER_OF)
    assert amounts(one({"cache_write_mtok": 1, "cache_write_1h_mtok": 2, "cache_audio_read_mtok": 3})) == {
        ("cache_write_5m",): "1",
        ("cache_write_1h",): "2",
        ("cache_read_audio",): "3",
    }


def test_a_tier_holds_above_its_start():
    tiers = [{"start": 200_000, "price": Decimal("2.5")}, {"start": Decimal("1e6"), "price": 5}]
    assert amounts(one({"input_mtok": {"base": Decimal("1.25"), "tiers": tiers}})) == {
        ("input",): "1.25",
        ("input", 200_000): "2.5",
        ("input", 1_000_000): "5",
    }


def test_an_empty_price_list_is_unknown_and_a_zero_is_free():
    assert amounts(one({})) == {("input",): "unknown", ("output",): "unknown"}
    assert amounts(one([{"prices": {}}])) == {("input",): "unknown", ("output",): "unknown"}
    assert amounts(one({"input_mtok": 0})) == {("input",): "0"}
    assert amounts(one({"input_mtok": None, "output_mtok": 1})) == {("input",): "unknown", ("output",): "1"}


def test_a_key_without_a_rule_is_counted_and_not_dropped():
    parsed = one({"input_mtok": 1, "songs_kcount": 3, "tool_use_kcount": {"web_search": 10}})
    assert amounts(parsed) == {("input",): "1"}
    assert parsed.unmapped == {"prices.songs_kcount": 1, "prices.tool_use_kcount.web_search": 1}
    assert parsed.share_mapped == pytest.approx(1 / 3)
    assert amounts(one({"songs_kcount": 3})) == {("input",): "unknown", ("output",): "unknown"}


def test_a_price_with_a_start_date_ends_the_one_before_it_with_all_its_tiers():
    parsed = one(
        [
            {"prices": {"input_mtok": {"base": 5, "tiers": [{"start": 200_000, "price": 10}]}, "output_mtok": 25}},
            {"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 5, "output_mtok": 25}},
            {"constraint": {"start_date": "2099-01-01"}, "prices": {"input_mtok": 6}},
        ]
    )
    assert spans(parsed) == {
        ("", 0, "2026-03-13"): {"input": "5", "output": "25"},
        ("", 200_000, "2026-03-13"): {"input": "10"},
        ("2026-03-13", 0, "2099-01-01"): {"input": "5", "output": "25"},
        ("2099-01-01", 0, ""): {"input": "6"},
    }
    assert parsed.prices[0].effective_to == datetime(2026, 3, 13, tzinfo=UTC)
    assert parsed.prices[-1].effective_from == datetime(2099, 1, 1, tzinfo=UTC)


def test_the_last_price_list_whose_condition_is_met_counts_so_one_behind_an_earlier_start_never_holds():
    out_of_order = one(
        [
            {"prices": {"input_mtok": 1}},
            {"constraint": {"start_date": "2026-09-01"}, "prices": {"input_mtok": {"base": 2, "tiers": [{"start": 5, "price": 3}]}}},
            {"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 4}},
        ]
    )
    assert spans(out_of_order) == {("", 0, "2026-03-01"): {"input": "1"}, ("2026-03-01", 0, ""): {"input": "4"}}
    assert (len(out_of_order.oddities), out_of_order.price_values) == (1, 4)
    default_last = one([{"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 2}}, {"prices": {"input_mtok": 1}}])
    assert spans(default_last) == {("", 0, ""): {"input": "1"}}


def test_a_time_of_day_is_a_window_beside_the_default():
    parsed = one(
        [
            {"prices": {"input_mtok": Decimal("0.135")}},
            {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}, "prices": {"input_mtok": Decimal("0.27")}},
        ]
    )
    assert amounts(parsed) == {("input",): "0.135", ("input", "00:30-16:30 UTC"): "0.27"}
    assert all(row.effective_from is row.effective_to is None for row in parsed.prices)


def test_a_dated_price_ends_a_window_that_comes_before_it():
    parsed = one(
        [
            {"prices": {"input_mtok": 1}},
            {"constraint": {"start_time": "00:30Z", "end_time": "16:30+00:00"}, "prices": {"input_mtok": 2}},
            {"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 3}},
        ]
    )
    assert [(row.time_window, row.effective_to and f"{row.effective_to:%m-%d}") for row in parsed.prices] == [
        ("", "03-13"),
        ("00:30-16:30 UTC", "03-13"),
        ("", None),
    ]


@pytest.mark.parametrize(
    "constraint",
    [
        "weekends",
        [],
        {},
        {"end_date": "2026-01-01"},
        {"start_date": "2026-02-31"},
        {"start_date": "2026-02"},
        {"start_date": None},
        {"start_date": "2026-01-01", "region": "eu"},
        {"start_time": "00:30:00Z"},
        {"start_time": "00:30:00", "end_time": "16:30:00"},
        {"start_time": "00:30:00+08:00", "end_time": "16:30:00+08:00"},
        {"start_time": "00:30:30Z", "end_time": "16:30:00Z"},
        {"start_time": "24:30:00Z", "end_time": "16:30:00Z"},
        {"start_time": 5, "end_time": 6},
    ],
)
def test_a_constraint_of_another_form_is_counted_and_not_guessed(constraint: object):
    parsed = one(
        [{"prices": {"input_mtok": 1}}, {"constraint": constraint, "prices": {"input_mtok": 2, "output_mtok": {"base": 3, "tiers": []}}}]
    )
    assert spans(parsed) == {("", 0, ""): {"input": "1"}}
    assert sum(parsed.unmapped.values()) == 2
    assert parsed.price_values == 3


@pytest.mark.parametrize("found", [-1, "free", "", True, [1], Decimal("1e30"), 2**70, Decimal("1e-400")])
def test_what_is_no_price_is_rejected_by_itself_and_leaves_the_others(found: object):
    parsed = one({"input_mtok": found, "output_mtok": 1})
    assert amounts(parsed) == {("output",): "1"}
    (reject,) = parsed.rejects
    assert isinstance(reject.row, Price)
    assert reject.row.meter == "input"


@pytest.mark.parametrize("prices", [None, [], "free", 5, [{"constraint": None}], [5], [{"prices": 5}], {"input_mtok": {"base": 1}},
                                    {"input_mtok": {"base": 1, "tiers": {}}}, {"input_mtok": {"tiers": []}}])  # fmt: skip
def test_a_price_list_that_is_none_puts_the_prices_of_its_listing_in_doubt(prices: object):
    parsed = one(prices)
    assert [(reject.relation, reject.listed_id, reject.row) for reject in parsed.rejects] == [("price", "m", None)]
    assert (len(parsed.listings), parsed.prices) == (1, [])


@pytest.mark.parametrize(
    "tier", [None, 5, {}, {"price": 1}, {"start": 0, "price": 1}, {"start": "5", "price": 1}, {"start": True, "price": 1},
             {"start": 2**70, "price": 1}, {"start": Decimal("0.5"), "price": 1}, {"start": 5}, {"start": 5, "price": None}]
)  # fmt: skip
def test_a_tier_that_is_none_is_rejected_and_the_base_stays(tier: object):
    parsed = one({"input_mtok": {"base": 1, "tiers": [tier]}})
    assert amounts(parsed) == {("input",): "1"}
    assert [reject.relation for reject in parsed.rejects] == ["price"]


# --- listings ---------------------------------------------------------------------------------------------------------------------------


def test_a_listing_says_what_the_list_says_and_keeps_the_rule_that_matches_wire_ids():
    match = {"or": [{"starts_with": "claude-2"}, {"contains": "claude-v2"}]}
    parsed = one(
        {"input_mtok": 8},
        {"pricing_urls": ["https://lab.example/prices", "https://b"], "name": "Lab", "api_pattern": "x"},
        name="Claude 2", description="Old.\n", context_window=200_000, deprecated=True, match=match,
        price_comments="flat", prices_checked="2026-01-01",
    )  # fmt: skip
    listing = said(parsed)
    assert (listing.provider, listing.listed_id, listing.name, listing.description) == ("lab", "m", "Claude 2", "Old.")
    assert (listing.context_tokens, listing.lifecycle, listing.docs_url) == (200_000, "deprecated", "https://lab.example/prices")
    assert json.loads(listing.extra) == {"match": match, "price_comments": "flat", "prices_checked": "2026-01-01"}
    assert (parsed.drift, parsed.oddities) == ({}, [])


def test_what_is_not_said_is_null():
    listing = said(one({"input_mtok": 1}, deprecated=False))
    assert (listing.name, listing.context_tokens, listing.lifecycle, listing.docs_url) == (None, None, None, None)


def test_unknown_keys_are_kept_and_counted():
    parsed = one({"input_mtok": 1}, {"slogan": "x"}, released="2026", match=None)
    assert parsed.drift == {"provider.slogan": 1, "released": 1}
    assert json.loads(said(parsed).extra) == {"released": "2026"}
    listed = one([{"prices": {"input_mtok": 1}, "note": "x"}])
    assert listed.drift == {"prices[].note": 1}


@pytest.mark.parametrize("urls", ["javascript:alert(1)", ["ftp://x"], [5], {"a": 1}, ["https://a b"], ["https://a\x00"]])
def test_only_a_web_address_is_a_pricing_page(urls: object):
    parsed = one({"input_mtok": 1}, {"pricing_urls": urls})
    assert said(parsed).docs_url is None
    assert [odd.field for odd in parsed.oddities] == ["pricing_urls"]


def test_optional_fields_of_another_type_are_null_and_reported():
    parsed = one({"input_mtok": 1}, name=5, description=[], context_window="200k", deprecated="yes")
    listing = said(parsed)
    assert (listing.name, listing.description, listing.context_tokens, listing.lifecycle) == (None, None, None, None)
    assert {odd.field for odd in parsed.oddities} == {"name", "description", "context_window", "deprecated"}


# --- what is broken ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [[], {}, None, "", 5, {"error": "no"}, {"data": []}, [{"id": "lab", "models": []}], [None], [{"error": {}}]]
)
def test_what_is_no_price_list_is_refused_whole(payload: object):
    with pytest.raises(BadPayload, match="genai-prices"):
        parse(payload)


@pytest.mark.parametrize(
    "broken", [None, [], "x", {}, {"id": None, "models": []}, {"id": "a\x00", "models": []}, {"id": "x"}, {"id": "x", "models": {}}]
)
def test_a_provider_that_cannot_be_used_is_rejected_by_itself(broken: object):
    parsed = sound(parse([broken, {"id": "lab", "models": [{"id": "m", "prices": {"input_mtok": 1}}]}]))
    assert [row.listed_id for row in parsed.listings] == ["m"]
    assert [reject.relation for reject in parsed.rejects] == ["listing"]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "x",
        {},
        {"id": 5},
        {"id": " "},
        {"id": "a\x00"},
        {"id": "a\ud800"},
        {"id": "a\u202eb"},
        {"id": "a\u200bb"},
        {"id": "a" * 1_000_000},
    ],
)
def test_a_model_that_cannot_be_used_is_rejected_by_itself(broken: object):
    parsed = sound(parse([{"id": "lab", "models": [broken, {"id": "m", "prices": {"input_mtok": 1}}]}]))
    assert [row.listed_id for row in parsed.listings] == ["m"]
    assert [(reject.relation, reject.provider) for reject in parsed.rejects] == [("listing", "lab")]


def test_text_that_no_database_takes_is_cleaned_and_numbers_beyond_all_limits_are_null():
    parsed = one(
        {"input_mtok": 1}, name="a\x00b\u202e", description="x\ud800" * 3, context_window=2**70,
        match={"equals": "\x00\ud800"}, price_comments="\u200bz",
    )  # fmt: skip
    listing = said(parsed)
    assert (listing.name, listing.description, listing.context_tokens) == ("ab", "xxx", None)
    assert json.loads(listing.extra) == {"match": {"equals": ""}, "price_comments": "z"}
    assert said(one({"input_mtok": 1}, name="n" * 1_000_000)).name is None


MADE = [
    {
        "id": "lab",
        "name": "Lab",
        "pricing_urls": ["https://lab.example"],
        "api_pattern": "x",
        "models": [
            {
                "id": "a",
                "name": "A",
                "description": "d",
                "match": {"or": [{"equals": "a"}]},
                "context_window": 1000,
                "deprecated": True,
                "prices": [
                    {"prices": {"input_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}]}, "output_mtok": 3}},
                    {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 2}},
                    {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}, "prices": {"input_mtok": Decimal("0.5")}},
                ],
            },
            {"id": "b", "match": {"equals": "b"}, "prices": {"requests_kcount": 12}},
        ],
    },
]


def test_each_field_broken_once_in_every_way_ends_in_a_declared_outcome():
    count = outcomes(parse, MADE)
    assert sum(count.values()) >= 400
    assert {"refused whole", "rejected", "reported", "plain rows"} == count.keys()


# --- real recordings --------------------------------------------------------------------------------------------------------------------


def real_files() -> list[Path]:
    """Every recording, then the lists that are not served at our address: slim ones, and the next layout."""
    return [*recordings("genai_prices"), *sorted((SHARED / "payloads" / "genai_prices").glob("*.gz"))]


@cache
def decoded(path: Path) -> Any:
    """A real list as decoded JSON."""
    return strict_json.loads(body(path))


@cache
def recorded(path: Path) -> Parsed:
    """A real list, parsed."""
    return parse(decoded(path))


def real(name: str) -> Parsed:
    """The real list whose file's name holds `name`."""
    (path,) = [path for path in real_files() if path.name.startswith(name)]
    return recorded(path)


def only(parsed: Parsed, provider: str, listed_id: str) -> Parsed:
    """One listing and its prices."""
    rows = [row for row in parsed.prices if (row.provider, row.listed_id) == (provider, listed_id)]
    return Parsed([row for row in parsed.listings if (row.provider, row.listed_id) == (provider, listed_id)], rows)


def numbers_quoted(found: Any) -> int:
    """How many amounts a `prices` holds, counted without the parser."""
    if isinstance(found, list):
        return sum(numbers_quoted(one["prices"]) for one in found)
    return sum(1 + len(value["tiers"]) if isinstance(value, dict) else 1 for value in found.values())


@needs_recordings
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_every_price_in_every_real_list_becomes_a_sound_row(path: Path):
    parsed = sound(recorded(path))
    models = [model for provider in decoded(path) for model in provider["models"]]
    assert len(parsed.listings) == len(models)
    assert parsed.price_values == sum(numbers_quoted(model["prices"]) for model in models)
    assert sum(row.state != "unknown" for row in parsed.prices) == parsed.price_values
    assert parsed.share_mapped == 1
    assert (parsed.rejects, parsed.oddities, parsed.drift) == ([], [], {})
    keys = [row[:10] for row in parsed.prices]
    assert len(set(keys)) == len(keys)
    assert {row[:2] for row in parsed.prices} == {row[:2] for row in parsed.listings}


@needs_recordings
def test_the_newest_list_keeps_the_contract_that_the_ledger_checks():
    parsed = real("2026-08-22")
    assert broken_rows(LISTING, parsed.listings) == {}
    assert broken_rows(PRICE, parsed.prices) == {}


@needs_recordings
def test_deepseek_chat_has_two_prices_by_time_of_day():
    prices = amounts(only(real("2026-08-22"), "deepseek", "deepseek-chat"))
    assert prices[("input",)] == "0.135"
    assert prices[("input", "00:30-16:30 UTC")] == "0.27"


@needs_recordings
def test_claude_opus_4_6_has_a_tier_until_the_day_its_price_became_flat():
    assert spans(only(real("2026-05-01"), "anthropic", "claude-opus-4-6")) == {
        ("", 0, "2026-03-13"): {"input": "5", "cache_write_5m": "6.25", "cache_read": "0.5", "output": "25"},
        ("", 200_000, "2026-03-13"): {"input": "10", "cache_write_5m": "12.5", "cache_read": "1", "output": "37.5"},
        ("2026-03-13", 0, ""): {"input": "5", "cache_write_5m": "6.25", "cache_read": "0.5", "output": "25"},
    }


@needs_recordings
def test_an_announced_price_starts_in_the_future():
    found = spans(only(real("2026-08-22"), "anthropic", "claude-sonnet-5"))
    assert found[("", 0, "2026-09-01")]["input"] == "2"
    assert found[("2026-09-01", 0, "")]["input"] == "3"


@needs_recordings
def test_real_entries_broken_once_in_every_way_end_in_a_declared_outcome():
    wanted = ("claude-opus-4-6", "deepseek-chat", "sonar", "gemini-2.5-pro", "gemini-2.5-flash-preview")
    trimmed = deepcopy(decoded(recordings("genai_prices")[-1]))
    for provider in trimmed:
        provider.pop("extractors", None)
        provider["models"] = [model for model in provider["models"] if model["id"] in wanted]
    count = outcomes(parse, [provider for provider in trimmed if provider["models"]])
    assert sum(count.values()) >= 2_000


def test_it_has_a_name_an_address_and_a_first_line():
    address = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json"
    assert (SOURCE.name, SOURCE.url, SOURCE.parse) == ("genai_prices", address, parse)
    assert SOURCE.description.startswith("genai-prices:")
