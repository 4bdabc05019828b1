"""What people say of models: all or nothing, each with its version, and the policy again when it is taken back."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from model_assets.access.words import Word, WordsRefused, change
from model_assets_tests.access.world import allowed, check, observed, sell, settle, statuses, trail, users

A, B = "host:?a", "host:?b"


@pytest.fixture
def models(ledger: Connection) -> Connection:
    """Two models that are sold, and a user of each tier."""
    observed(ledger, 1, 2)
    for name in ("a", "b"):
        sell(ledger, name, 1)
    users(ledger)
    settle(ledger)
    return ledger


def test_a_word_counts_part_by_part_and_the_policy_for_the_rest(models: Connection) -> None:
    [row] = change(models, [(A, Word(is_free=True, is_pro=False, daily_limit=10, monthly_limit=100, note="trial"), None)], "ann")
    assert (row["status"], row["is_free"], row["is_pro"], row["is_enterprise"]) == ("active", True, False, True)
    assert (row["daily_limit"], row["monthly_limit"], row["note"], row["decided_by"], row["version"]) == (10, 100, "trial", "ann", 2)
    assert [A in allowed(models, tier) for tier in ("free", "pro", "enterprise")] == [True, False, True]
    answer = check(models, "free", A)
    assert (answer.allowed, answer.daily_limit, answer.monthly_limit) == (True, 10, 100)


def test_what_is_taken_back_is_the_policys_again(models: Connection) -> None:
    change(models, [(A, Word(is_free=True, status="disabled"), None)], "ann")
    [row] = change(models, [(A, Word(is_free=None), None)], "bob")
    assert (row["status"], row["is_free"], row["decided_by"]) == ("disabled", False, "bob")
    [row] = change(models, [(A, Word(status=None), None)], "bob")
    assert (row["status"], row["decided_by"], row["decided_at"]) == ("active", "policy", None)


@pytest.mark.parametrize("first", ["new", "active", "disabled"])
@pytest.mark.parametrize("then", ["new", "active", "disabled"])
def test_every_status_can_follow_every_other(models: Connection, first: str, then: str) -> None:
    change(models, [(A, Word(status=first), None)], "ann")
    before = len(trail(models, A))
    [row] = change(models, [(A, Word(status=then), None)], "ann")
    assert (row["status"], A in allowed(models, "pro")) == (then, then == "active")
    assert len(trail(models, A)) - before == (first != then)


def test_a_sync_touches_no_word(models: Connection) -> None:
    change(models, [(A, Word(status="disabled", is_free=True, note="n"), None)], "ann")
    before = models.execute(text("select * from access.decision where model_id = :id"), {"id": A}).one()
    sell(models, "c", 2)
    settle(models)
    assert models.execute(text("select * from access.decision where model_id = :id"), {"id": A}).one() == before


def test_saying_the_same_again_writes_nothing(models: Connection) -> None:
    word = Word(status="disabled", daily_limit=3)
    change(models, [(A, word, None)], "ann")
    before = models.execute(text("select xmin::text, * from access.decision order by model_id")).all(), trail(models, A)
    change(models, [(A, word, 2)], "bob", "again")
    assert (models.execute(text("select xmin::text, * from access.decision order by model_id")).all(), trail(models, A)) == before


def test_one_that_cannot_be_changed_keeps_all_others_as_they_are(models: Connection) -> None:
    said = Word(status="disabled")
    with pytest.raises(WordsRefused, match="Nothing was changed") as refused, models.begin_nested():
        change(models, [(A, said, 1), (B, said, 7), ("host:?aa", said, None), (A, said, None), (B, Word(daily_limit=-1), None)], "ann")
    assert [(one.place, one.code) for one in refused.value.troubles] == [
        (1, "version_conflict"),
        (2, "unknown_model"),
        (3, "named_twice"),
        (4, "named_twice"),
    ]
    assert "host:?a" in refused.value.troubles[1].message
    assert statuses(models) == {A: "active", B: "active"}
    assert len(trail(models, A)) == 1


def test_of_many_models_that_are_not_there_only_the_first_is_looked_for_among_all(models: Connection) -> None:
    with pytest.raises(WordsRefused, match="And 499 more") as refused, models.begin_nested():
        change(models, [(f"host:?a{number}", Word(status="disabled"), None) for number in range(500)], "ann")
    first, *others = (one.message for one in refused.value.troubles)
    assert "to decide on. The nearest are: host:?a" in first
    assert all("nearest" not in message and message.endswith("GET /api/admin/models name those there are.") for message in others)


def test_versions_count_changes_and_a_stale_one_is_refused(models: Connection) -> None:
    assert [row["version"] for row in change(models, [(A, Word(note="1"), 1)], "ann")] == [2]
    with pytest.raises(WordsRefused, match="is at version 2, not 1"), models.begin_nested():
        change(models, [(A, Word(note="2"), 1)], "bob")
    assert [row["version"] for row in change(models, [(A, Word(note="2"), 2)], "bob")] == [3]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (Word(), "nothing is said of it"),
        (Word(status="inactive"), "there is no status 'inactive'"),
        (Word(daily_limit=-1), "is not a number of requests"),
        (Word(daily_limit=2**63), "is not a number of requests"),
        (Word(monthly_limit=True), "is not a number of requests"),
        (Word(daily_limit=5, monthly_limit=4), "5 requests per day are more than 4 per month"),
        (Word(status="disabled", until=datetime(2020, 1, 1, tzinfo=UTC)), "is in the past"),
        (Word(until=datetime.now(UTC) + timedelta(days=1)), "nothing that would end"),
    ],
    ids=lambda value: value if isinstance(value, str) else "word",
)
def test_what_cannot_be_said_is_refused(models: Connection, word: Word, said: str) -> None:
    with pytest.raises(WordsRefused, match=said), models.begin_nested():
        change(models, [(A, word, None)], "ann")


def test_more_than_500_at_once_are_refused(models: Connection) -> None:
    with pytest.raises(WordsRefused, match="At most 500 models"), models.begin_nested():
        change(models, [(A, Word(note="x"), None)] * 501, "ann")


def test_a_new_word_does_not_bring_back_one_whose_time_is_over(models: Connection) -> None:
    change(models, [(A, Word(status="disabled", until=datetime.now(UTC) + timedelta(days=1)), None)], "ann")
    models.execute(text("update access.decision set decided_until = now() - interval '1 second' where model_id = :id"), {"id": A})
    [row] = change(models, [(A, Word(note="hello"), None)], "bob")
    assert (row["status"], row["note"], row["decided_until"]) == ("active", "hello", None)
