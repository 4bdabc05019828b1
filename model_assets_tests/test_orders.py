"""Whatever the order in which recordings are imported, the ledger is the same; on small payloads, on the project's own, and on real ones."""

import gzip
import itertools
import json
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import model_assets.recordings
from model_assets import loading, recording_files
from model_assets.ledger.observations import instant_text
from model_assets.recording_files import Recording
from model_assets.sources import SOURCES
from model_assets_tests.shared_data import body, needs_recordings
from model_assets_tests.shared_data import recordings as real_recordings
from model_assets_tests.small_ledger import Model, assert_sound, at, dump, genai_payload, load, model, payload, reset, row_versions, select

Order = Callable[[Sequence[Recording]], list[list[Recording]]]
#: how to import: the order, and what goes side by side
ORDERS: dict[str, Order] = {
    "forwards": lambda found: [sorted(found)],
    "backwards": lambda found: [sorted(found, reverse=True)],
    "shuffled": lambda found: [random.Random(7).sample(found, len(found))],
    "twice": lambda found: [[*sorted(found), *sorted(found)]],
    "in parallel": lambda found: [[one for one in found if one.observed_at.day % 2 == half] for half in (0, 1)],
}


def write(folder: Path, source: str, payloads: dict[float, bytes]) -> list[Recording]:
    """Recordings of a source, by step."""
    (folder / source).mkdir(parents=True, exist_ok=True)
    for step, found in payloads.items():
        (folder / source / f"{instant_text(at(step)).replace(':', '')}.json.gz").write_bytes(gzip.compress(found))
    return list(recording_files.find(folder / source, SOURCES).recordings)


def import_in(url: str, order: Order, recordings: Sequence[Recording]) -> list[str]:
    """The dump of a ledger that holds the recordings, imported in an order."""
    reset(url)
    parts = order(recordings)
    with ThreadPoolExecutor(len(parts)) as pool:
        reports = [report for done in pool.map(lambda part: loading.import_recordings(url, part, lambda _: None), parts) for report in done]
    assert [error for report in reports for error in report.errors] == []
    return dump(url)


#: what a model may be in a payload: absent, quoted, broken, or told twice
QUOTES = [None, "0.000001", "0.000002", "0", "-1", "n/a", "twice"]


@st.composite
def openrouter_models(draw: st.DrawFn) -> list[Model]:
    """Two models that come and go, one that is always there, and sometimes an entry that puts all the absent ones in doubt."""
    models = []
    for name in ("lab/a", "lab/b", "lab/c"):
        quote = draw(st.sampled_from(QUOTES[name == "lab/c" :]))
        if quote == "twice":
            models += [model(name, "0.000001"), model(name, "0.000003")]
        elif quote:
            models.append(model(name, quote, name=draw(st.sampled_from(["A", "B"]))))
    return [*models, *([{"name": "no id"}] if draw(st.booleans()) else [])]


@st.composite
def genai_prices(draw: st.DrawFn) -> dict[str, object]:
    """Prices with tiers, with dates, of a model without any, and one that is sometimes broken: whole, or in one of its meters."""
    prices: dict[str, object] = {
        "none": {},
        "flat": {"input_mtok": draw(st.integers(0, 2)), "output_mtok": 3},
        "tiered": {"input_mtok": {"base": 1, "tiers": [{"start": draw(st.sampled_from([100, 200])), "price": 2}]}},
        "dated": [
            {"prices": {"input_mtok": 1}},
            {"constraint": {"start_date": "2025-07-01"}, "prices": {"input_mtok": draw(st.integers(0, 2))}},
        ],
        "broken": draw(
            st.sampled_from([{"input_mtok": -1, "output_mtok": 1}, {"input_mtok": {}, "output_mtok": 2}, {"input_mtok": 5}, []])
        ),
    }
    return {name: prices[name] for name in draw(st.lists(st.sampled_from(sorted(prices)), unique=True))}


