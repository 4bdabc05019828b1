"""An entry that a payload holds twice, in whatever order (U12)."""

import json
import random
from collections.abc import Callable, Iterable

import pytest

from model_assets_tests.small_ledger import Model, at, crowd, dump, load, model, payload, prices, reset, select


def shuffles(models: list[Model], count: int = 6) -> Iterable[bytes]:
    """The same payload in different orders of its entries."""
    for seed in range(count):
        shuffled = models + crowd()
        random.Random(seed).shuffle(shuffled)
        yield json.dumps({"data": shuffled}).encode()


def outcome_of_shuffles(url: str, models: list[Model], prepare: Callable[[], object] = lambda: None) -> list[str]:
    """What is in the ledger and in quarantine, asserted to be the same in every order of the entries."""
    found = set()
    for body in shuffles(models):
        reset(url)
        prepare()
        load(url, at(1), body)
        doubts = select(url, "select concat_ws(' ', relation, key_id, reason, original) from ops.quarantine order by 1")
        found.add((*dump(url), *doubts))
    assert len(found) == 1
    return list(found.pop())


def test_an_entry_that_occurs_twice_word_for_word_is_one(url: str) -> None:
    outcome_of_shuffles(url, [model("lab/a"), model("lab/a")])
    assert prices(url, "lab/a") == [("paid", "1", 1, None)]
    assert select(url, "select count(*) from history.listing where listed_id = 'lab/a'") == [1]
    assert select(url, "select count(*) from ops.quarantine") == [0]


def test_of_an_entry_that_occurs_twice_differently_only_what_differs_is_in_doubt(url: str) -> None:
    outcome_of_shuffles(url, [model("lab/a", "0.000003"), model("lab/a", "0.000004"), model("lab/b", "0.000005")])
    assert prices(url, "lab/a") == []
    assert prices(url, "lab/a", "output") == [("paid", "2", 1, None)]
    assert prices(url, "lab/b") == [("paid", "5", 1, None)]
    assert (
        select(url, "select listed_id, relation, reason from ops.quarantine")
        == [("lab/a", "price", "the payload says two different things of one key")] * 2
    )


@pytest.mark.parametrize("held", ["0.000003", "0.000004", "0.000009"])
def test_what_held_before_goes_on_where_a_payload_says_two_things(url: str, held: str) -> None:
    twice = [model("lab/a", "0.000003"), model("lab/a", "0.000004"), model("lab/a", "0.000003")]
    outcome_of_shuffles(url, twice, lambda: load(url, at(0), payload(model("lab/a", held))))
    assert prices(url, "lab/a") == [("paid", held[-1], 0, None)]
    forwards = dump(url)
    reset(url)
    load(url, at(1), next(iter(shuffles(twice))))
    load(url, at(0), payload(model("lab/a", held)))
    assert dump(url) == forwards


def test_ids_that_differ_by_case_or_unicode_form_are_different_ids(url: str) -> None:
    ids = ["lab/Model", "lab/model", "lab/caf\u00e9", "lab/cafe\u0301"]
    outcome_of_shuffles(url, [model(one, f"0.00000{number}") for number, one in enumerate(ids, 1)])
    assert [prices(url, one) for one in ids] == [[("paid", str(number), 1, None)] for number in range(1, 5)]
    assert select(url, "select count(*) from ops.quarantine") == [0]
