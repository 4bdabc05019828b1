"""Benchmark sources up to the ledger: all real recordings in any order, what puts a score in doubt, and text that is meant to break things."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from model_assets import loading, pipeline, recording_files
from model_assets.database import connect
from model_assets.ledger import observations
from model_assets.soundness import unsound
from model_assets.sources import SOURCES
from model_assets_tests.shared_data import SHARED, needs_recordings
from model_assets_tests.small_ledger import dump, reset
from model_assets_tests.sources.score_rows import as_csv, gathered
from model_assets_tests.sources.test_artificial_analysis import ENTRY
from model_assets_tests.sources.test_lmarena import RATING
from model_assets_tests.sources.test_swebench import RESULT
from model_assets_tests.test_hostile_payloads import HOSTILE, spoilt

START = datetime(2026, 1, 1, tzinfo=UTC)
RECORDED = ("aider", "swebench", "lmarena", "epoch", "models_dev_models")
ENTRIES = 30
MANY = range(ENTRIES)


def load(url: str, name: str, minute: int, body: bytes) -> str:
    """What came of a payload at an instant."""
    with connect(url) as connection:
        one = observations.record(connection, name, START + timedelta(minutes=minute), body, url="http://x", origin="recording")
    audited = pipeline.audit(url, SOURCES[name], one)
    if audited.outcome != "refused":
        audited = pipeline.publish(url, SOURCES[name], audited, lambda _: None)
    return audited.outcome


def held(url: str, minute: int) -> dict[tuple[str, str, str], str]:
    """(benchmark, model, metric) -> value of the scores that hold at a minute."""
    with connect(url) as connection:
        rows = connection.execute(
            text("select benchmark, model, metric, trim_scale(value)::text from history.score where seen @> cast(:at as timestamptz)"),
            {"at": START + timedelta(minutes=minute)},
        ).all()
    return {(benchmark, model, metric): value for benchmark, model, metric, value in rows}


@needs_recordings
def test_all_real_recordings_of_scores_make_one_ledger_in_any_order(url: str) -> None:
    found = [one for one in recording_files.find(SHARED / "recordings", SOURCES).recordings if one.source in RECORDED]
    assert len(found) == 14
    ledgers = []
    for order in (sorted(found), sorted(found, reverse=True), random.Random(3).sample(found, len(found))):
        reset(url)
        reports = loading.import_recordings(url, order, lambda _: None)
        assert [error for report in reports for error in report.errors] == []
        ledgers.append(dump(url))
    assert ledgers[0] == ledgers[1] == ledgers[2]
    with connect(url) as connection:
        assert not any(unsound(connection).values())
        now = connection.execute(text("select source, count(*) from history.score where upper(seen) is null group by source")).all()
    assert dict(tuple(row) for row in now) == {"aider": 327, "swebench": 502, "lmarena": 7461, "epoch": 300, "models_dev_models": 243}


def board(**rates: object) -> bytes:
    """Aider's leaderboard with some runs, and enough others that one broken run is no reason to refuse all."""
    runs = rates | {f"other{number}": 1 for number in MANY}
    return json.dumps(
        [{"model": name, "dirname": name, "edit_format": "diff", "pass_rate_1": rate} for name, rate in runs.items()]
    ).encode()


def test_a_score_that_is_broken_once_goes_on_as_it_was_and_one_that_is_gone_ends(url: str) -> None:
    key = ("aider_polyglot", "a", "pass_rate_1")
    for minute, body in enumerate([board(a="5.5"), board(a="n/a"), board(a="6"), board()]):
        assert load(url, "aider", minute, body) == "changes" if minute != 1 else True
    assert [held(url, minute).get(key) for minute in range(4)] == ["5.5", "5.5", "6", None]


def test_a_run_that_stands_there_twice_with_different_numbers_is_believed_in_neither(url: str) -> None:
    run = {"model": "a", "dirname": "a", "edit_format": "diff", "pass_rate_1": 1}
    both = json.dumps([run, run | {"pass_rate_1": 2}, *json.loads(board(**{f"more{number}": 1 for number in MANY}))]).encode()
    assert load(url, "aider", 0, both) == "changes"
    assert ("aider_polyglot", "a", "pass_rate_1") not in held(url, 0)
    assert len(held(url, 0)) == 2 * ENTRIES


