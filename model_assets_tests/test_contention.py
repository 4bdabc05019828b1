"""Others at the database: deadlocks and serialization failures are tried again, locks waited for with a limit, connections bounded."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from model_assets import cli, loading
from model_assets.database import SESSION, connect, engine, plain, session, wait_in_line
from model_assets.errors import DatabaseDown
from model_assets.ledger.merge import lock_source
from model_assets.recording_files import find
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets_tests.small_ledger import assert_sound, at, dump, load, model, payload, select

FAILING = """
create sequence failures;
create function fail() returns trigger language plpgsql as $$
begin
    if nextval('failures') <= {times} then  -- a sequence does not roll back
        raise exception using errcode = '{state}';
    end if;
    return new;
end $$;
create trigger fail before insert on ops.observation for each statement execute function fail();
"""


def fail_merges(url: str, state: str, times: int) -> None:
    """Let the next so many merges of a ledger fail as the server would."""
    with connect(url) as connection:
        connection.exec_driver_sql(FAILING.format(state=state, times=times))


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_merge_that_met_another_transaction_is_tried_three_times_again(url: str, state: str) -> None:
    fail_merges(url, state, 3)
    assert load(url, at(0), payload(model("lab/a"))).outcome == "changes"
    assert select(url, "select last_value from failures") == [4]
    assert_sound(url)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_merge_that_always_meets_another_transaction_fails_and_leaves_nothing(url: str, state: str) -> None:
    fail_merges(url, state, 100)
    with pytest.raises(OperationalError):
        load(url, at(0), payload(model("lab/a")))
    assert select(url, "select last_value from failures") == [4]
    assert dump(url) == []
    assert select(url, "select status from ops.sync_run") == ["failed"]
    with connect(url) as connection:
        connection.exec_driver_sql("drop trigger fail on ops.observation")
    assert load(url, at(0), payload(model("lab/a"))).outcome == "changes"
    assert_sound(url)


def test_any_other_error_of_a_merge_is_not_tried_again(url: str) -> None:
    fail_merges(url, "53200", 1)  # out of memory
    with pytest.raises(OperationalError):
        load(url, at(0), payload(model("lab/a")))
    assert select(url, "select last_value from failures") == [1]


def test_a_lock_that_somebody_keeps_is_waited_for_five_seconds_and_told_of_in_one_line(url: str) -> None:
    [recording] = find(BUNDLED_RECORDINGS / "openrouter", SOURCES).recordings[:1]
    with psycopg.connect(plain(url)) as other:
        other.execute("lock table history.price in access exclusive mode")
        began = time.monotonic()
        [report] = loading.import_recordings(url, [recording], lambda _: None)
        assert time.monotonic() - began >= 4.5
    [error] = report.errors
    assert "other sessions were in the way (canceling statement due to lock timeout)" in error
    assert "Run it again" in error
    assert "\n" not in error
    [again] = loading.import_recordings(url, [recording], lambda _: None)
    assert again.errors == []
    assert_sound(url)


def test_the_command_line_says_in_one_line_who_was_in_the_way(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with psycopg.connect(plain(url)) as other:
        other.execute("lock table ops.quarantine in access exclusive mode")
        with pytest.raises(SystemExit) as end:
            cli.main(["quarantine"])
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("model-assets: other sessions were in the way (canceling statement due to lock timeout)")


WAITED = """
select exists (select from pg_locks where locktype = 'advisory' and not granted and waitstart < clock_timestamp() - interval '6 seconds'
               and database = (select oid from pg_database where datname = current_database()))
"""


def test_a_merge_waits_in_line_for_longer_than_for_a_lock(url: str) -> None:
    held, done = threading.Event(), threading.Event()

    def hold_until_somebody_waited() -> bool:
        with connect(url) as connection:
            lock_source(connection, "openrouter")
            held.set()
            while not (waited := bool(connection.execute(text(WAITED)).scalar())) and not done.wait(0.1):
                pass
            return waited

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold_until_somebody_waited)
        try:
            assert held.wait(30)
            assert load(url, at(0), payload(model("lab/a"))).outcome == "changes"
        finally:
            done.set()
    assert holder.result()
    assert_sound(url)


def test_in_line_nothing_else_is_waited_for_any_longer(url: str) -> None:
    with connect(url) as connection:
        wait_in_line(connection, "pg_advisory_xact_lock(:key)", {"key": 1})
        assert connection.execute(text("show lock_timeout")).scalar() == SESSION["lock_timeout"]


def test_every_session_has_its_limits(url: str) -> None:
    limits = {
        "lock_timeout": "5s",
        "statement_timeout": "1h",
        "idle_in_transaction_session_timeout": "15min",
        "tcp_keepalives_idle": "30",
        "TimeZone": "UTC",
    }
    found = dict(select(url, "select name, current_setting(name) from pg_settings where name = any(:names)", names=[*limits]))
    assert found == limits


def test_forty_threads_share_sixteen_connections_and_all_are_served(url: str) -> None:
    counted = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'model-assets'"
    most = []

    def ask(number: int) -> int:
        with connect(url) as connection:
            most.append(connection.execute(text(counted)).scalar_one())
            connection.execute(text("select pg_sleep(0.05)"))
        return number

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(40))) == [*range(40)]
    assert max(most) <= 16


def test_a_server_without_a_connection_left_is_down_in_one_line_and_serves_again_later(url: str, server: str) -> None:
    name = f"one_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f"create role {name} login password 'x' connection limit 1".encode())
    limited = make_url(url).set(username=name, password="x").render_as_string(hide_password=False)
    try:
        only = session(limited)
        with pytest.raises(DatabaseDown, match="too many connections") as down:
            session(limited)
        assert "\n" not in str(down.value)
        only.close()
        with connect(limited) as connection:
            assert connection.execute(text("select 1")).scalar() == 1
    finally:
        engine(limited).dispose()
        with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
            admin.execute(f"drop role {name}".encode())
