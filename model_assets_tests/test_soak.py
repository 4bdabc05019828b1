"""The soak in its smallest form, and that it would notice: its oracle, its books and its claims are shown what is wrong."""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bench.soak import faults
from bench.soak.books import Alerts, unheard
from bench.soak.claims import Claim
from bench.soak.clock import Clock, library, without_timeouts
from bench.soak.growth import above_the_line
from bench.soak.oracle import Oracle
from bench.soak.payloads import render
from bench.soak.processes import left_over
from bench.soak.server import Server
from bench.soak.world import World
from model_assets import database
from model_assets.alerts.books import look_at_books
from model_assets.alerts.outbox import clock
from model_assets.database import connect, plain
from model_assets.errors import ModelAssetsError
from model_assets_tests.small_ledger import at, load, model, payload

ROOT = Path(__file__).parents[1]
SEED, DAYS = (
    682,
    9,
)  # one in which a worker and Postgres are killed, two sync at once, a row is stuck, the channel goes down, and days come late


def needs_faketime() -> None:
    try:
        library()
    except ModelAssetsError as missing:
        pytest.skip(str(missing))


def test_the_seed_of_the_small_soak_has_most_disasters() -> None:
    plan = [faults.schedule(SEED, day) for day in range(DAYS)]
    assert {fault for day in plan for fault in day.others} == set(faults.DATABASE) - {"session terminated"}
    assert len({fault for day in plan for fault in day.upstream.values()}) >= 4


def test_nine_days_with_faults_and_kills_break_no_claim() -> None:
    needs_faketime()
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--days", str(DAYS), "--seed", str(SEED), "--models", "40"],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    for claim in (
        "the ledger equals a plain replay",
        "each alert was heard once",
        "a worker that is killed",
        "Postgres was killed",
        "no process is left",
    ):
        assert f" {claim}" in done.stdout


def test_the_same_seed_makes_the_same_world_and_the_same_faults() -> None:
    worlds = World(7, 20), World(7, 20)
    for day in range(1, 30):
        for world in worlds:
            world.step(day)
        assert faults.schedule(7, day) == faults.schedule(7, day)
    assert render("models_dev", worlds[0]) == render("models_dev", worlds[1]) != render("models_dev", World(7, 20))


def test_each_fault_comes_on_about_a_twentieth_of_the_days_and_a_kill_every_twenty_days() -> None:
    plan = [faults.schedule(1, day) for day in range(400)]
    upstream = Counter(fault for day in plan for fault in day.upstream.values())
    assert upstream.keys() == faults.PASSING.keys() | faults.LASTING.keys()
    assert 0.04 < upstream.total() / (400 * len(faults.SOURCES)) < 0.06
    assert all("worker killed" in day.others for day in plan[20::20])
    others = Counter(fault for day in plan for fault in day.others)
    assert others.keys() == set(faults.DATABASE)
    assert min(others.values()) >= 10


def test_a_session_that_waited_for_a_lock_is_not_ended_though_the_servers_time_is_long_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs_faketime()
    monkeypatch.setattr(database, "SESSION", dict(database.SESSION))
    without_timeouts()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)  # as root the server runs as another user
        clock_of_soak = Clock(folder)
        clock_of_soak.set(datetime.now(UTC) - timedelta(days=300))
        server = Server(folder, clock_of_soak)
        server.start()
        url = server.url("postgres")
        try:
            with server.connect("postgres") as first, connect(url) as second, ThreadPoolExecutor(1) as pool:
                first.execute("select pg_advisory_lock(1)")
                waiting = pool.submit(second.execute, text("select pg_advisory_xact_lock(1)"))
                time.sleep(0.5)  # less than the second after which the server looks for a deadlock
                first.execute("select pg_advisory_unlock(1)")
                waiting.result(60)
                time.sleep(1.5)
                assert second.execute(text("select now()")).scalar_one() < datetime.now(UTC) - timedelta(days=299)
        finally:
            database.engine(url).dispose()
            server.stop()


