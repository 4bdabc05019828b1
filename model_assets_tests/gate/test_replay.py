from decimal import Decimal

from model_assets.gate.replay import Replay, replay
from model_assets.gate.types import Event, Held, PriceKey, Said, Word
from model_assets_tests.gate.world import Asked, World, day

RIGHT: dict[str, Asked] = {"p/m": ("1", "2")}
WRONG: dict[str, Asked] = {"p/m": ("10", "2")}
KEY = PriceKey("p", "m")


def word(held: Held, verdict: str, decided: float) -> Word:
    """A person's word on a held change."""
    return Word(held.source, held.key_id, held.digest, held.changed_at, verdict, day(decided), "ann", "looked at the price list")  # type: ignore[arg-type]


def held_on(number: float) -> World:
    """A world in which the price of `p/m` rose tenfold on a day and was held."""
    world = World()
    world.look(1, RIGHT)
    world.look(number, WRONG)
    return world


def test_the_last_good_value_is_served_while_a_newer_one_is_held() -> None:
    world = held_on(2)
    [held] = world.helds
    assert (held.kind, held.outcome, held.from_amount, held.to_amount, held.held_from, held.held_until) == (
        "held", "open", Decimal(1), Decimal(10), day(2), None)  # fmt: skip
    assert world.good("p/m") == "1"


def test_a_value_proves_itself_when_it_is_seen_at_two_more_looks_over_two_days() -> None:
    world = held_on(2)
    world.look(3, WRONG)
    assert world.good("p/m") == "1"
    world.look(4, WRONG)
    [held] = world.helds
    assert (held.outcome, held.ended_by, held.held_until) == ("released", "time", day(4))
    assert held.ended_why == "feed said it at 2 more looks over 48 hours"
    assert world.good("p/m") == "10"


def test_neither_many_looks_in_a_day_nor_one_after_many_days_prove_a_value() -> None:
    world = held_on(2)
    for hour in range(1, 20):
        world.look(2 + hour / 24, WRONG)
    assert world.helds[0].outcome == "open"
    world = held_on(2)
    world.look(12, WRONG)
    assert world.helds[0].outcome == "open"


def test_a_thousandfold_move_does_not_prove_itself_within_weeks() -> None:
    world = World()
    for number in range(1, 30):
        world.look(number, RIGHT if number == 1 else {"p/m": ("1000", "2000")})
    assert {held.outcome for held in world.helds} == {"open"}
    for number in range(30, 35):
        world.look(number, {"p/m": ("1000", "2000")})
    assert {held.outcome for held in world.helds} == {"released"}


def test_a_hold_ends_when_the_source_takes_the_value_back() -> None:
    world = held_on(2)
    world.look(3, RIGHT)
    [held] = world.helds
    assert (held.outcome, held.ended_by, held.ended_why, held.held_until) == ("withdrawn", "feed", "feed took it back", day(3))
    assert world.good("p/m") == "1"


def test_what_follows_a_held_value_is_judged_against_the_last_good_one() -> None:
    world = held_on(2)
    assert world.look(3, {"p/m": ("100", "2")})["p/m input"].change.from_amount == Decimal(1)
    first, second = world.helds
    assert (first.outcome, first.ended_why) == ("withdrawn", "feed says 100 now")
    assert (second.outcome, second.from_amount, second.to_amount) == ("open", Decimal(1), Decimal(100))
    assert world.look(4, {"p/m": ("1.2", "2")})["p/m input"].outcome == "pass"
    assert world.good("p/m") == "1.2"


def test_a_listing_that_goes_takes_its_hold_with_it() -> None:
    world = held_on(2)
    world.look(3, {"q/x": ("1", "2")})
    assert [(held.outcome, held.ended_why) for held in world.helds] == [("withdrawn", "feed stopped saying it")]
    assert world.good("p/m") is None


def test_another_source_that_says_the_same_releases_a_value() -> None:
    world = held_on(2)
    world.look(2.5, WRONG, "other")
    [held] = world.helds
    assert (held.outcome, held.ended_by, held.ended_why, held.held_until) == ("released", "other", "other says the same", day(2.5))
    assert world.good("p/m") == "10"


