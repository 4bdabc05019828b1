"""What is recorded as a change, in which order, and that it stays as it is."""

import random

import dagster as dg
import pytest
from alembic import command
from sqlalchemy import Connection, text

from model_assets import settling
from model_assets.access.words import Word, change
from model_assets.changes import record
from model_assets.changes.formats import sentence, updated
from model_assets.changes.record import TYPES, record_changes
from model_assets.database import connect
from model_assets.definitions import defs
from model_assets.gate.held_changes import refresh_held
from model_assets.ledger import migrate as migration
from model_assets.sql_models import load_models
from model_assets_tests.changes.world import POLICY, brief, load, standing, told

CHEAP, DEAR = "0.000001", "0.000002"


def again(url: str) -> int:
    with connect(url) as connection:
        return record_changes(connection)


def test_a_new_model_a_price_and_what_became_free_are_told_in_the_order_of_time(url: str) -> None:
    load(url, 0, {"a": CHEAP})
    assert told(url) == []  # what a first look brings is not news
    load(url, 1, {"a": CHEAP, "b": DEAR})
    load(url, 2, {"a": DEAR, "b": DEAR})
    found = told(url)
    assert brief(found) == [
        ("model_added", "b", 1), ("offer_added", "b", 1), ("price_changed", "a", 2), ("price_changed", "a", 2),
    ]  # fmt: skip
    assert [one["change_id"] for one in found] == [1, 2, 3, 4]
    assert {one["condition"]["meter"]: (one["before"], one["after"]) for one in found[2:]} == {
        meter: ({"state": "paid", "amount": "1"}, {"state": "paid", "amount": "2"}) for meter in ("input", "output")
    }
    assert sentence(found[2] | {"at": None}).startswith("openrouter charges 2 USD per 1M tokens for ")