def models(**entries: object) -> bytes:
    """models.dev's list with some models, and enough others."""
    return json.dumps({f"lab/{name}": entry for name, entry in (entries | {f"other{number}": {} for number in MANY}).items()}).encode()


def test_a_model_that_is_broken_once_keeps_its_scores(url: str) -> None:
    good = {"benchmarks": [{"name": "B", "score": 5}]}
    for minute, entry in enumerate([good, [], {"benchmarks": 5}, {"benchmarks": [{"score": 5}]}, {"benchmarks": []}]):
        load(url, "models_dev_models", minute, models(a=entry))
    assert [held(url, minute).get(("b", "lab/a", "score")) for minute in range(5)] == ["5", "5", "5", "5", None]


def test_a_leaderboard_that_lost_a_part_is_refused_and_the_scores_stay(url: str) -> None:
    load(url, "aider", 0, board(**{f"more{number}": 1 for number in MANY}))
    assert load(url, "aider", 1, board()) == "refused"
    assert len(held(url, 1)) == 2 * ENTRIES


def in_arena(found: bytes) -> bytes:
    """A payload of all three arenas, of which the first is as given."""
    rest = json.dumps({"full": {"m": RATING}})
    files = {"leaderboard-text__json": found.decode("utf-8", "replace"), "leaderboard-vision__json": rest, "leaderboard-image__json": rest}
    return gathered(**files)


def in_release(found: bytes) -> bytes:
    """A payload of LiveBench with a table as given, as rows of JSON."""
    categories = '{"A": ["b"], "C": ["d"]}'
    return gathered(table_2026_01_08__csv=table(found).decode("utf-8", "replace"), categories_2026_01_08__json=categories)


def table(found: bytes) -> bytes:
    """Rows of JSON as CSV."""
    return as_csv(json.loads(found))


AA = ENTRY | {"artificial_analysis_intelligence_index_cost": {"total_cost": 5}}
RESULTS = [
    {
        "name": "B",
        "score": 5,
        "metric": "m",
        "harness": "h",
        "variant": "v",
        "dataset": "d",
        "version": "1",
        "source": "https://a",
        "date": "2026-01-01",
    }
]
PAYLOADS: dict[str, tuple[Any, Callable[[bytes], bytes]]] = {
    "aider": (
        [
            {"model": f"m{number}", "dirname": f"d{number}", "edit_format": "e", "pass_rate_1": 5, "date": "2026-01-01", "command": "c", "editor_model": "x"}
            for number in MANY
        ],
        bytes,
    ),
    "swebench": ({"leaderboards": [{"name": "Verified", "results": [RESULT | {"folder": f"f{number}", "cost": 1} for number in MANY]}]}, bytes),
    "lmarena": ({"full": {f"m{number}": RATING for number in MANY}, "coding": {f"m{number}": RATING for number in MANY}}, in_arena),
    "livebench": ([["model", "b", "d"], *([f"m{number}", 5, 6] for number in MANY)], in_release),
    "epoch": ([["Model version", "ECI Score", "Organization"], *([f"m{number}", 5, "o"] for number in MANY)], table),
    "bfcl": ([["Model", "Overall Acc", "Multi Turn Acc", "Model Link"], *([f"m{number} (FC)", "5%", "6%", "https://a"] for number in MANY)], table),
    "artificial_analysis": ({"data": [AA | {"name": f"m{number}", "slug": f"s{number}"} for number in MANY], "intelligence_index_version": 4}, bytes),
    "models_dev_models": ({f"lab/m{number}": {"benchmarks": RESULTS} for number in MANY}, bytes),
}  # fmt: skip


def places(found: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a payload; of many entries only those in the first two."""
    keys = list(found) if isinstance(found, dict) else list(range(len(found))) if isinstance(found, list) else []
    for key in keys[:2] if len(keys) >= ENTRIES else keys:
        yield (*path, key)
        yield from places(found[key], (*path, key))


@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_hostile_reaches_the_database_as_an_error_and_the_ledger_stays_sound(url: str, name: str) -> None:
    payload, written = PAYLOADS[name]
    chance, outcomes, minute = random.Random(1), Counter[str](), 0
    for place in places(payload):
        for hostile in chance.sample(HOSTILE, 3):
            for body in spoilt(payload, place, hostile):
                minute += 1
                outcomes[load(url, name, minute, written(body))] += 1
    assert outcomes.total() >= 15
    assert outcomes["changes"] >= 2
    with connect(url) as connection:
        assert not any(unsound(connection).values())
