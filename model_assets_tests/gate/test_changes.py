from decimal import Decimal
from itertools import pairwise

import pytest

from model_assets.gate.types import Event, PriceKey, Said, Verdict
from model_assets_tests.gate.world import Asked, World, day, outcomes

MANY: dict[str, Asked] = {f"p/m{number:02}": (f"{number}.3", f"{number * 2}.7") for number in range(10, 40)}
#: five others sell `m` for about 1 and 2
OTHERS: dict[str, Asked] = {f"o{number}/m": (f"1.0{number}", f"2.0{number}") for number in range(5)}


def reasons(verdicts: dict[str, Verdict], what: str) -> str:
    """What was said for and against a change, in one text."""
    return "; ".join(verdicts[what].reasons)


def judged(before: dict[str, Asked], now: dict[str, Asked], others: dict[str, Asked] | None = None) -> dict[str, Verdict]:
    """The verdicts on what a feed says on a second day, after what it said on the first."""
    world = World()
    world.look(1, before | (others or {}))
    return world.look(2, now | (others or {}))


def test_an_ordinary_change_passes() -> None:
    assert outcomes(judged({"p/m": ("1", "2")}, {"p/m": ("0.8", "3.1")})) == {"p/m input": "pass", "p/m output": "pass"}


@pytest.mark.parametrize(("factor", "said"), [("1000", "multiplied by exactly 1,000"), ("0.000001", "divided by exactly 1,000,000")])
def test_a_price_a_thousand_or_a_million_times_as_high_is_held_for_a_confused_unit(factor: str, said: str) -> None:
    now = {"p/m": tuple(f"{Decimal(amount) * Decimal(factor):f}" for amount in ("1.5", "2.5"))}
    verdicts = judged({"p/m": ("1.5", "2.5")}, now)
    assert outcomes(verdicts) == {"p/m input": "hold", "p/m output": "hold"}
    assert said in reasons(verdicts, "p/m input")
    assert "per token, per thousand, per million" in reasons(verdicts, "p/m input")


def test_a_price_moved_by_exactly_ten_is_held_and_one_by_nearly_ten_is_not() -> None:
    assert outcomes(judged({"p/m": ("0.25", "2")}, {"p/m": ("2.5", "2")})) == {"p/m input": "hold"}
    assert outcomes(judged({"p/m": ("0.25", "2")}, {"p/m": ("2.2", "2")})) == {"p/m input": "pass"}


def test_a_move_of_a_large_and_odd_ratio_is_held() -> None:
    verdicts = judged({"p/m": ("0.1", "2")}, {"p/m": ("3.7", "2")})
    assert outcomes(verdicts) == {"p/m input": "hold"}
    assert reasons(verdicts, "p/m input") == "it went from 0.1 to 3.7, 37 times, nobody else is known to sell the model"


def test_a_price_that_comes_to_what_others_ask_passes_and_says_why() -> None:
    verdicts = judged({"p/m": ("10", "2")}, {"p/m": ("1", "2")}, OTHERS)
    assert outcomes(verdicts) == {"p/m input": "pass"}
    assert "it comes to what others ask (5 others, in the middle 1.02)" in reasons(verdicts, "p/m input")


def test_a_price_that_leaves_what_others_ask_is_held_sooner_and_longer_than_one_nobody_else_has() -> None:
    alone = judged({"p/m": ("1", "2")}, {"p/m": ("10", "2")})["p/m input"]
    among_others = judged({"p/m": ("1", "2")}, {"p/m": ("10", "2")}, OTHERS)["p/m input"]
    assert among_others.score > alone.score
    assert among_others.patience_hours > alone.patience_hours
    assert outcomes(judged({"p/m": ("1", "2")}, {"p/m": ("17", "2")}, OTHERS)) == {"p/m input": "hold"}
    assert outcomes(judged({"p/m": ("1", "2")}, {"p/m": ("17", "2")})) == {"p/m input": "pass"}


def test_what_a_source_said_that_nobody_looked_at_for_months_is_no_evidence() -> None:
    world = World()
    world.look(1, OTHERS, "old")
    world.look(80, {"p/m": ("10", "2")})
    assert outcomes(world.look(81, {"p/m": ("1", "2")})) == {"p/m input": "hold"}


def test_a_model_that_moves_alike_at_other_providers_passes() -> None:
    before = {f"p{number}/m": ("0.145", "2") for number in range(3)}
    now = {f"p{number}/m": ("0.0145", "2") for number in range(3)}
    verdicts = judged(before, now)
    assert set(outcomes(verdicts).values()) == {"pass"}
    assert "the same model moved alike at 2 other places" in reasons(verdicts, "p0/m input")


def test_a_thousandfold_move_of_a_model_everywhere_is_held_all_the_same() -> None:
    before, now = {f"p{number}/m": ("1", "2") for number in range(3)}, {f"p{number}/m": ("1000", "2000") for number in range(3)}
    assert set(outcomes(judged(before, now)).values()) == {"hold"}


