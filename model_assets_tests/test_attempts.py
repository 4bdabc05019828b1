"""Attempts: one at a time per source and day, found out when dead, fenced when replaced, and written down however they end."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess

import psycopg
import pytest
from sqlalchemy import text

from model_assets import attempts, pipeline
from model_assets.attempts import Attempt, abandon_dead, attempt, begin, resume_or_begin
from model_assets.database import connect, plain
from model_assets.errors import (
    BadPayload,
    BadRecording,
    DatabaseDown,
    Fenced,
    FetchFailed,
    ModelAssetsError,
    NothingRecorded,
    PayloadRefused,
    SourceBusy,
)
from model_assets_tests.small_ledger import OPENROUTER, assert_sound, at, dump, load, model, payload, record, row_versions, select

DAY = at(1).date()
CHILDREN = multiprocessing.get_context("forkserver")  # children of a clean process: none inherits this one's connections
CHILDREN.set_forkserver_preload(["model_assets_tests.small_ledger"])


def child(work: Callable[..., None], *given: object) -> BaseProcess:
    """A process of its own that does `work`."""
    process = CHILDREN.Process(target=work, args=given, daemon=True)
    process.start()
    return process


def hold(url: str, source: str, day: date, pipe: Pipe) -> None:
    """Begin an attempt, say so, and never end it."""
    pipe.send(begin(url, source, day, "a child").run_id)
    pipe.recv()


def killed(process: BaseProcess) -> float:
    """Kill a process as the kernel does when memory is short. Returns when."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    return time.monotonic()


def soon(found: Callable[[], object], seconds: float = 5) -> float:
    """Wait until something is found, and say how long it took: a server needs a moment to notice that a client is gone."""
    started = time.monotonic()
    while not found():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


def states(url: str) -> list[str]:
    return select(url, "select status from ops.sync_run order by run_id")


def abandon(url: str, run_id: int) -> None:
    """What another run does to one that it takes for dead."""
    with connect(url) as connection:
        connection.execute(
            text("update ops.sync_run set status = 'abandoned', message = 'by hand', finished_at = now() where run_id = :id"),
            {"id": run_id},
        )


# --- one at a time ---


def test_the_second_attempt_of_a_source_and_day_is_told_which_run_holds_it(url: str) -> None:
    first = begin(url, "openrouter", DAY, "the schedule")
    with pytest.raises(
        SourceBusy, match=rf"^openrouter for 2025-06-02 is being synced by run {first.run_id} \(the schedule, since .* UTC\)"
    ):
        begin(url, "openrouter", DAY, "the command line")
    others = [begin(url, "litellm", DAY, "the schedule"), begin(url, "openrouter", at(2).date(), "the schedule")]
    first.finish("succeeded")
    again = begin(url, "openrouter", DAY, "the command line")
    for one in [*others, again]:
        one.finish("succeeded")
    assert states(url) == ["succeeded"] * 4


@pytest.mark.parametrize("round_", range(3))
def test_of_eight_attempts_at_once_exactly_one_runs(url: str, round_: int) -> None:
    together = threading.Barrier(8)

    def one(number: int) -> Attempt | str:
        together.wait(timeout=20)
        try:
            return begin(url, "openrouter", DAY, f"thread {number}")
        except SourceBusy as busy:
            return str(busy)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(8)))
    [winner] = [one for one in found if isinstance(one, Attempt)]
    assert [f"by run {winner.run_id} (" in said for said in found if isinstance(said, str)] == [True] * 7
    assert select(url, "select run_id, status from ops.sync_run") == [(winner.run_id, "running")]
    winner.finish("succeeded")


def test_attempts_of_more_sources_than_the_pool_has_connections_run_side_by_side(url: str) -> None:
    """Each holds a session for as long as it runs: were it one of the pool's, all would wait for a second one until they give up."""
    together = threading.Barrier(20)

    def one(number: int) -> None:
        together.wait(60)
        with attempt(url, f"source {number}", DAY, "a test"):
            together.wait(25)  # all of them have begun; the pool would have given up after 30 seconds

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(20)))
    assert states(url) == ["succeeded"] * 20


def test_attempts_that_are_refused_or_end_keep_no_connection_and_no_lock(url: str) -> None:
    held = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
    with attempt(url, "openrouter", DAY, "a test"):
        assert select(url, held) == [1]
        with pytest.raises(SourceBusy):
            begin(url, "openrouter", DAY, "a test")
        assert select(url, held) == [1]
    soon(lambda: select(url, held) == [0])
    assert not [run for run in attempts._LIVE if run[0] == url]


# --- dead, and alive ---


