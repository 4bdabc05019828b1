"""Held changes in the database: what is served while the gate doubts, how it ends, and that it follows from ledger and words alone."""

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.gate.held_changes import held, refresh_held, say_word
from model_assets.identity.links import refresh_links
from model_assets_tests.small_ledger import at, load, model, payload

#: USD per token, as OpenRouter says it: 1, 10 and 1,000 USD per million
ONE, TEN, THOUSAND = "0.000001", "0.00001", "0.001"
STATE = """
select held_id, source, key_id, digest, changed_at, kind, from_state, from_amount::text, to_state, to_amount::text, reasons::text, evidence::text,
    held::text, outcome, ended_by, ended_why
from ops.held_change order by changed_at, key_id
"""


class Serving(NamedTuple):
    """What is served of one price: its amount or state, what its source says, and what is the matter."""

    amount: str | None
    said: str | None
    held: bool = False
    unconfirmed: bool = False


def settle(url: str) -> int:
    """Bring links and held changes up to the ledger; how many held changes were written."""
    with connect(url) as connection:
        refresh_links(connection)
        return refresh_held(connection)


def say(url: str, step: float, *models: Any, others: int = 40) -> None:
    """OpenRouter lists just these models, and a crowd, a number of days after the first."""
    load(url, at(step), payload(*models, others=others))


def a(prompt: str) -> Any:
    return model("lab/a", prompt)


def served(url: str, as_of: datetime | None = None, known_at: datetime | None = None, listed_id: str = "lab/a") -> Serving | None:
    query = """
        select amount::text, state, said_state, said_amount::text, held, unconfirmed
        from catalog.price_as_of(coalesce(cast(:at as timestamptz), now()), coalesce(cast(:known as timestamptz), 'infinity'))
        where listed_id = :listed_id and meter = 'input'"""
    with connect(url) as connection:
        row = connection.execute(text(query), {"at": as_of, "known": known_at, "listed_id": listed_id}).one_or_none()
    return None if row is None else Serving(row.amount or row.state, row.said_amount or row.said_state, row.held, row.unconfirmed)


