"""What the ledger alone says of a model: whether it is new, and whether it is gone."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from model_assets.access.decide import end_expired_words
from model_assets.access.policy import Policy, store_policy
from model_assets.access.words import Word, change
from model_assets_tests.access.world import OPEN, allowed, check, link, observed, sell, settle, statuses, trail, users
from model_assets_tests.test_catalog_sql import day, listing, observation

GONE = "host:?m"


def test_what_was_there_when_a_source_was_first_read_is_active_and_what_came_later_is_new(ledger: Connection) -> None:
    observed(ledger, 1, 2, 3)
    sell(ledger, "old", 1)
    sell(ledger, "young", 3)
    settle(ledger)
    assert statuses(ledger) == {"host:?old": "active", "host:?young": "new"}


def test_a_model_that_another_source_listed_from_its_first_reading_is_not_new_for_a_second_source(ledger: Connection) -> None:
    observed(ledger, 1, 2)
    observed(ledger, 5, 6, source="other")
    sell(ledger, "a", 5, source="other")
    sell(ledger, "b", 6, source="other")
    sell(ledger, "c", 1)
    for listed, source in (("a", "other"), ("b", "other"), ("c", "feed")):
        link(ledger, listed, f"lab/{listed}", source=source)
    settle(ledger)
    assert statuses(ledger) == {"lab/a": "active", "lab/b": "new", "lab/c": "active"}


def test_a_source_that_sells_nothing_makes_no_model_and_keeps_none(ledger: Connection) -> None:
    observed(ledger, 1, 2, source="huggingface")
    listing(ledger, "weights", 1, source="huggingface")
    settle(ledger)
    assert statuses(ledger) == {}


@pytest.mark.parametrize(
    ("observations", "status"), [((1, 2), "active"), ((1, 2, 3), "active"), ((1, 2, 3, 4), "inactive"), ((1, 2, 3, 4, 5), "inactive")]
)
def test_a_model_is_gone_with_the_third_observation_without_it(ledger: Connection, observations: tuple[int, ...], status: str) -> None:
    observed(ledger, *observations)
    sell(ledger, "m", 1, 2)
    settle(ledger)
    assert statuses(ledger) == {GONE: status}


def test_observations_that_were_refused_do_not_count_and_every_source_that_listed_it_has_to_miss_it(ledger: Connection) -> None:
    observed(ledger, 1, 2, 3)
    observation(ledger, 4, "refused")
    observed(ledger, 1, 2, 3, 4, source="other")
    for source in ("feed", "other"):
        sell(ledger, "m", 1, 2, source=source)
    settle(ledger)
    assert statuses(ledger) == {GONE: "active"}
    observed(ledger, 5)
    settle(ledger)
    assert statuses(ledger) == {GONE: "inactive"}


def test_a_model_that_one_list_misses_once_is_taken_from_nobody(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "m", 1)
    settle(ledger)
    users(ledger)
    assert GONE in allowed(ledger, "pro")
    ledger.execute(text("update history.listing set seen = tstzrange(lower(seen), :end)"), {"end": day(2)})
    observed(ledger, 2)
    settle(ledger)
    assert GONE in allowed(ledger, "pro")
    observed(ledger, 3, 4)
    settle(ledger)
    assert allowed(ledger, "pro") == []
    assert check(ledger, "pro", GONE).reason == "no source lists it any more"


def test_new_and_gone_are_the_same_in_whatever_order_the_days_are_loaded(ledger: Connection) -> None:
    """The ledger of twelve days, in which models come and go, is decided on after each of its parts, in shuffled orders."""
    lives = {"always": (1, None), "early": (1, 4), "late": (9, None), "short": (3, 4), "last": (12, None), "grace": (1, 11)}
    found = set()
    for seed in range(12):
        parts = [("day", number) for number in range(1, 13)] + [("model", name) for name in lives]
        random.Random(seed).shuffle(parts)
        trial = ledger.begin_nested()
        for kind, what in parts:
            observed(ledger, float(what)) if kind == "day" else sell(ledger, str(what), *lives[str(what)])
            settle(ledger)
        columns = "model_id, rule_status, gone, first_seen_at, rule_free, rule_pro, rule_enterprise, rule_why::text"
        found.add(tuple(ledger.execute(text(f"select {columns} from access.decision order by 1")).all()))
        trial.rollback()
    [one] = found
    assert {row.rule_enterprise for row in one} == {True}  # by its last terms, whatever was listed when it was decided on
    assert {row[0]: (row[1], row[2]) for row in one} == {
        "host:?always": ("active", False),
        "host:?early": ("active", True),
        "host:?grace": ("active", False),
        "host:?last": ("new", False),
        "host:?late": ("new", False),
        "host:?short": ("new", True),
    }


def test_deciding_again_writes_nothing(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "m", 1)
    assert settle(ledger) == 1
    before = ledger.execute(text("select xmin::text, * from access.decision")).all()
    audited = ledger.execute(text("select count(*) from access.audit")).scalar()
    assert settle(ledger) == 0
    assert ledger.execute(text("select xmin::text, * from access.decision")).all() == before
    assert ledger.execute(text("select count(*) from access.audit")).scalar() == audited


def test_a_model_that_comes_while_it_is_watched_waits_until_a_person_admits_it(ledger: Connection) -> None:
    observed(ledger, 1, 2)
    sell(ledger, "m", 2)
    settle(ledger)
    users(ledger)
    assert [allowed(ledger, tier) for tier in ("free", "pro", "enterprise", "admin")] == [[], [], [], [GONE]]
    assert check(ledger, "pro", GONE).reason == "it is new and was not admitted yet"
    change(ledger, [(GONE, Word(status="active"), None)], "ann")
    settle(ledger)
    assert statuses(ledger) == {GONE: "active"}
    assert allowed(ledger, "pro") == [GONE]


@pytest.mark.parametrize(("days", "status"), [(None, "new"), (0, "active"), (7, "active"), (36500, "new")])
def test_a_new_model_is_admitted_by_the_policy_after_its_days(ledger: Connection, days: int | None, status: str) -> None:
    store_policy(ledger, Policy(OPEN.rules, None if days is None else timedelta(days=days)))
    observed(ledger, 1, 2)
    sell(ledger, "m", 2)
    settle(ledger)
    assert statuses(ledger) == {GONE: status}


def test_a_disabled_model_that_vanishes_for_three_observations_and_returns_is_still_disabled(ledger: Connection) -> None:
    users(ledger)
    observed(ledger, 1)
    sell(ledger, "m", 1)
    settle(ledger)
    change(ledger, [(GONE, Word(status="disabled", note="too dear"), None)], "ann", "it costs too much", "request-1")
    settle(ledger)
    assert statuses(ledger) == {GONE: "disabled"}
    ledger.execute(text("update history.listing set seen = tstzrange(lower(seen), :end)"), {"end": day(2)})
    for number in (2, 3):
        observed(ledger, number)
        settle(ledger)
        assert statuses(ledger) == {GONE: "disabled"}
    observed(ledger, 4)
    settle(ledger)
    assert statuses(ledger) == {GONE: "inactive"}
    observed(ledger, 5)
    listing(ledger, "m", 5)
    settle(ledger)
    assert statuses(ledger) == {GONE: "disabled"}
    assert allowed(ledger, "enterprise") == []
    told = [(actor, action, before, after, why) for actor, action, before, after, why in trail(ledger, GONE)]
    assert [(actor, action) for actor, action, *_ in told] == [
        ("policy", "insert"),
        ("ann", "update"),
        ("policy", "update"),
        ("policy", "update"),
    ]
    assert (told[1][2]["said_status"], told[1][3]["said_status"], told[1][4]) == (None, "disabled", "it costs too much")
    assert [(row[2]["gone"], row[3]["gone"]) for row in told[2:]] == [(False, True), (True, False)]
    assert ledger.execute(text("select * from access.audit_breaks()")).all() == []


def test_an_inactive_model_that_comes_back_is_as_it_was(ledger: Connection) -> None:
    observed(ledger, 1, 2, 3, 4)
    sell(ledger, "m", 1, 2)
    settle(ledger)
    change(ledger, [(GONE, Word(daily_limit=5, is_free=True), None)], "ann")
    observed(ledger, 5)
    sell(ledger, "m", 5)
    settle(ledger)
    row = ledger.execute(text("select status, is_free, daily_limit, decided_by from access.model_access")).one()
    assert tuple(row) == ("active", True, 5, "ann")


def test_a_variant_is_disabled_with_its_base_and_decided_on_by_itself_otherwise(ledger: Connection) -> None:
    users(ledger)
    observed(ledger, 1)
    sell(ledger, "lab/m", 1)
    sell(ledger, "lab/m:free", 1, usd="0")
    link(ledger, "lab/m", "lab/m")
    link(ledger, "lab/m:free", "lab/m", "free")
    settle(ledger)
    assert allowed(ledger, "free") == ["lab/m:free"]
    change(ledger, [("lab/m:free", Word(status="active"), None), ("lab/m", Word(status="disabled"), None)], "ann")
    assert statuses(ledger) == {"lab/m": "disabled", "lab/m:free": "disabled"}
    assert allowed(ledger, "free") == []
    change(ledger, [("lab/m", Word(status=None), None), ("lab/m:free", Word(status="disabled"), None)], "ann")
    assert statuses(ledger) == {"lab/m": "active", "lab/m:free": "disabled"}


def test_a_word_counts_until_its_end_and_is_then_taken_away_by_the_clock(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "m", 1)
    settle(ledger)
    change(ledger, [(GONE, Word(status="disabled", daily_limit=3, until=day(40_000)), None)], "ann")
    assert statuses(ledger) == {GONE: "disabled"}
    assert end_expired_words(ledger) == 0
    ledger.execute(text("update access.decision set decided_until = now() - interval '1 second'"))
    row = ledger.execute(text("select status, daily_limit, decided_by from access.model_access")).one()
    assert tuple(row) == ("active", None, "policy")
    assert end_expired_words(ledger) == 1
    assert ledger.execute(text("select said_status, daily_limit, decided_by, decided_until from access.decision")).one() == (None,) * 4
    assert trail(ledger, GONE)[-1][0] == "clock"


def test_what_nobody_lists_now_is_not_allowed_by_rules_that_it_was_never_judged_by(ledger: Connection) -> None:
    users(ledger)
    observed(ledger, 1, 2)
    sell(ledger, "m", 1)
    settle(ledger)
    ledger.execute(text("update history.listing set seen = tstzrange(lower(seen), :end)"), {"end": day(2)})
    settle(ledger)
    assert allowed(ledger, "pro") == [GONE]
    store_policy(ledger, Policy(OPEN.rules[2:]))
    settle(ledger)
    assert (allowed(ledger, "pro"), allowed(ledger, "enterprise")) == ([], [GONE])
    store_policy(ledger, Policy())
    settle(ledger)
    assert allowed(ledger, "enterprise") == []


def test_a_price_of_nothing_that_another_source_contradicts_lets_nobody_in(ledger: Connection) -> None:
    observed(ledger, 1)
    observed(ledger, 1, source="models_dev")
    sell(ledger, "a", 1, usd="0", source="models_dev")
    sell(ledger, "a", 1, usd="2")
    sell(ledger, "b", 1, usd="0", source="models_dev")
    for source in ("models_dev", "feed"):
        link(ledger, "a", "lab/a", source=source)
    link(ledger, "b", "lab/b", source="models_dev")
    settle(ledger)
    assert allowed(ledger, None) == ["lab/b"]


def test_a_decision_whose_listing_became_a_model_is_forgotten_but_what_somebody_said_goes_along(ledger: Connection) -> None:
    observed(ledger, 1)
    for name in ("a", "b", "c", "known"):
        sell(ledger, name, 1)
    link(ledger, "known", "lab/c")
    settle(ledger)
    change(ledger, [("host:?b", Word(status="disabled", daily_limit=4), None), ("host:?c", Word(status="disabled"), None)], "ann", "unsafe")
    for name in ("a", "b", "c"):
        link(ledger, name, f"lab/{name}")
    settle(ledger)
    # lab/c was decided on before: one odd listing of it does not disable all of it
    assert statuses(ledger) == {"host:?b": "inactive", "host:?c": "inactive", "lab/a": "active", "lab/b": "disabled", "lab/c": "active"}
    assert ledger.execute(text("select daily_limit, decided_by from access.model_access where model_id = 'lab/b'")).one() == (4, "ann")