def test_a_dead_holder_is_marked_abandoned_by_the_next_attempt_and_its_lock_is_free_at_once(url: str) -> None:
    ours, theirs = CHILDREN.Pipe()
    holder = child(hold, url, "openrouter", DAY, theirs)
    run_id = ours.recv()
    with pytest.raises(SourceBusy, match=rf"by run {run_id} \(a child"):
        begin(url, "openrouter", DAY, "a test")
    killed(holder)
    begun: list[Attempt] = []

    def takes_over() -> bool:
        try:
            begun.append(begin(url, "openrouter", DAY, "a test"))
        except SourceBusy:
            return False
        return True

    soon(takes_over)
    assert states(url) == ["abandoned", "running"]
    [(error, message, what_to_do, ended)] = select(
        url, "select error_class, message, what_to_do, finished_at is not null from ops.sync_run where run_id = :id", id=run_id
    )
    assert (error, message, ended) == ("Abandoned", "its process ended without a word", True)
    assert what_to_do.startswith("Nothing: run the source again")
    begun[0].finish("succeeded")


def test_the_reaper_marks_the_dead_and_never_the_living(url: str) -> None:
    pipes = [CHILDREN.Pipe() for _ in range(2)]
    dead, living = (child(hold, url, source, DAY, pipes[number][1]) for number, source in enumerate(("openrouter", "litellm")))
    dead_id, living_id = (ours.recv() for ours, _ in pipes)
    own = begin(url, "genai_prices", DAY, "a test")
    assert abandon_dead(url) == []
    killed(dead)
    reaped: list[int] = []
    soon(lambda: reaped.extend(abandon_dead(url)) or reaped)
    assert reaped == [dead_id]
    assert abandon_dead(url) == []
    assert select(url, "select run_id from ops.sync_run where status = 'running' order by 1") == sorted([living_id, own.run_id])
    killed(living)
    soon(lambda: abandon_dead(url) == [living_id])
    own.finish("succeeded")


def test_the_reaper_leaves_a_run_alone_that_is_ending_at_this_moment(url: str) -> None:
    own = begin(url, "openrouter", DAY, "a test")
    with connect(url) as connection:
        own.fence(connection)  # its merge is about to commit
        assert abandon_dead(url) == []
        own.let_go()  # and even if its session has gone meanwhile
        locks = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
        soon(lambda: select(url, locks) == [0])
        assert abandon_dead(url) == []
    own.finish("succeeded")


# --- fenced ---