STEPS = [0, 0.25, 1, 1.5, 2]
examples = settings(
    max_examples=int(os.environ.get("ORDER_EXAMPLES", "4")), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_same_in_every_order(url: str, recordings: Sequence[Recording]) -> None:
    dumps = {name: import_in(url, order, recordings) for name, order in ORDERS.items()}
    assert_sound(url)
    assert [name for name, found in dumps.items() if found != dumps["forwards"]] == []
    before = row_versions(url)
    assert loading.import_recordings(url, list(recordings), lambda _: None)
    assert row_versions(url) == before, "a second import writes no claim, no verdict, no payload"


@examples
@given(days=st.dictionaries(st.sampled_from(STEPS), openrouter_models(), min_size=2))
@example(days={0: [model("lab/c")], 0.25: [model("lab/c", "0.000003", name="B"), {"name": "no id"}]})
@example(days={0: [model("lab/a"), {"name": "no id"}], 1: [{"name": "no id"}], 2: [model("lab/b")]})
def test_openrouter_in_any_order_ends_in_the_same_ledger(url: str, tmp_path: Path, days: dict[float, list[Model]]) -> None:
    payloads = {step: payload(*models, others=60) for step, models in days.items()}
    assert_same_in_every_order(url, write(Path(tempfile.mkdtemp(dir=tmp_path)), "openrouter", payloads))


@examples
@given(days=st.dictionaries(st.sampled_from(STEPS), genai_prices(), min_size=2))
@example(days={0: {"half": {"input_mtok": 1, "output_mtok": 1}}, 1: {"half": {"input_mtok": {}, "output_mtok": 2}}})
def test_genai_prices_in_any_order_end_in_the_same_ledger(url: str, tmp_path: Path, days: dict[float, dict[str, object]]) -> None:
    payloads = {step: genai_payload(prices) for step, prices in days.items()}
    assert_same_in_every_order(url, write(Path(tempfile.mkdtemp(dir=tmp_path)), "genai_prices", payloads))


@examples
@given(loads=st.lists(st.tuples(st.sampled_from(STEPS[:3]), openrouter_models()), min_size=2, max_size=6))
@example(loads=[(0, [model("lab/a")]), (1, [model("lab/a", name="B")]), (1, [model("lab/a", name="C"), {"name": "no id"}])])
@example(loads=[(0, [model("lab/a")]), (1, [model("lab/a", name="B")]), (1, [{"name": "no id"}])])
def test_corrected_days_in_any_order_end_as_if_only_the_last_payload_of_each_had_been_there(
    url: str, loads: list[tuple[float, list[Model]]]
) -> None:
    reset(url)
    for step, models in loads:
        load(url, at(step), payload(*models, others=60))
    corrected = dump(url)
    assert_sound(url)
    reset(url)
    for step, models in sorted(dict(loads).items()):
        load(url, at(step), payload(*models, others=60))
    assert corrected == dump(url)


def test_the_recordings_that_come_with_the_project_in_any_order_end_in_the_same_ledger(url: str) -> None:
    found = recording_files.find(Path(model_assets.recordings.__file__).parent, SOURCES)
    assert {one.source for one in found.recordings} == {
        path.name for path in Path(model_assets.recordings.__file__).parent.iterdir()
    } & set(SOURCES)
    assert_same_in_every_order(url, found.recordings)


def test_every_order_of_three_days_with_a_doubt_in_the_middle_ends_in_the_same_ledger(url: str, tmp_path: Path) -> None:
    days = {0: payload(model("lab/a"), model("lab/b")), 1: payload(model("lab/a", "n/a"), {}), 2: payload(model("lab/a"))}
    recordings = write(tmp_path, "openrouter", days)
    dumps = {tuple(import_in(url, lambda found: [list(found)], order)) for order in itertools.permutations(recordings)}
    assert len(dumps) == 1
    spans = select(url, "select listed_id, lower(seen), upper(seen) from history.listing where listed_id like 'lab/%' order by 1")
    assert spans == [("lab/a", at(0), None), ("lab/b", at(0), at(2))]


def test_a_day_loaded_between_two_equal_ones_that_are_partly_in_doubt_ends_where_the_second_speaks(url: str, tmp_path: Path) -> None:
    doubtful = payload(model("lab/a", "0.000002"), {})
    recordings = write(tmp_path, "openrouter", {0: doubtful, 1: payload(model("lab/a"), model("lab/b")), 2: doubtful})
    dumps = {tuple(import_in(url, lambda found: [list(found)], order)) for order in itertools.permutations(recordings)}
    assert len(dumps) == 1
    assert select(url, "select amount from history.price where listed_id = 'lab/a' and meter = 'input' order by lower(seen)") == [2, 1, 2]
    assert select(url, "select upper(seen) from history.listing where listed_id = 'lab/b'") == [None]


def test_a_file_that_cannot_be_loaded_is_named_and_the_others_are_loaded(url: str, tmp_path: Path) -> None:
    recordings = write(tmp_path, "openrouter", {step: payload(model("lab/a", f"0.00000{number + 1}")) for number, step in enumerate(STEPS)})
    recordings[1].path.write_bytes(recordings[1].path.read_bytes()[:-9])
    recordings[2].path.write_bytes(gzip.compress(b"<html>"))
    [report] = loading.import_recordings(url, recordings, lambda _: None)
    assert len(report.errors) == 2
    assert f"{recordings[1].path} is not a whole gzip file" in report.errors[0]
    assert "openrouter 2025-06-02T02:00Z was refused: not JSON" in report.errors[1]
    assert select(url, "select lower(seen) from history.price where listed_id = 'lab/a' and meter = 'input' order by 1") == [
        at(0), at(1.5), at(2)
    ]  # fmt: skip
    assert select(url, "select day, status from ops.sync_run order by 1") == [
        (at(0).date(), "failed"), (at(1).date(), "refused"), (at(2).date(), "succeeded")
    ]  # fmt: skip


# --- the real ones ---

BEFORE, LOSS, RETURN = (datetime(2026, 1, day, hour, minute, tzinfo=UTC) for day, hour, minute in ((15, 18, 6), (16, 0, 10), (16, 18, 4)))


@needs_recordings
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=str)
def test_openrouter_lost_seventeen_models_for_a_day_and_eleven_came_back(url: str, order: tuple[int, ...]) -> None:
    paths = [path for path in real_recordings("openrouter") if "2026-01-15T18" <= path.name < "2026-02-15"]
    instants = [recording_files.read_instant(path.name) for path in paths]
    assert instants[:3] == [BEFORE, LOSS, RETURN]
    assert len(paths) == 4
    ids = [{one["id"] for one in json.loads(body(path))["data"]} for path in paths]
    lost, back = ids[0] - ids[1], (ids[0] - ids[1]) & ids[2]
    assert (len(lost), len(back)) == (17, 11)

    for number in order:
        at_ = instants[number]
        assert at_ is not None
        assert load(url, at_, body(paths[number])).outcome == "changes"

    ended = "select listed_id from history.listing where upper(seen) = :at and key_id not in (select key_id from history.listing where lower(seen) = :at)"
    began = "select listed_id from history.listing where lower(seen) = :at and key_id not in (select key_id from history.listing where upper(seen) = :at)"
    assert set(select(url, ended, at=LOSS)) == lost
    assert set(select(url, began, at=RETURN)) & lost == back
    assert set(select(url, began, at=RETURN)) == ids[2] - ids[1]
    for instant, listed in zip(instants, ids, strict=True):
        assert set(select(url, "select listed_id from history.listing where seen @> cast(:at as timestamptz)", at=instant)) == listed
        priced = "select distinct listed_id from history.price where seen @> cast(:at as timestamptz)"
        assert set(select(url, priced, at=instant)) == listed
    assert_sound(url)