def test_siblings_that_move_likewise_release_a_value() -> None:
    world = World()
    before: dict[str, Asked] = {f"p{number}/m": ("1", "2") for number in range(4)}
    world.look(1, before)
    world.look(2, before | {"p0/m": ("0.1", "2")})
    assert world.good("p0/m") == "1"
    world.look(2.5, before | {f"p{number}/m": ("0.1", "2") for number in range(3)})
    first = world.helds[0]
    assert (first.outcome, first.ended_why) == ("released", "the same model moved alike at 2 other places")


def test_a_price_that_was_free_is_served_as_unconfirmed_until_it_has_proven_itself() -> None:
    world = World()
    world.look(1, {"p/m": ("0", "0")})
    for number in (2, 3, 4):
        world.look(number, RIGHT)
        assert world.good("p/m") == "1"
        assert {held.outcome for held in world.helds} == {"open" if number < 4 else "released"}
    assert {held.kind for held in world.helds} == {"marked"}


def test_listings_that_are_gone_at_once_are_served_until_they_come_back() -> None:
    listed: dict[str, Asked] = {f"p/m{number}": (f"{number}", f"{number}.5") for number in range(1, 41)}
    world = World()
    world.look(1, listed)
    world.look(2, dict(list(listed.items())[10:]))
    assert (len(world.helds), world.good("p/m1")) == (20, "1")
    assert {held.to_state for held in world.helds} == {None}
    world.look(3, listed)
    assert {(held.outcome, held.ended_why) for held in world.helds} == {("withdrawn", "feed took it back")}


def test_a_person_releases_a_value_from_the_moment_they_say_so() -> None:
    world = held_on(2)
    [held] = Replay([word(world.helds[0], "release", 2.25)]).run(world.events).helds
    assert (held.outcome, held.ended_by, held.ended_why, held.held_until) == ("released", "ann", "looked at the price list", day(2.25))


def test_what_a_person_rejects_is_held_however_often_it_is_said() -> None:
    world = held_on(2)
    rejected = World([word(world.helds[0], "reject", 2.25)])
    rejected.look(1, RIGHT)
    for number in range(2, 90):
        rejected.look(number, WRONG)
    [held] = rejected.helds
    assert (held.outcome, held.ended_by, held.held_until, rejected.good("p/m")) == ("rejected", "ann", None, "1")
    rejected.look(91, RIGHT)
    assert (held.outcome, held.ended_by, held.held_until) == ("rejected", "ann", day(91))


def test_a_person_may_release_what_was_rejected() -> None:
    world = held_on(2)
    words = [word(world.helds[0], "reject", 2.25), word(world.helds[0], "release", 2.5)]
    [held] = replay(world.events, words)
    assert (held.outcome, held.held_until) == ("released", day(2.5))


def proven_and_rejected(number: float) -> World:
    """A world in which the tenfold price proved itself by time, and a person rejected it on a day."""
    held = held_on(2).helds[0]
    world = World([word(held, "reject", number)])
    for step in range(1, 7):
        world.look(step, RIGHT if step == 1 else WRONG)
    return world


def test_what_time_released_a_person_may_still_reject_and_the_last_good_value_is_good_again() -> None:
    world = proven_and_rejected(4.5)
    [held] = world.helds
    assert (held.outcome, held.ended_by, held.ended_why, held.held_until) == ("rejected", "ann", "looked at the price list", None)
    assert world.good("p/m") == "1"
    world.look(60, WRONG)
    world.look(60.5, WRONG, "other")
    assert (world.helds[0].outcome, world.good("p/m")) == ("rejected", "1"), "neither time nor another source releases it"


def test_what_follows_a_rejected_release_is_judged_against_the_last_good_value() -> None:
    world = proven_and_rejected(4.5)
    assert world.look(7, {"p/m": ("1.1", "2")})["p/m input"].change.from_amount == Decimal(1)
    assert (world.helds[0].outcome, world.helds[0].held_until, world.good("p/m")) == ("rejected", day(7), "1.1")


def test_the_last_of_many_words_counts_by_when_they_were_said() -> None:
    world = held_on(2)
    [claim] = world.helds
    words = [word(claim, "reject", 5), word(claim, "release", 3), word(claim, "release", 6), word(claim, "reject", 4)]
    for count, outcome, good in ((1, "released", "10"), (2, "rejected", "1"), (3, "rejected", "1"), (4, "released", "10")):
        said = sorted(words, key=lambda one: one.decided_at)[:count]
        for given in (said, said[::-1]):
            replayed = Replay(given).run(world.events)
            assert (replayed.helds[0].outcome, replayed.memory.good["feed"][KEY]) == (outcome, ("paid", Decimal(good)))
    assert replayed.helds[0].held_until == day(6)


