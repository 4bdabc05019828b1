from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

import pytest

from model_assets.cost.evaluate import Answer, evaluate
from model_assets.cost.table import PriceRow, row_of
from model_assets.cost.usage import usage
from model_assets.errors import ModelAssetsError

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)


def row(meter: str, amount: str | None, **conditions: Any) -> PriceRow:
    exact = None if amount is None else Decimal(amount)
    state = "unknown" if exact is None else "paid" if exact else "free"
    return PriceRow(meter, exact, **({"state": state} | conditions))


def cost(rows: list[PriceRow], at: datetime = NOON, tier: str = "standard", region: str = "", **counts: Any) -> Answer:
    return evaluate(rows, usage(counts), at, tier, region)


FLAT = [row("input", "3"), row("output", "15"), row("cache_read", "0.3"), row("cache_write_5m", "3.75")]
LONG = [*FLAT, *(row(one.meter, str(2 * one.amount), prompt_above_tokens=200_000) for one in FLAT if one.amount)]


def test_a_request_costs_the_sum_of_its_counts_times_their_prices():
    found = cost(FLAT, input=1_000, output=500, cache_read=10_000, cache_write_5m=2_000)
    # 0.003 + 0.0075 + 0.003 + 0.0075
    assert found.totals == {"USD": Decimal("0.021")}
    assert found.flags == ()


def test_an_amount_is_exact_however_long_it_is():
    found = cost([row("input", "0.0833333333333333")], input=9_007_199_254_740_993)
    assert found.totals["USD"].scaleb(22, Context(prec=60)) == 9_007_199_254_740_993 * 833_333_333_333_333


def test_crossing_a_bound_reprices_the_whole_request():
    below, above = cost(LONG, input=200_000, output=1_000), cost(LONG, input=200_001, output=1_000)
    assert below.totals["USD"] == Decimal("0.615")  # 200,000 * 3 / 1M + 1,000 * 15 / 1M
    assert above.totals["USD"] == Decimal("1.230006")  # 200,001 * 6 / 1M + 1,000 * 30 / 1M: not 0.615006
    assert all(line.why == "above 200,000 prompt tokens, for the whole request" for line in above.lines)


def test_the_prompt_that_is_compared_holds_what_was_read_from_and_written_to_a_cache():
    found = cost(LONG, input=1, cache_read=199_999, cache_write_5m=1)
    assert found.prompt_tokens == 200_001
    assert [line.unit_amount for line in found.lines] == [Decimal("6"), Decimal("0.6"), Decimal("7.5")]


def test_output_does_not_make_a_prompt_longer():
    assert cost(LONG, input=200_000, output=100_000).lines[0].unit_amount == 3


def test_of_several_bounds_the_highest_that_was_crossed_counts():
    rows = [row("input", "1"), row("input", "2", prompt_above_tokens=32_000), row("input", "4", prompt_above_tokens=128_000)]
    assert [cost(rows, input=tokens).lines[0].unit_amount for tokens in (32_000, 32_001, 128_000, 128_001)] == [1, 2, 2, 4]


def test_a_meter_without_a_price_above_a_bound_keeps_its_own_and_says_so():
    rows = [row("input", "3"), row("input", "6", prompt_above_tokens=200_000), row("cache_read", "0.3")]
    read = cost(rows, input=150_000, cache_read=100_000).lines[1]
    assert (read.unit_amount, read.why) == (Decimal("0.3"), "it has no price of its own above 200,000 prompt tokens")


def test_a_cache_without_a_price_is_named_and_never_charged_as_something_else():
    found = cost([row("input", "3"), row("output", "15")], input=100, cache_read=900, output=10)
    assert found.partial
    assert [(line.meter, line.quantity, line.why) for line in found.missing] == [("cache_read", 900, "no price is known")]
    assert found.totals["USD"] == Decimal("0.00045")
    assert "cache_read (900) is not in the total: no price is known." in found.warnings


def test_an_hours_cache_is_never_charged_at_the_rate_of_five_minutes():
    found = cost(FLAT, input=100, cache_write_1h=1_000)
    assert [line.meter for line in found.missing] == ["cache_write_1h"]
    assert cost([*FLAT, row("cache_write_1h", "6")], cache_write_1h=1_000_000).totals["USD"] == 6


def test_reasoning_is_part_of_the_output_and_not_charged_twice():
    assert cost(FLAT, output=1_000, reasoning=800).totals["USD"] == Decimal("0.015")


def test_reasoning_with_a_price_of_its_own_is_taken_out_of_the_output():
    found = cost([*FLAT, row("reasoning", "20")], output=1_000, reasoning=800)
    assert [(line.meter, line.quantity) for line in found.lines] == [("output", 200), ("reasoning", 800)]
    assert found.totals["USD"] == Decimal("0.019")  # 200 * 15 / 1M + 800 * 20 / 1M


