"""The gate on a payload as a whole: a truth table of counts."""

from datetime import UTC, datetime

import pytest

from model_assets.contracts import Reject
from model_assets.gate.set_level import judge
from model_assets.ledger.changes import ChangeSet
from model_assets.ledger.observations import Counts, Judged, Observation

AT = datetime(2025, 6, 2, tzinfo=UTC)
BEFORE = datetime(2025, 6, 1, 2, tzinfo=UTC)


def changes(listings: int, prices: int = 0, broken_entries: int = 0, broken_prices: int = 0) -> ChangeSet:
    rejects = [(Reject("listing", "host", None, "broken", ""), None)] * broken_entries
    rejects += [(Reject("price", "host", "a", "broken", ""), 1)] * broken_prices
    return ChangeSet(Observation("src", AT, b""), 0, {}, rejects, Counts(listings, prices))


def earlier(listings: int) -> Judged:
    return Judged(Observation("src", BEFORE, b""), "accepted", Counts(listings), 0)


@pytest.mark.parametrize(
    ("found", "before", "said"),
    [
        (changes(1), None, []),
        (changes(0), None, ["lists no model"]),
        (changes(0), earlier(0), ["lists no model"]),
        (changes(0), earlier(100), ["lists no model"]),
        (changes(80), earlier(100), []),
        (changes(79), earlier(100), ["79 models, 21% fewer than the 100 of 2025-06-01T02:00Z"]),
        (changes(1), earlier(100), ["99% fewer"]),
        (changes(500), earlier(100), []),
        (changes(4), earlier(5), []),
        (changes(3), earlier(5), ["40% fewer"]),
        (changes(95, broken_entries=5), None, []),
        (changes(94, prices=1000, broken_entries=6), None, ["6 of 100 entries break the contract"]),
        (changes(50, prices=140, broken_prices=10), None, []),
        (changes(50, prices=139, broken_prices=11), None, ["11 of 200 rows break the contract"]),
        (changes(94, broken_entries=6), None, ["6 of 100 entries", "6 of 100 rows"]),
        (changes(0, broken_entries=3), None, ["lists no model", "3 of 3 entries", "3 of 3 rows"]),
        (changes(50, broken_prices=50), earlier(100), ["50% fewer", "50 of 100 rows"]),
    ],
)
def test_a_payload_is_refused_for_each_thing_that_is_wrong_with_its_counts(
    found: ChangeSet, before: Judged | None, said: list[str]
) -> None:
    reasons = judge(found, before)
    assert len(reasons) == len(said)
    assert all(part in reason for part, reason in zip(said, reasons, strict=True))


def test_exactly_four_fifths_are_enough_and_exactly_one_in_twenty_is_not_too_many_whatever_floats_make_of_it() -> None:
    assert [n for n in range(5, 5000, 5) if judge(changes(n * 4 // 5), earlier(n))] == []
    assert [n for n in range(5, 5000, 5) if not judge(changes(n * 4 // 5 - 1), earlier(n))] == []
    assert [n for n in range(1, 200) if judge(changes(n * 19, broken_entries=n), None)] == []
    assert [n for n in range(1, 200) if not judge(changes(n * 19 - 1, broken_entries=n), None)] == []


def test_a_list_of_scores_must_not_shrink_and_what_is_only_mentioned_may() -> None:
    def payload(counts: Counts) -> ChangeSet:
        return ChangeSet(Observation("src", AT, b""), 0, {}, [], counts)

    def before(counts: Counts) -> Judged:
        return Judged(Observation("src", BEFORE, b""), "accepted", counts, 0)

    assert "79 scores" in judge(payload(Counts(scores=79)), before(Counts(scores=100)))[0]
    assert judge(payload(Counts(scores=80)), before(Counts(scores=100))) == []
    assert judge(payload(Counts(mentions=1)), before(Counts(mentions=100))) == []
    assert "lists no model" in judge(payload(Counts()), before(Counts(mentions=100)))[0]
    assert judge(payload(Counts(listings=100, scores=1)), before(Counts(listings=100, scores=50))) == []