def test_a_listing_that_falls_to_zero_is_held() -> None:
    verdicts = judged({"p/m": ("1", "2"), "p/n": ("1", "2")}, {"p/m": ("0", "0"), "p/n": ("1", "2")})
    assert outcomes(verdicts) == {"p/m input": "hold", "p/m output": "hold"}
    assert reasons(verdicts, "p/m input") == "it fell from 1 to 0; a price that is missing is often written as 0"


def test_a_free_plan_that_falls_to_zero_passes() -> None:
    assert outcomes(judged({"p/m:free": ("1", "2")}, {"p/m:free": ("0", "0")})) == {"p/m:free input": "pass", "p/m:free output": "pass"}


def test_a_provider_whose_listings_are_mostly_free_may_make_another_free() -> None:
    free: dict[str, Asked] = {f"p/f{number}": ("0", "0") for number in range(5)}
    assert set(outcomes(judged({"p/m": ("1", "2")}, {"p/m": ("0", "0")}, free)).values()) == {"pass"}


def test_a_provider_that_falls_to_zero_as_a_whole_is_held_with_the_numbers() -> None:
    verdicts = judged(MANY, dict.fromkeys(MANY, ("0", "0")))
    assert set(outcomes(verdicts).values()) == {"hold"}
    assert reasons(verdicts, "p/m10 input") == "prices of 30 of 30 listings of p fell to 0 at once (30 in the whole change set)"


def test_a_first_price_after_zero_is_marked_and_not_held() -> None:
    verdicts = judged({"p/m": ("0", "0")}, {"p/m": ("1", "2")})
    assert outcomes(verdicts) == {"p/m input": "mark", "p/m output": "mark"}
    assert reasons(verdicts, "p/m input") == "it was free and now costs 1 USD"


def test_a_first_price_a_hundred_times_what_others_ask_is_marked_and_others_pass() -> None:
    verdicts = judged({}, {"p/m": ("105000", "2.2")}, OTHERS)
    assert outcomes(verdicts) == {"p/m input": "mark", "p/m output": "pass"}
    assert "100,000 times from what others ask" not in reasons(verdicts, "p/m output")
    assert reasons(verdicts, "p/m input") == (
        "its first price, 105000, is 102,941 times from what others ask for the model (5 others, in the middle 1.02)"
    )


def test_unknown_is_not_zero_and_what_becomes_unknown_or_known_passes() -> None:
    assert outcomes(judged({"p/m": ("1", "?")}, {"p/m": ("?", "2")})) == {"p/m input": "pass", "p/m output": "pass"}


def test_input_and_output_that_change_places_are_held() -> None:
    verdicts = judged({"p/m": ("1", "4")}, {"p/m": ("4", "1")})
    assert outcomes(verdicts) == {"p/m input": "hold", "p/m output": "hold"}
    assert reasons(verdicts, "p/m input") == "the prices of input and output changed places (1 and 4); input now costs more than output"


def test_all_prices_of_a_listing_by_the_ratio_of_yuan_to_dollars_are_held_and_one_of_them_is_not() -> None:
    verdicts = judged({"p/m": ("1", "4")}, {"p/m": ("7.2", "28.8")})
    assert outcomes(verdicts) == {"p/m input": "hold", "p/m output": "hold"}
    assert "all 2 prices that changed of the listing were multiplied by 7.2, as yuan stand to dollars" in reasons(verdicts, "p/m input")
    assert outcomes(judged({"p/m": ("1", "4")}, {"p/m": ("7.2", "4")})) == {"p/m input": "pass"}


def test_a_block_of_listings_with_the_prices_of_the_next_one_is_held() -> None:
    listed = list(MANY)
    block = listed[5:12]
    now = MANY | {one: MANY[following] for one, following in zip(block, listed[6:13], strict=True)}
    verdicts = judged(MANY, now)
    assert set(outcomes(verdicts).values()) == {"hold"}
    assert reasons(verdicts, "p/m15 input") == "7 listings of p changed to prices that another one had until now; here those of m16"


def test_a_shifted_block_is_held_though_another_source_says_one_of_its_prices() -> None:
    listed = list(MANY)
    world = World()
    world.look(1, MANY)
    world.look(1.5, {"p/m15": MANY["p/m16"]}, "another")
    now = MANY | {one: MANY[following] for one, following in pairwise(listed[5:13])}
    assert set(outcomes(world.look(2, now)).values()) == {"hold"}


def test_a_block_in_the_sources_own_order_is_held_too() -> None:
    block = ["p/m12", "p/m35", "p/m17", "p/m20", "p/m11"]
    now = MANY | {one: MANY[following] for one, following in pairwise(block)}
    assert set(outcomes(judged(MANY, now)).values()) == {"hold"}


