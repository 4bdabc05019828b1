"""kill -9 at any point of an import, and the import again: the ledger equals an undisturbed one.

A child process imports recordings, with one function of the way wrapped from outside so that the process kills itself before or after its
nth call. Nothing in the project knows of it.
"""

import gzip
import importlib
import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from model_assets import loading, recording_files
from model_assets.attempts import Attempt, abandon_dead
from model_assets.database import plain
from model_assets.errors import DatabaseDown
from model_assets.ledger.observations import instant_text
from model_assets.sources import SOURCES
from model_assets_tests.small_ledger import assert_sound, at, dump, model, payload, reset, select
from model_assets_tests.test_attempts import child, soon, states

#: (when, the function's place, which call): in the order of an import
POINTS = [
    ("after", "model_assets.attempts:begin", 1),
    ("before", "model_assets.ledger.observations:record", 2),
    ("after", "model_assets.ledger.observations:record", 2),
    ("before", "model_assets.pipeline:stage", 2),
    ("before", "model_assets.ledger.staging:_copy_opened", 6),
    ("after", "model_assets.ledger.staging:_copy_opened", 6),
    ("after", "model_assets.pipeline:stage", 2),
    ("before", "model_assets.pipeline:merge", 2),
    ("after", "model_assets.ledger.merge:lock_source", 2),
    ("after", "model_assets.ledger.merge:_merge_relation", 1),
    ("after", "model_assets.ledger.merge:_merge_relation", 6),
    ("before", "model_assets.ledger.merge:keep_verdict", 2),
    ("after", "model_assets.ledger.merge:keep_verdict", 2),
    ("after", "model_assets.attempts:Attempt.fence", 2),
    ("after", "model_assets.pipeline:publish", 2),
    ("before", "model_assets.attempts:Attempt.finish", 1),
    ("after", "model_assets.attempts:Attempt.finish", 1),
    ("after", "model_assets.attempts:begin", 2),
    ("after", "model_assets.pipeline:stage_seen_again", 1),
    ("before", "model_assets.attempts:Attempt.finish", 2),
]


def recordings(folder: Path) -> Path:
    """Four observations on two days: a price that changes, a model that goes, a price in doubt, a payload seen again."""
    days = {
        0: payload(model("lab/a"), model("lab/b")),
        0.25: payload(model("lab/a", "0.000003"), model("lab/c", completion="n/a")),
        1: payload(model("lab/b"), model("lab/c", "0", "0")),
        1.25: payload(model("lab/b"), model("lab/c", "0", "0")),
    }
    (folder / "openrouter").mkdir(parents=True)
    for step, body in days.items():
        name = instant_text(at(step)).replace(":", "")
        (folder / "openrouter" / f"{name}.json.gz").write_bytes(gzip.compress(body))
    return folder


def import_all(url: str, folder: Path) -> list[str]:
    """Import a folder; what went wrong."""
    found = recording_files.find(folder, SOURCES)
    return [error for report in loading.import_recordings(url, found.recordings, lambda _: None) for error in report.errors]