@pytest.mark.parametrize("key", ["catalog/model_card", "access/decision"])
def test_a_step_of_dagster_that_comes_before_that_of_the_links_publishes_no_listing_that_is_not_resolved_yet(
    url: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    load(url, 0, {"a": CHEAP})
    load(url, 1, {"a": CHEAP, "b": DEAR}, published=False)
    step = defs.resolve_assets_def(dg.AssetKey(key.split("/")))
    assert dg.materialize([step]).success
    assert [(one["type"], one["model_id"]) for one in told(url)] == [("model_added", "lab/b"), ("offer_added", "lab/b")]


def test_a_feed_was_updated_when_the_last_of_its_changes_was_recorded_also_where_that_is_a_fraction_of_a_second_later() -> None:
    times = ("2026-05-19T02:00:00Z", "2026-05-19T02:00:00.5Z", "2026-05-19T02:00:00.499999Z", "2026-05-19T01:59:59.9Z")
    assert updated([{"recorded_at": at} for at in times]) == times[1]
    assert updated([]) == "1970-01-01T00:00:00Z"


def test_publishing_again_writes_nothing(url: str) -> None:
    load(url, 0, {"a": CHEAP})
    load(url, 1, {"a": DEAR})
    before = told(url)
    assert len(before) == 2
    assert again(url) == 0
    assert told(url) == before


def test_an_older_day_that_is_loaded_late_is_told_at_the_end_with_its_own_instant_and_what_it_disproves_is_withdrawn(url: str) -> None:
    load(url, 0, {"a": CHEAP})
    load(url, 4, {"a": DEAR, "b": CHEAP})
    before = told(url)
    assert brief(before)[:2] == [("model_added", "b", 4), ("offer_added", "b", 4)]
    load(url, 2, {"a": DEAR})
    after = told(url)
    stays = ["change_id", "id", "type", "at", "recorded_at", "model_id", "before", "after"]
    assert [[one[name] for name in stays] for one in after[:4]] == [[one[name] for name in stays] for one in before]
    assert brief(after[4:]) == [("withdrawn", "a", 4)] * 2 + [("price_changed", "a", 2)] * 2
    assert [one["withdraws"] for one in after[4:6]] == [3, 4]
    assert [one["before"]["id"] for one in after[4:6]] == [str(one["id"]) for one in before[2:]]


def test_what_was_withdrawn_and_is_so_after_all_is_told_again(url: str) -> None:
    load(url, 0, {"a": CHEAP})
    load(url, 4, {"a": DEAR})
    load(url, 2, {"a": DEAR})
    load(url, 2, {"a": CHEAP})  # a corrected payload for the same instant
    assert brief(told(url)[-4:]) == [("withdrawn", "a", 2)] * 2 + [("price_changed", "a", 4)] * 2


def test_a_model_is_gone_when_three_looks_did_not_find_it_and_may_come_back(url: str) -> None:
    both, one = {"a": CHEAP, "b": CHEAP}, {"a": CHEAP}
    for number, prices in enumerate([both, one, one, both, one, one, one]):
        load(url, number, prices)
    assert brief(told(url)) == [("model_gone", "b", 4), ("offer_ended", "b", 4)]  # an absence of two looks is none
    load(url, 7, both)
    assert sorted(brief(told(url))[2:]) == [("model_back", "b", 7), ("offer_added", "b", 7)]


def test_an_offer_that_becomes_free_and_stops_being_so_is_told_once_it_is_served(url: str) -> None:
    for number, usd in enumerate(["0", "0", CHEAP]):
        load(url, number, {"a": usd})
    kinds = brief(told(url))
    assert ("stopped_being_free", "a", 2) in kinds
    assert not [one for one in kinds if one[0] == "became_free"]  # a first look tells no news


def test_a_price_that_is_held_back_is_no_change(url: str) -> None:
    load(url, 0, {"a": "0.000003"})
    load(url, 1, {"a": "0"})  # for nothing, all at once: the gate does not believe it
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from ops.held_change where upper_inf(held) and kind = 'held'")).scalar_one()
    assert told(url) == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_order_of_loading_what_stands_in_the_end_is_the_same(url: str, seed: int) -> None:
    rand = random.Random(seed)
    days = [(number, {name: rand.choice([CHEAP, DEAR]) for name in "abc" if rand.random() < 0.7}) for number in range(7)]
    for number, prices in rand.sample(days, len(days)):
        load(url, number, prices)
    ids = [one["change_id"] for one in told(url)]
    assert ids == list(range(1, len(ids) + 1))
    shuffled = standing(url)
    with connect(url) as connection:
        connection.execute(text("delete from catalog.change; delete from catalog.change_begin"))
    again(url)
    assert shuffled == standing(url) != set()


def test_of_a_long_history_the_newest_part_is_told_and_the_rest_stays_untold(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, usd in enumerate(["0.000001", "0.0000011", "0.0000012", "0.0000013"]):
        load(url, number, {"a": usd}, published=number == 3)
    with connect(url) as connection:
        connection.execute(text("delete from catalog.change; delete from catalog.change_begin"))
    monkeypatch.setattr(record, "LONGEST_HISTORY", 4)
    assert again(url) == 4
    assert again(url) == 0
    assert brief(told(url)) == [("price_changed", "a", 2)] * 2 + [("price_changed", "a", 3)] * 2


def test_the_changes_of_the_bundled_recordings_are_in_the_order_of_time_and_each_has_a_sentence(settled: str) -> None:
    found = told(settled)
    assert len(found) > 20
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)
    assert {one["type"] for one in found} <= set(TYPES)
    assert {sentence(one)[-1] for one in found} == {"."}


def test_what_a_downgrade_took_is_told_again_after_the_next_migration_though_nothing_moved(url: str) -> None:
    for number, usd in enumerate([CHEAP, DEAR, CHEAP]):
        load(url, number, {"a": usd, **({"b": DEAR} if number else {})})
    before = standing(url)
    with connect(url) as connection:
        command.downgrade(migration._config(connection), "0009")
    migration.migrate(url)
    settling.settle(url, POLICY)
    assert standing(url) == before != set()


def test_a_model_that_was_disabled_and_is_gone_is_available_to_nobody(url: str) -> None:
    load(url, 0, {"a": CHEAP, "b": DEAR})
    with connect(url) as connection:
        [model] = connection.scalars(text("select model_id from access.decision where model_id like '%/b'"))
        change(connection, [(model, Word(status="disabled"), None)], "ann")
    for number in range(1, 5):
        load(url, number, {"a": CHEAP})
    with connect(url) as connection:
        assert connection.scalar(text("select status from access.model_access where model_id = :model"), {"model": model}) == "inactive"
    assert [one["type"] for one in told(url) if one["type"] == "model_available"] == []


@pytest.mark.parametrize("meanwhile", ["before the marks are taken", "while the tables are filled"])
def test_a_list_that_comes_while_another_is_published_is_published_with_it_and_resolved(
    url: str, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    coming = [2]

    def comes(*_: object) -> None:
        if coming:
            load(url, coming.pop(), {"a": CHEAP, "b": DEAR, "c": DEAR}, published=False)

    def held_then_comes(connection: Connection) -> int:
        found = refresh_held(connection)
        comes()
        return found

    load(url, 0, {"a": CHEAP})
    load(url, 1, {"a": CHEAP, "b": DEAR}, published=False)
    if meanwhile == "before the marks are taken":
        monkeypatch.setattr(settling, "refresh_held", held_then_comes)
    with connect(url) as connection:
        settling.publish_settled(connection, load_models(), comes)
    assert coming == []
    with connect(url) as connection:
        cards = set(connection.scalars(text("select model_id from catalog.model_card where model_id !~ 'other-'")))
        assert connection.scalar(text("select exists (select from ops.move)")) is False
    assert cards == {"lab/a", "lab/b", "lab/c"}
    assert sorted((kind, name) for kind, name, _ in brief(told(url))) == [
        ("model_added", "b"), ("model_added", "c"), ("offer_added", "b"), ("offer_added", "c"),
    ]  # fmt: skip