def test_listings_that_come_to_one_price_class_are_no_shifted_block() -> None:
    now = MANY | dict.fromkeys(list(MANY)[:6], MANY["p/m30"])
    assert set(outcomes(judged(MANY, now)).values()) == {"pass"}


def stale_world(providers: int) -> dict[str, str]:
    """Five listings of some providers change on day 10 and are back at their old prices on day 20."""
    world = World()
    old: dict[str, Asked] = {f"p{number % providers}/m{number}": (f"1.{number}", "3") for number in range(5)}
    new: dict[str, Asked] = {listing: (f"{number}.4", "5") for number, listing in enumerate(old, 2)}
    rest: dict[str, Asked] = {"q/x": ("7", "8")}
    for number in range(1, 21):
        verdicts = world.look(number, (old if number < 10 or number == 20 else new) | rest)
    return outcomes(verdicts)


def test_listings_of_several_providers_back_at_the_prices_of_one_day_are_held() -> None:
    assert set(stale_world(2).values()) == {"hold"}


def test_a_single_provider_of_many_that_goes_back_passes() -> None:
    assert set(stale_world(1).values()) == {"pass"}


def test_a_price_that_goes_to_another_and_back_is_held_when_it_does_so_again() -> None:
    world = World()
    seen = [outcomes(world.look(number, {"p/m": ("1" if number % 2 else "1.5", "2")})) for number in range(1, 8)]
    assert [one.get("p/m input") for one in seen[1:]] == ["pass", "pass", "hold", None, "hold", None]


def test_a_small_swing_is_no_flapping() -> None:
    world = World()
    seen = [outcomes(world.look(number, {"p/m": ("1" if number % 2 else "1.1", "2")})) for number in range(1, 8)]
    assert {one.get("p/m input") for one in seen[1:]} == {"pass"}


def test_what_another_source_says_of_the_same_provider_passes_while_that_is_fresh() -> None:
    for looked, outcome in ((79.0, "pass"), (70.0, "hold")):
        world = World()
        world.look(1, {"p/m": ("1", "2")})
        world.look(looked, {"p/m": ("100", "2")}, "other")
        assert outcomes(world.look(80, {"p/m": ("100", "2")})) == {"p/m input": outcome}


def test_a_part_of_the_list_that_is_gone_at_once_is_held_and_a_few_listings_are_not() -> None:
    few, many = dict(list(MANY.items())[:-3]), dict(list(MANY.items())[:-8])
    assert set(outcomes(judged(MANY, few)).values()) == {"pass"}
    verdicts = judged(MANY, many)
    assert set(outcomes(verdicts).values()) == {"hold"}
    assert reasons(verdicts, "p/m39 input") == "8 of 30 listings of feed are gone at once; a part of the list may have been lost on the way"


def test_a_price_with_stated_dates_passes() -> None:
    world = World()
    world.look(1, {"p/m": ("1", "2")})
    key = PriceKey("p", "m", effective_from=day(1))
    world.replay.step(Event("feed", day(2), [Said(key, "paid", Decimal(1))]))
    assert [one.outcome for one in world.replay.step(Event("feed", day(3), [Said(key, "paid", Decimal(1000))]))] == ["pass"]


def test_evidence_has_amounts_and_ratios_as_text_in_plain_digits() -> None:
    found = judged({"p/m": ("1", "2")}, {"p/m": ("0.000001", "2")}, {"q/m": ("0.00001", "2"), "r/m": ("0.00001", "2")})
    evidence = found["p/m input"].evidence
    assert (evidence["ratio"], evidence["others_median"], evidence["others"]) == ("0.000001", "0.00001", 2)
    far = judged({"p/m": ("0.003", "2")}, {"p/m": ("4000", "2")})["p/m input"].evidence
    assert far["ratio"] == "1333330"


def test_every_reason_is_a_plain_sentence_with_its_numbers() -> None:
    verdicts = judged(MANY | {"p/x": ("1", "4")}, dict.fromkeys(MANY, ("0", "0")) | {"p/x": ("4000", "1000")})
    held = [one for one in verdicts.values() if one.outcome == "hold"]
    assert len(held) == 62
    for one in held:
        for sentence in one.reasons:
            assert any(sign.isdigit() for sign in sentence)
            assert "E-" not in sentence
            assert not sentence.endswith(".")


def test_a_price_that_comes_back_a_thousand_times_as_high_is_marked_since_nothing_better_can_be_served() -> None:
    world = World()
    world.look(1, {"p/m": ("1", "2"), "p/n": ("1", "2")})
    world.look(2, {"p/n": ("1", "2")})
    verdicts = world.look(3, {"p/m": ("1000", "2.1"), "p/n": ("1", "2")})
    assert outcomes(verdicts) == {"p/m input": "mark", "p/m output": "pass"}
    assert reasons(verdicts, "p/m input").startswith("it cost 1 when it was last known; 1 was multiplied by exactly 1,000")