def import_and_die(url: str, folder: Path, when: str, place: str, nth: int) -> None:
    """Import a folder in this process, which kills itself before or after the nth call of a function."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    work: Callable[..., object] = getattr(owner, name)
    calls = 0

    @wraps(work)
    def deadly(*given: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = work(*given, **named)
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, deadly)
    import_all(url, folder)


def books(url: str) -> list[str]:
    """The ledger, the verdicts and the quarantine, without what tells one run from another."""
    rows = dump(url)
    for what, relation in (
        ("verdict, reasons, decided_by, listings, prices, rejected", "ops.observation"),
        ("key_id, reason, original", "ops.quarantine"),
        ("origin, octet_length(gzip)", "raw.payload join raw.body using (sha256)"),
    ):
        rows += select(url, f"select concat_ws(' ', source, observed_at, encode(sha256, 'hex'), {what}) from {relation} order by 1")
    return rows


@pytest.mark.parametrize(("when", "place", "nth"), POINTS, ids=[f"{when} {place.split(':')[1]} {nth}" for when, place, nth in POINTS])
def test_an_import_that_was_killed_and_is_run_again_ends_as_an_undisturbed_one(
    url: str, tmp_path: Path, when: str, place: str, nth: int
) -> None:
    folder = recordings(tmp_path)
    doomed = child(import_and_die, url, folder, when, place, nth)
    doomed.join(60)
    assert doomed.exitcode == -signal.SIGKILL, "the point was reached"
    assert_sound(url)
    whole = select(url, "select observed_at from ops.observation where verdict = 'accepted' order by 1")
    changed = select(url, "select lower(seen) from history.listing union select lower(seen) from history.price order by 1")
    assert set(changed) <= set(whole), "an observation lands whole or not at all"

    left = states(url).count("running")
    assert left == (0 if (when, place) == ("after", "model_assets.attempts:Attempt.finish") else 1)
    reaped: list[int] = []
    soon(lambda: reaped.extend(abandon_dead(url)) or len(reaped) == left)
    assert import_all(url, folder) == []
    assert_sound(url)
    assert sorted(set(states(url))) == (["abandoned", "succeeded"] if left else ["succeeded"])
    mended = books(url)

    reset(url)
    assert import_all(url, folder) == []
    assert mended == books(url)
    assert len(mended) > 120


def test_the_next_import_finds_out_by_itself_that_the_killed_one_is_dead(url: str, tmp_path: Path) -> None:
    folder = recordings(tmp_path)
    doomed = child(import_and_die, url, folder, "before", "model_assets.ledger.merge:keep_verdict", 2)
    doomed.join(60)
    assert doomed.exitcode == -signal.SIGKILL
    soon(lambda: import_all(url, folder) == [])
    assert states(url)[0] == "abandoned"
    assert states(url)[-2:] == ["succeeded"] * 2


def terminate(url: str, pid: int) -> None:
    with psycopg.connect(plain(url), autocommit=True) as admin:
        assert admin.execute("select pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)


def test_a_merge_whose_session_is_terminated_is_rolled_back_and_the_next_run_completes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recordings(tmp_path)
    fence = Attempt.fence
    ended: list[int] = []

    def cut(self: Attempt, connection: Connection) -> None:
        fence(self, connection)
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        if not ended:
            ended.append(driver.info.backend_pid)
            terminate(url, driver.info.backend_pid)

    monkeypatch.setattr(Attempt, "fence", cut)
    with pytest.raises(DatabaseDown, match=r"^The database at [^ ]+ does not answer"):
        import_all(url, folder)
    assert len(ended) == 1
    assert_sound(url)
    assert select(url, "select count(*) from ops.observation where observed_at = :at", at=at(0)) == [0]
    [(status, kind, what)] = select(
        url, "select status, error_class, what_to_do from ops.sync_run where day = :day order by 1", day=at(0).date()
    )
    assert (status, kind) == ("failed", "DatabaseDown")
    assert what
    assert import_all(url, folder) == []
    mended = books(url)
    reset(url)
    assert import_all(url, folder) == []
    assert mended == books(url)


@pytest.mark.parametrize("place", ["model_assets.pipeline:stage", "model_assets.ledger.merge:_merge_relation"])
def test_an_import_whose_sessions_are_all_terminated_at_once_mends_itself_the_next_time(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """As when the server is restarted: the run's lock is gone with its session as well."""
    folder = recordings(tmp_path)
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    work = getattr(owner, name)
    cuts: list[int] = []

    def cut(*given: object) -> object:
        done = work(*given)
        if not cuts:
            with psycopg.connect(plain(url), autocommit=True) as admin:
                found = admin.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                )
                cuts.extend(row[0] for row in found)
        return done

    monkeypatch.setattr(owner, name, cut)
    with pytest.raises(DatabaseDown, match="does not answer"):
        import_all(url, folder)
    assert len(cuts) >= 2
    assert_sound(url)
    assert import_all(url, folder) == []
    assert select(url, "select count(*) from ops.sync_run where status = 'running'") == [0]
    mended = books(url)
    reset(url)
    assert import_all(url, folder) == []
    assert mended == books(url)