def test_a_reasoning_price_of_0_does_not_make_thinking_free():
    assert cost([*FLAT, row("reasoning", "0")], output=1_000, reasoning=800).totals["USD"] == Decimal("0.015")


def test_more_reasoning_than_output_is_refused():
    with pytest.raises(ModelAssetsError, match="800 reasoning tokens are more than the 10 of output"):
        usage({"output": 10, "reasoning": 800})


BATCH = [*FLAT, row("input", "1.5", service_tier="batch"), row("output", "7.5", service_tier="batch")]


def test_a_tier_has_its_own_price():
    assert cost(BATCH, tier="batch", input=1_000, output=1_000).totals["USD"] == Decimal("0.009")


@pytest.mark.parametrize("name", ["", "default", "auto", "Standard"])
def test_a_tier_is_known_by_the_names_that_providers_give_it(name: str):
    assert cost(BATCH, tier=name, input=1_000).totals["USD"] == Decimal("0.003")


def test_a_tier_without_a_price_is_never_charged_as_another():
    found = cost(BATCH, tier="batch", input=1_000, cache_read=1_000)
    assert [line.why for line in found.missing] == ["it has no batch price; another tier's does not stand in for it"]
    assert cost(FLAT, tier="priority", input=1_000).totals == {}


def test_a_fee_that_no_tier_changes_stays_what_it_is():
    found = cost([*BATCH, row("web_search", "10")], tier="batch", input=1_000, web_searches=2)
    assert (found.lines[1].amount, found.lines[1].why) == (Decimal("0.02"), "a fee that has no batch price")


def test_a_tier_that_is_silent_about_a_bound_has_no_price_above_it():
    rows = [*LONG, row("input", "1.5", service_tier="batch")]
    assert cost(rows, tier="batch", input=200_000).totals["USD"] == Decimal("0.3")
    assert cost(rows, tier="batch", input=200_001).missing[0].why == (
        "its batch price above 200,000 prompt tokens is not stated, and the standard one changes there"
    )


def test_what_is_only_sold_at_a_tier_has_no_standard_price():
    assert cost([row("input", "1", service_tier="batch")], input=1).missing[0].why == "it is priced only at service tier batch"


OFF_PEAK = [row("input", "0.27"), row("output", "1.1"), row("input", "0.135", time_window="16:30-00:30 UTC")]


def test_a_window_of_the_day_beats_the_price_without_one():
    assert cost(OFF_PEAK, at=NOON, input=1_000_000).totals["USD"] == Decimal("0.27")
    assert cost(OFF_PEAK, at=NOON.replace(hour=23), input=1_000_000).totals["USD"] == Decimal("0.135")


def test_outside_all_its_windows_a_price_is_missing():
    rows = [row("input", "1", time_window="00:00-06:00 UTC"), row("input", "2", time_window="18:00-00:00 UTC")]
    assert cost(rows, input=1).missing[0].why == "it has no price at this time, only in 00:00-06:00 UTC, 18:00-00:00 UTC"


def test_of_two_windows_that_are_open_the_narrower_counts():
    rows = [row("input", "1", time_window="00:00-18:00 UTC"), row("input", "2", time_window="11:00-13:00 UTC"), row("input", "3")]
    assert cost(rows, input=1_000_000).totals["USD"] == 2


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ModelAssetsError, match="names no time zone"):
        cost(OFF_PEAK, at=datetime(2026, 8, 22, 12), input=1)


REGIONAL = [row("input", "3"), row("input", "3.3", region="eu"), row("output", "15")]


def test_a_regional_price_counts_only_in_its_region():
    assert cost(REGIONAL, input=1_000_000).totals["USD"] == 3
    assert cost(REGIONAL, region="EU", input=1_000_000).totals["USD"] == Decimal("3.3")


def test_a_meter_without_a_price_in_the_region_has_the_one_without_a_region():
    found = cost(REGIONAL, region="eu", input=1, output=1)
    assert (found.lines[1].unit_amount, found.lines[1].why) == (15, "it has no price of its own in region eu")
    assert found.warnings == ()


def test_a_region_that_no_price_names_is_warned_of():
    found = cost(REGIONAL, region="mars", input=1_000_000)
    assert found.totals["USD"] == 3
    assert found.warnings == ("No price names region mars: prices without a region were used.",)


def test_what_is_priced_only_in_other_regions_has_no_price():
    assert cost([row("input", "1", region="eu"), row("output", "2")], input=1).missing[0].why == "it is priced only in region eu"
    assert cost([row("input", "1", region="eu")], region="us", input=1).missing[0].why == "it is priced in region eu, not in us"