def test_the_oracle_agrees_with_the_ledger_and_sees_every_claim_that_is_changed_lost_or_made_up(url: str) -> None:
    load(url, at(0), payload(model("lab/a"), model("lab/b")))
    load(url, at(2), payload(model("lab/a", "0.000003"), model("lab/c", completion="n/a")))
    load(url, at(1), payload(model("lab/b"), model("lab/c")))
    tampering = (
        "update history.price set seen = tstzrange(lower(seen) + interval '1 hour', upper(seen)) where listed_id = 'lab/b' and meter = 'input'",
        "delete from history.listing where listed_id = 'lab/c'",
        "update history.price set digest = decode(repeat('00', 16), 'hex') where listed_id = 'lab/a' and meter = 'input' and upper(seen) is null",
    )
    with psycopg.connect(plain(url)) as connection:
        compared, wrong = Oracle().differences(connection)
        assert compared >= 8
        assert wrong == []
        for statement in tampering:
            with connection.transaction(force_rollback=True):
                assert connection.execute(statement.encode()).rowcount >= 1
                assert len(Oracle().differences(connection)[1]) == 1


def test_which_alerts_must_be_raised_is_worked_out_as_the_books_raise_them_and_a_lost_one_is_noticed(url: str) -> None:
    alerts, days = Alerts(), iter((3, 4, 3, 2, 4, 5))
    for status, expected in (
        ("failed", "source_failed:openrouter"),
        ("failed", None),  # it fails already
        ("succeeded", None),  # an earlier day was loaded late
        ("succeeded", None),
        ("succeeded", "over"),
        ("abandoned", "abandoned:6"),
    ):
        before = alerts.expected.copy()
        with psycopg.connect(plain(url)) as connection:
            connection.execute(
                "insert into ops.sync_run (source, day, started_by, status, finished_at) values ('openrouter', %s, 'a test', %s, clock_timestamp())",
                [date(2026, 7, next(days)), status],
            )
        with connect(url) as connection:
            look_at_books(connection, {}, clock(connection) + timedelta(seconds=3), 45)
        with psycopg.connect(plain(url)) as connection:
            assert alerts.follow(connection) == ([], [])
        assert list(alerts.expected - before) == ([expected] if expected else [])
    with psycopg.connect(plain(url)) as connection:
        connection.execute(
            "insert into ops.sync_run (source, day, started_by, status, finished_at) values ('epoch', now(), 'a test', 'failed', now())"
        )
        assert alerts.follow(connection) == (["source_failed:epoch"], [])


def test_an_alert_that_is_told_twice_or_never_is_noticed(url: str) -> None:
    with psycopg.connect(plain(url)) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "insert into ops.alert (kind, key, severity, title, text, what_to_do, link, happened_at, lasting)"
                " values ('k', %s, 'error', %s, '', '', '', now(), false)",
                [f"k{number}", f"A thing {number}"],
            )
        first = {"title": "Model Assets: A thing 1", "message": "words"}
        rest = {"title": "Model Assets: 2 errors", "message": "- error: A thing 2. Do it\n- error: A thing 3. Do it"}
        counted = {
            "title": "Model Assets: 2 errors",
            "message": "- error: A thing 2. Do it\n- and 1 more: `model-assets alerts` lists them.",
        }
        assert unheard(connection, [first, rest]) == unheard(connection, [first, counted]) == []
        assert unheard(connection, [first]) == ["3 alerts were raised, and 1 told"]
        assert unheard(connection, [first, first, rest])[0] == "'A thing 1' was told 2 times and raised 1 times"


def test_a_claim_that_was_never_looked_at_or_is_bad_too_often_does_not_hold() -> None:
    assert not Claim("words").holds
    assert Claim("words", looked=3).holds
    assert not Claim("words", looked=3, bad=["once"]).holds
    assert Claim("words", share=0.999, looked=1000, bad=["once"]).holds
    assert not Claim("words", share=0.999, looked=999, bad=["once"]).holds


def test_growth_beyond_a_straight_line_is_noticed() -> None:
    assert above_the_line([(day, 100.0 + day) for day in range(40)])[0] == pytest.approx(0)
    assert above_the_line([(day, 100.0 + day**2) for day in range(40)])[0] > 0.05


def test_a_process_that_is_left_over_is_found(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock")}
    sleeper = subprocess.Popen(["sleep", "60"], env=environment)
    try:
        assert [f"process {sleeper.pid}: sleep 60" in one for one in left_over(tmp_path)] == [True]
    finally:
        sleeper.kill()
        sleeper.wait()
    assert left_over(tmp_path) == []