def state(url: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return [tuple(row) for row in connection.execute(text(STATE))]


def the_one(url: str) -> dict[str, Any]:
    with connect(url) as connection:
        [row] = connection.execute(text("select * from ops.held_change where meter = 'input' and listed_id = 'lab/a'")).mappings()
    return dict(row)


@pytest.fixture
def jumped(url: str) -> str:
    """A price of 1 that becomes 1,000 on the second day."""
    say(url, 0, a(ONE))
    say(url, 1, a(THOUSAND))
    settle(url)
    return url


# --- while it is held -------------------------------------------------------------------------------------------------------------------


def test_a_thousand_fold_jump_is_held_and_the_last_good_value_is_served(jumped: str) -> None:
    assert served(jumped) == Serving("1", "1000", held=True)
    found = the_one(jumped)
    assert (found["kind"], found["outcome"], found["from_amount"], found["to_amount"]) == ("held", "open", 1, 1000)
    assert (found["changed_at"], found["held"].lower, found["held"].upper) == (at(1), at(1), None)
    assert "units (per token, per thousand, per million) may have been confused" in found["reasons"][0]


def test_before_the_change_nothing_is_held(jumped: str) -> None:
    assert served(jumped, at(0.5)) == Serving("1", "1")
    assert served(jumped, at(5), at(0.5)) == Serving("1", "1")


def test_other_prices_of_the_listing_go_on_as_they_were(jumped: str) -> None:
    with connect(jumped) as connection:
        query = "select amount::text, held from catalog.price_as_of(now()) where listed_id = 'lab/a' and meter = 'output'"
        assert connection.execute(text(query)).one() == ("2", False)


def test_a_free_price_that_becomes_paid_is_served_and_unconfirmed(url: str) -> None:
    say(url, 0, a("0"))
    say(url, 1, a(ONE))
    settle(url)
    assert served(url) == Serving("1", "1", unconfirmed=True)
    assert served(url, at(0.5)) == Serving("0", "0")


# --- released, rejected, taken back -----------------------------------------------------------------------------------------------------


def test_a_person_releases_it_and_the_past_keeps_what_was_known_then(jumped: str) -> None:
    with connect(jumped) as connection:
        found = say_word(connection, the_one(jumped)["held_id"], "release", why="the vendor says so", by="somebody")
    assert (found.outcome, found.ended_by, found.ended_why) == ("released", "somebody", "the vendor says so")
    assert served(jumped) == Serving("1000", "1000")
    assert served(jumped, at(1.5)) == Serving("1000", "1000"), "in hindsight it was right all along"
    assert served(jumped, at(1.5), known_at=at(1.5)) == Serving("1", "1000", held=True)
    assert served(jumped, known_at=at(300)) == Serving("1", "1000", held=True), "nobody had released it yet"


def test_a_person_rejects_it_and_it_is_never_served_however_long_it_is_said(jumped: str) -> None:
    with connect(jumped) as connection:
        assert say_word(connection, the_one(jumped)["held_id"], "reject", why="a slip", by="somebody").outcome == "rejected"
    for step in range(2, 50, 8):
        say(jumped, step, a(THOUSAND))
    settle(jumped)
    assert served(jumped) == Serving("1", "1000", held=True)
    assert the_one(jumped)["outcome"] == "rejected"


def test_the_last_word_on_a_change_counts(jumped: str) -> None:
    held_id = the_one(jumped)["held_id"]
    with connect(jumped) as connection:
        say_word(connection, held_id, "reject", why="a slip", by="somebody")
        assert say_word(connection, held_id, "release", why="no slip", by="another").outcome == "released"
        assert connection.execute(text("select count(*) from ops.held_verdict")).scalar_one() == 2
    assert served(jumped) == Serving("1000", "1000")


@pytest.fixture
def proven(url: str) -> str:
    """A price of 1 that becomes 10, and is believed after two more days; and another one that is held."""
    for step in range(4):
        say(url, step, a(ONE if step == 0 else TEN), model("lab/b", ONE if step < 2 else THOUSAND))
    settle(url)
    return url


def refused(url: str, held_id: str, verdict: str) -> str:
    """How a word is refused; nothing of it is kept."""
    words = "select count(*) from ops.held_verdict"
    with connect(url) as connection:
        before = connection.execute(text(words)).scalar_one()
    with pytest.raises(ModelAssetsError) as error, connect(url) as connection:
        say_word(connection, held_id, verdict, why="so", by="somebody")
    with connect(url) as connection:
        assert connection.execute(text(words)).scalar_one() == before
    return str(error.value)


def test_what_time_released_a_person_rejects_and_the_last_good_value_is_served_again(proven: str) -> None:
    assert (the_one(proven)["ended_by"], served(proven)) == ("time", Serving("10", "10"))
    query = "select held_id, xmin::text from ops.held_change where listed_id <> 'lab/a'"
    with connect(proven) as connection:
        others = connection.execute(text(query)).all()
        found = say_word(connection, the_one(proven)["held_id"], "reject", why="a slip", by="somebody")
    assert (found.outcome, found.ended_by, found.ended_why) == ("rejected", "somebody", "a slip")
    assert (the_one(proven)["held"].lower, the_one(proven)["held"].upper) == (at(1), None)
    assert served(proven) == Serving("1", "10", held=True)
    say(proven, 40, a(TEN), model("lab/b", THOUSAND))
    settle(proven)
    assert served(proven) == Serving("1", "10", held=True), "however long it is said"
    with connect(proven) as connection:
        assert connection.execute(text(query)).all() == others
        assert [row["listed_id"] for row in held(connection, everything=False, limit=9)] == ["lab/b", "lab/a"]


def test_release_and_reject_take_turns_and_each_is_true_until_the_next(proven: str) -> None:
    held_id = the_one(proven)["held_id"]
    for verdict, outcome, said in [("reject", "rejected", "1"), ("release", "released", "10")] * 2:
        with connect(proven) as connection:
            assert say_word(connection, held_id, verdict, why="so", by="somebody").outcome == outcome
        assert served(proven) == Serving(said, "10", held=said == "1")


def test_a_word_on_what_its_source_took_back_or_said_otherwise_since_is_refused(proven: str) -> None:
    released, doubted = the_one(proven)["held_id"], state(proven)[-1][0]
    say(proven, 4, a("0.000011"), model("lab/b", ONE))
    settle(proven)
    before = state(proven)
    assert refused(proven, released, "reject") == (
        f"{released} (openrouter: openrouter/lab/a, input 1 -> 10) is over: openrouter does not say that any more. "
        "There is nothing left to decide; `model-assets held` lists what is held now."
    )
    assert "1 -> 1000) is over: openrouter took it back." in refused(proven, doubted, "release")
    assert refused(proven, doubted, "reject").startswith(doubted)
    assert state(proven) == before


def test_what_was_rejected_is_not_held_any_more_once_its_source_took_it_back(jumped: str) -> None:
    held_id = the_one(jumped)["held_id"]
    with connect(jumped) as connection:
        say_word(connection, held_id, "reject", why="a slip", by="somebody")
        connection.execute(text("update ops.held_verdict set decided_at = :at"), {"at": at(1.5)})
        assert len(held(connection, everything=False, limit=9)) == 1
    say(jumped, 2, a(ONE))
    settle(jumped)
    assert the_one(jumped)["outcome"] == "rejected"
    with connect(jumped) as connection:
        assert held(connection, everything=False, limit=9) == []
    assert "openrouter does not say that any more" in refused(jumped, held_id, "release")


def test_a_day_loaded_but_not_settled_counts_before_a_word_does(jumped: str) -> None:
    held_id = the_one(jumped)["held_id"]
    say(jumped, 2, a(ONE))
    assert "is over: openrouter took it back" in refused(jumped, held_id, "release")


def test_a_word_on_an_observation_that_is_ahead_of_the_clock_counts(url: str) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=4) - at(0)) / timedelta(days=1)
    say(url, soon - 1, a(ONE))
    say(url, soon, a(THOUSAND))
    settle(url)
    for verdict, outcome in (("reject", "rejected"), ("release", "released")):
        with connect(url) as connection:
            assert say_word(connection, the_one(url)["held_id"], verdict, why="so", by="somebody").outcome == outcome