def test_an_offer_of_one_region_need_not_be_asked_for_it():
    found = cost([row("input", "1", region="eu"), row("output", "2", region="EU")], input=1_000_000)
    assert (found.totals["USD"], found.lines[0].why) == (1, "in region eu")


def test_a_size_or_quality_has_its_own_price():
    rows = [row("image", "0.04", detail="standard"), row("image", "0.08", detail="hd")]
    assert evaluate(rows, usage({"images": 3}, {"image": "hd"}), NOON).totals["USD"] == Decimal("0.24")
    assert cost(rows, images=3).missing[0].why == "it is priced by size or quality (hd, standard): say which"


def test_a_size_need_not_be_named_where_all_cost_the_same():
    rows = [row("web_search", "10", detail="low"), row("web_search", "10", detail="high")]
    assert cost(rows, web_searches=5).totals["USD"] == Decimal("0.05")


def test_seconds_are_those_that_the_offer_prices():
    assert cost([row("video_second", "0.4")], seconds=8).lines[0].meter == "video_second"
    assert cost([row("video_second", "0.4")], seconds=Decimal("2.5")).totals["USD"] == 1
    both = [row("video_second", "0.4"), row("input_audio_second", "0.1")]
    assert cost(both, seconds=8).missing[0].why == "it could be any of video_second, input_audio_second: say which"


def test_every_request_is_charged_for_where_there_is_a_fee_for_it():
    rows = [row("input", "1"), row("request", "5")]
    assert cost(rows, input=1_000).totals["USD"] == Decimal("0.006")
    assert cost(rows, input=1_000, requests=3).totals["USD"] == Decimal("0.016")
    assert cost(FLAT, input=1_000).lines[0].meter == "input"


def test_unknown_dynamic_included_and_free_are_four_different_answers():
    unknown = cost([row("input", None, source="models_dev")], input=1)
    dynamic = cost([row("input", None, state="dynamic")], input=1)
    included = cost([row("input", None, state="included")], input=1)
    free = cost([row("input", "0")], input=1)
    assert [found.flags for found in (unknown, dynamic, included, free)] == [
        ("partial", "unknown"),
        ("partial", "dynamic"),
        ("included",),
        (),
    ]
    assert [found.totals for found in (unknown, dynamic, included, free)] == [{}, {}, {"USD": 0}, {"USD": 0}]
    assert free.free
    assert not included.free
    assert unknown.missing[0].why == "its price is not stated by models_dev (the list price)"


def test_what_is_the_matter_with_a_price_is_the_matter_with_the_answer():
    rows = [
        row("input", "3", held=True, said_amount=Decimal("0.003"), said_state="paid"),
        row("output", "15", disputed=True, source="litellm"),
        row("cache_read", "1", unconfirmed=True),
    ]
    found = cost(rows, input=1, output=1, cache_read=1)
    assert found.flags == ("held", "disputed", "unconfirmed")
    assert found.warnings == (
        "input: a newer price (0.003 USD per 1M tokens) is held; the last good one was used.",
        "output: sources disagree about its price; the one of litellm was used.",
        "cache_read: its price has not been confirmed.",
    )
    assert cost(rows, output=1).flags == ("disputed",)  # what was not used does not matter


def test_currencies_are_summed_apart_and_dollars_come_first():
    rows = [row("input", "3"), row("input", "40", currency="DBU"), row("output", "50", currency="DBU")]
    assert cost(rows, input=1_000_000, output=1_000_000).totals == {"USD": 3, "DBU": 50}


def test_a_count_of_something_unheard_of_is_refused():
    with pytest.raises(ModelAssetsError, match="'tokens' is nothing that is counted"):
        usage({"tokens": 5})


@pytest.mark.parametrize("count", [-1, Decimal("NaN"), Decimal("Infinity"), 1.5, True])
def test_a_count_that_is_none_is_refused(count: Any):
    with pytest.raises(ModelAssetsError, match="not negative"):
        usage({"input": count})


def test_nothing_counted_is_refused():
    with pytest.raises(ModelAssetsError, match="Nothing was counted"):
        cost(FLAT)


def test_a_record_of_the_catalog_is_a_row():
    found = row_of(
        {"meter": "input", "amount": Decimal(3), "state": "paid", "time_window": None, "region": None, "per": "1M tokens", "held": True}
    )
    assert found == PriceRow("input", Decimal(3), held=True)
    assert (found.per, found.per_factor) == ("1M tokens", 1_000_000)


def test_a_window_that_cannot_be_read_never_holds():
    rows = [row("input", "3"), row("input", "1", time_window="11:00-13:00 Nowhere/City")]
    assert cost(rows, input=1_000_000).totals["USD"] == 3
    assert cost(rows[1:], input=1).missing[0].why.endswith("not every window could be read")