def test_an_attempt_that_was_marked_abandoned_cannot_commit_a_merge(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    observation = record(url, at(1), payload(model("lab/b")))
    before = row_versions(url)

    def load_late() -> None:
        with attempt(url, "openrouter", DAY, "a test") as running:
            audited = pipeline.audit(url, OPENROUTER, observation)
            abandon(url, running.run_id)
            pipeline.publish(url, OPENROUTER, audited, running.fence)

    with pytest.raises(Fenced, match="is abandoned: it may not write"):
        load_late()
    after = row_versions(url)
    assert [name for name in before if after[name] != before[name]] == ["staged.change_set"]
    assert states(url) == ["succeeded", "abandoned"]
    assert load(url, at(1), payload(model("lab/b"))).outcome == "changes"
    assert_sound(url)


def test_a_run_that_lost_its_session_and_was_replaced_cannot_commit(url: str) -> None:
    observation = record(url, at(1), payload(model("lab/a")))
    first = begin(url, "openrouter", DAY, "the one that hangs")
    audited = pipeline.audit(url, OPENROUTER, observation)
    with psycopg.connect(plain(url), autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objid = %s", [first.run_id])
    second = begin(url, "openrouter", DAY, "the one that takes over")
    with pytest.raises(Fenced):
        pipeline.publish(url, OPENROUTER, audited, first.fence)
    assert dump(url) == []
    first.finish("failed", Fenced("replaced"))
    assert states(url) == ["abandoned", "running"]
    pipeline.load(url, OPENROUTER, observation, second)
    second.finish("succeeded")
    assert states(url) == ["abandoned", "succeeded"]
    assert len(dump(url)) == 3 * 41


def test_finish_never_overwrites_a_row_that_somebody_else_ended(url: str) -> None:
    running = begin(url, "openrouter", DAY, "a test")
    abandon(url, running.run_id)
    before = select(url, "select cast(r as text) from ops.sync_run r")
    running.finish("succeeded")
    assert select(url, "select cast(r as text) from ops.sync_run r") == before


def test_the_steps_of_one_dagster_run_share_an_attempt_until_it_ends(url: str) -> None:
    first = resume_or_begin(url, "openrouter", DAY, "dagster", "run-1")
    assert resume_or_begin(url, "openrouter", DAY, "dagster", "run-1") is first
    with pytest.raises(SourceBusy):
        resume_or_begin(url, "openrouter", DAY, "dagster", "run-2")
    first.finish("succeeded")
    second = resume_or_begin(url, "openrouter", DAY, "dagster", "run-1")
    assert second.run_id != first.run_id
    abandon(url, second.run_id)
    with pytest.raises(Fenced, match=r"is abandoned: it may not go on\. Start a new run"):
        resume_or_begin(url, "openrouter", DAY, "dagster", "run-1")
    second.let_go()


# --- how it ended ---


@pytest.mark.parametrize(
    ("error", "status", "error_class", "what_to_do"),
    [
        (FetchFailed("no answer", "timeout"), "failed", "FetchFailed:timeout", "the next scheduled run tries again"),
        (PayloadRefused("shrunk"), "refused", "PayloadRefused", "model-assets accept"),
        (NothingRecorded("no payload"), "failed", "NothingRecorded", "Put a recording"),
        (BadPayload("html"), "failed", "BadPayload", "raw.payload"),
        (BadRecording("cut"), "failed", "BadRecording", "import again"),
        (ModelAssetsError("else"), "failed", "ModelAssetsError", "Run the source again"),
        (KeyError("a bug"), "failed", "KeyError", "Run the source again"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt", "Run the source again"),
        (ValueError("a\nlong\x00 \ud800 message " + "x" * 5000), "failed", "ValueError", "Run the source again"),
    ],
    ids=lambda found: type(found).__name__ if isinstance(found, BaseException) else None,
)
def test_a_failed_attempt_leaves_a_row_with_what_happened_and_what_to_do(
    url: str, error: BaseException, status: str, error_class: str, what_to_do: str
) -> None:

    def fail() -> None:
        with attempt(url, "openrouter", DAY, "a test") as running:
            running.tally.observations = 3
            raise error

    with pytest.raises(type(error)):
        fail()
    [row] = select(url, "select status, error_class, observations, message, what_to_do, finished_at >= started_at from ops.sync_run")
    assert row[:3] == (status, error_class, 3)
    assert str(error)[:1] in row[3]
    assert "\n" not in row[3]
    assert len(row[3]) <= 2020
    assert what_to_do in row[4]
    assert row[5]
    begin(url, "openrouter", DAY, "the next").finish("succeeded")


def test_an_error_of_the_database_is_told_without_the_statement(url: str) -> None:
    with pytest.raises(Exception, match="does not exist"), attempt(url, "openrouter", DAY, "a test"):
        select(url, "select secret from no.such_table where x = :x", x="canary")
    [message] = select(url, "select message from ops.sync_run")
    assert "does not exist" in message
    assert "canary" not in message


def test_a_successful_attempt_leaves_its_tally(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    load(url, at(1), payload(model("lab/a", "0.000005"), model("lab/b", completion="n/a")))
    rows = select(
        url, "select status, observations, listings, prices, added, changed, closed, quarantined, error_class, what_to_do from ops.sync_run"
    )
    assert rows == [("succeeded", 1, 41, 82, 123, 0, 0, 0, None, None), ("succeeded", 1, 42, 83, 2, 1, 0, 1, None, None)]


def test_an_attempt_whose_end_cannot_be_written_lets_go_of_the_source_all_the_same(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    running = begin(url, "openrouter", DAY, "a test")
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "connect", _no_database)
        with pytest.raises(DatabaseDown):
            running.finish("succeeded")
    begun: list[Attempt] = []

    def takes_over() -> bool:
        try:
            begun.append(begin(url, "openrouter", DAY, "the next"))
        except SourceBusy:
            return False
        return True

    soon(takes_over)
    begun[0].finish("succeeded")
    assert states(url) == ["abandoned", "succeeded"]


def _no_database(url: str) -> None:
    raise DatabaseDown(f"{url} does not answer")


def test_the_statistics_of_a_source_count_what_ended_by_how_it_ended(url: str) -> None:
    with connect(url) as connection:
        connection.execute(
            text(
                "insert into ops.sync_run (source, day, started_by, status, started_at, finished_at, added) select 's', '2026-01-01', 'x', status,"
                " now() - ago::interval, now() - ago::interval + took::interval, 4 from (values ('succeeded', '1 hour', '2 seconds'),"
                " ('succeeded', '3 days', '4 seconds'), ('failed', '2 hours', '9 seconds'), ('abandoned', '29 days', '1 hour'),"
                " ('running', '1 minute', null), ('succeeded', '31 days', '1 hour')) as run (status, ago, took)"
            )
        )
        [row] = connection.execute(text("select * from catalog.sync_stats")).mappings().all()
    assert (row["runs_30_days"], row["succeeded_30_days"], float(row["share_succeeded_30_days"])) == (4, 2, 0.5)
    assert (float(row["average_seconds"]), row["runs_24_hours"], row["failed_24_hours"]) == (3, 2, 1)
    assert 3.8 < float(row["p95_seconds"]) <= 4