def test_a_word_on_a_released_claim_that_is_over_changes_nothing() -> None:
    world = World()
    for number in range(1, 5):
        world.look(number, RIGHT if number == 1 else WRONG)
    world.look(5, {"p/m": ("11", "2")})
    replayed = Replay([word(world.helds[0], "reject", 6)]).run(world.events)
    assert replayed.helds == world.helds
    assert replayed.memory.good["feed"][KEY] == ("paid", Decimal(11))


def test_listings_whose_end_was_released_are_served_on_once_a_person_rejects_that() -> None:
    listed: dict[str, Asked] = {f"p/m{number}": (f"{number}", f"{number}.5") for number in range(1, 41)}
    world = World()
    for number in range(1, 6):
        world.look(number, listed if number == 1 else dict(list(listed.items())[10:]))
    assert ({held.outcome for held in world.helds}, world.good("p/m1")) == ({"released"}, None)
    [gone] = [held for held in world.helds if held.key == PriceKey("p", "m1", "input")]
    replayed = Replay([word(gone, "reject", 6)]).run(world.events)
    assert replayed.memory.good["feed"][gone.key] == ("paid", Decimal(1))
    [rejected] = [held for held in replayed.helds if held.outcome != "released"]
    assert (rejected.held_id, rejected.outcome, rejected.held_until) == (gone.held_id, "rejected", None)


def test_a_rejected_mark_stays_unconfirmed_and_is_no_less_good() -> None:
    free: dict[str, Asked] = {"p/m": ("0", "2")}
    world = World()
    for number in range(1, 6):
        world.look(number, free if number == 1 else RIGHT)
    assert [held.outcome for held in world.helds] == ["released"]
    replayed = Replay([word(world.helds[0], "reject", 6)]).run(world.events)
    assert [(held.kind, held.outcome, held.held_until) for held in replayed.helds] == [("marked", "rejected", None)]
    assert replayed.memory.good["feed"][KEY] == ("paid", Decimal(1))


def test_a_word_about_another_claim_changes_nothing() -> None:
    world = held_on(3)
    meant = word(world.helds[0], "release", 4)
    others = [meant._replace(key_id=1), meant._replace(source="other"), meant._replace(changed_at=day(2)), meant._replace(digest=b"x")]
    [held] = replay([one._replace(said=[said._replace(digest=b"y") for said in one.said]) for one in world.events], others)
    assert held.outcome == "open"


def test_a_word_still_counts_when_an_earlier_day_is_loaded_that_said_the_same() -> None:
    later = held_on(3)
    earlier = World()
    for number in (1, 2, 3):
        earlier.look(number, RIGHT if number == 1 else WRONG)
    [held] = replay(earlier.events, [word(later.helds[0], "release", 3.5)])
    assert (held.changed_at, held.outcome, held.held_until) == (day(2), "released", day(3.5))


def test_a_hold_has_the_same_name_and_key_however_it_is_come_by() -> None:
    [one], [same], [other] = held_on(2).helds, held_on(2).helds, held_on(3).helds
    assert (one.held_id, one.key_id) == (same.held_id, same.key_id)
    assert one.held_id != other.held_id


def test_the_same_events_give_the_same_holds_in_one_go_or_in_several() -> None:
    world = World()
    for number in range(1, 15):
        world.look(number, {"p/m": ("1" if number % 3 else "10", "2"), "p/n": (str(10 ** (number // 5)), "7")})
        world.look(number + 0.5, {"p/m": (f"{number}", "2")}, "other")
    whole = replay(world.events)
    in_parts = Replay()
    for start in range(0, len(world.events), 5):
        in_parts.run(world.events[start : start + 5])
    assert whole == in_parts.helds == world.helds
    assert len(whole) > 5


def test_an_observation_without_changes_counts_as_seen_again() -> None:
    world = held_on(2)
    events = [*world.events, Event("feed", day(3), []), Event("feed", day(4), [])]
    assert [held.outcome for held in replay(events)] == ["released"]


def test_a_source_that_says_the_same_with_another_end_is_judged_anew() -> None:
    world = held_on(2)
    later = Event("feed", day(3), [Said(KEY, "paid", Decimal(10), day(90))])
    assert [held.outcome for held in replay([*world.events, later])] == ["withdrawn", "open"]