def test_evidence_is_kept_without_floats(proven: str) -> None:
    with connect(proven) as connection:
        kept = connection.execute(text("select evidence::text from ops.held_change")).scalars().all()
    assert kept
    assert [found for found in kept if re.search(r"[0-9][.e][0-9]", re.sub(r'"[^"]*"', "", found))] == []
    assert any('"ratio": "1000"' in found for found in kept)


def test_a_word_on_no_change_is_refused(jumped: str) -> None:
    with (
        connect(jumped) as connection,
        pytest.raises(ModelAssetsError, match=r"no held change has the id 'nosuch'. `model-assets held --all`"),
    ):
        say_word(connection, "nosuch", "release", why="so", by="somebody")


def test_what_its_source_took_back_stays_held_in_hindsight_and_is_not_open(jumped: str) -> None:
    say(jumped, 2, a(ONE))
    settle(jumped)
    found = the_one(jumped)
    assert (found["outcome"], found["held"].upper, found["ended_why"]) == ("withdrawn", None, "openrouter took it back")
    assert served(jumped, at(1.5)) == Serving("1", "1000", held=True)
    assert served(jumped) == Serving("1", "1")
    with connect(jumped) as connection:
        assert held(connection, everything=False, limit=10) == []
        assert [row["outcome"] for row in held(connection, everything=True, limit=10)] == ["withdrawn"]


def test_what_goes_on_being_said_proves_itself(url: str) -> None:
    say(url, 0, a(ONE))
    for step in (1, 2, 3):
        say(url, step, a(TEN))
    settle(url)
    found = the_one(url)
    assert (found["outcome"], found["ended_by"], found["held"].upper) == ("released", "time", at(3))
    assert [served(url, at(2.5), known) for known in (at(2.5), at(3))] == [Serving("1", "10", held=True), Serving("10", "10")]


def test_an_observation_without_a_change_counts_as_a_look_and_only_while_something_is_open(url: str) -> None:
    say(url, 0, a(ONE))
    say(url, 1, a(TEN))
    assert settle(url) == 1
    say(url, 2, a(TEN))
    settle(url)
    say(url, 3, a(TEN))
    assert settle(url) == 2  # one row taken out, and put in again as released
    say(url, 4, a(TEN))
    assert settle(url) == 0


# --- a price that is gone ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gap(url: str) -> str:
    """A list that loses seven listings of forty-seven on the second day, and has them again on the third."""
    many = [model(f"lab/{name}") for name in "abcdefg"]
    say(url, 0, *many)
    say(url, 1)
    settle(url)
    return url


def test_prices_that_are_gone_with_too_many_others_are_served_on_as_held(gap: str) -> None:
    assert served(gap) == Serving("1", "gone", held=True)
    assert "7 of 47 listings of openrouter are gone at once" in the_one(gap)["reasons"][0]
    with connect(gap) as connection:
        query = "select count(*) from catalog.listing_price where held and said_state = 'gone'"
        assert connection.execute(text(query)).scalar_one() == 14


def test_a_gap_that_closes_is_bridged_in_hindsight_and_over_from_then_on(gap: str) -> None:
    say(gap, 2, *[model(f"lab/{name}") for name in "abcdefg"])
    settle(gap)
    assert served(gap, at(1.5)) == Serving("1", "gone", held=True)
    assert served(gap, at(2)) == served(gap) == Serving("1", "1")
    assert served(gap, at(5), known_at=at(1.5)) == Serving("1", "gone", held=True), "that it came back was not known yet"
    assert the_one(gap)["outcome"] == "withdrawn"


def test_what_stays_gone_is_gone_in_the_end(gap: str) -> None:
    for step in (2, 3, 4):
        say(gap, step)
    settle(gap)
    assert the_one(gap)["outcome"] == "released"
    assert served(gap) is None
    assert served(gap, at(1.5), known_at=at(1.5)) == Serving("1", "gone", held=True)


def test_a_single_listing_that_is_gone_is_gone(url: str) -> None:
    say(url, 0, a(ONE))
    say(url, 1)
    settle(url)
    assert served(url) is None
    assert state(url) == []


# --- a function of the ledger and of words ----------------------------------------------------------------------------------------------

DAYS: list[Sequence[Any]] = [
    (a(ONE), model("lab/b", "0"), model("lab/c", TEN)),
    (a(THOUSAND), model("lab/b", ONE), model("lab/c", ONE)),
    (a(THOUSAND), model("lab/b", ONE), model("lab/c", TEN)),
    (a(THOUSAND), model("lab/b", THOUSAND), model("lab/c", ONE)),
    (a(ONE), model("lab/b", ONE), model("lab/c", ONE)),
    (a(TEN), model("lab/b", ONE)),
    (a(TEN), model("lab/b", ONE), model("lab/c", ONE)),
    (a(TEN), model("lab/b", THOUSAND), model("lab/c", ONE)),
]


def emptied(url: str) -> None:
    with connect(url) as connection:
        connection.execute(
            text("truncate history.listing, history.price, history.link, ops.source, ops.observation, ops.sync_run, raw.payload, raw.body,"
                 " staged.change_set, ops.held_change, ops.derived cascade")
        )  # fmt: skip


def test_days_settled_one_by_one_in_any_order_or_all_at_once_are_held_alike(url: str) -> None:
    for step, models in enumerate(DAYS):
        say(url, step, *models)
    settle(url)
    at_once = state(url)
    assert {row[13] for row in at_once} == {"open", "released", "withdrawn"}
    chance = random.Random(7)
    for order in ([*range(len(DAYS))], [*reversed(range(len(DAYS)))], chance.sample(range(len(DAYS)), len(DAYS))):
        emptied(url)
        for step in order:
            say(url, step, *DAYS[step])
            settle(url)
        assert state(url) == at_once, order


def test_settling_again_writes_nothing(jumped: str) -> None:
    query = "select xmin::text, ctid::text from ops.held_change"
    with connect(jumped) as connection:
        before = connection.execute(text(query)).all()
    assert settle(jumped) == 0
    with connect(jumped) as connection:
        connection.execute(text("delete from ops.derived"))  # as if never derived
    assert settle(jumped) == 0
    with connect(jumped) as connection:
        assert connection.execute(text(query)).all() == before


def test_a_word_still_counts_when_an_earlier_day_shows_that_it_was_said_before(url: str) -> None:
    say(url, 0, a(ONE))
    say(url, 2, a(THOUSAND))
    settle(url)
    with connect(url) as connection:
        say_word(connection, the_one(url)["held_id"], "release", why="the vendor says so", by="somebody")
    say(url, 1, a(THOUSAND))
    settle(url)
    found = the_one(url)
    assert (found["changed_at"], found["outcome"], found["ended_why"]) == (at(1), "released", "the vendor says so")
    assert served(url) == Serving("1000", "1000")


def test_a_word_on_one_value_is_none_on_the_next(jumped: str) -> None:
    with connect(jumped) as connection:
        say_word(connection, the_one(jumped)["held_id"], "release", why="so", by="somebody")
    say(jumped, 2, a(ONE))
    say(jumped, 3, a("1"))
    settle(jumped)
    with connect(jumped) as connection:
        found = connection.execute(text("select to_amount::text, outcome from ops.held_change order by changed_at")).all()
    assert found[-1] == ("1000000", "open")
    assert served(jumped) != Serving("1000000", "1000000")


def test_no_two_held_changes_of_one_price_begin_at_once(url: str) -> None:
    for step, models in enumerate(DAYS):
        say(url, step, *models)
    settle(url)
    for one, other in pairwise(sorted((row[2], row[4]) for row in state(url))):
        assert one != other
