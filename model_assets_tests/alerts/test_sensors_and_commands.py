"""The sensors as the daemon evaluates them, the commands as a person types them, and the daily digest."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import dagster as dg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from model_assets.alerts.books import look_at_books
from model_assets.alerts.delivery import deliver
from model_assets.alerts.digest import daily_digest, digest
from model_assets.attempts import attempt, begin
from model_assets.database import connect
from model_assets.definitions import defs
from model_assets.errors import BadRecording
from model_assets.resources import Postgres
from model_assets.settings import PROJECT
from model_assets.sources import SOURCES
from model_assets_tests.alerts.listener import Listener, listening
from model_assets_tests.alerts.world import World
from model_assets_tests.test_source_assets import DAY, OPENROUTER, run


def fails(url: str, said: str = "the file is cut") -> None:
    with pytest.raises(BadRecording), attempt(url, "openrouter", DAY, "the command line"):
        raise BadRecording(said)


# --- sensors ---


def tick(here: World, name: str) -> str:
    """What the daemon is told by a tick of a sensor."""
    context = dg.build_sensor_context(
        instance=here.instance, repository_def=defs.get_repository_def(), resources={"postgres": Postgres(url=here.url)}
    )
    found = defs.resolve_sensor_def(name).evaluate_tick(context)
    assert not found.run_requests
    return str(found.skip_message)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_sensors_are_on_from_the_start_and_fill_the_outbox_without_a_channel(here: World) -> None:
    for name in ("alerts_found", "alerts_sent"):
        assert defs.resolve_sensor_def(name).default_status == dg.DefaultSensorStatus.RUNNING
    assert not run(here.url, OPENROUTER, date(2026, 4, 1), instance=here.instance).success
    until(lambda: tick(here, "alerts_found") == "1 new alerts")
    assert tick(here, "alerts_found") == "nothing new"
    assert tick(here, "alerts_sent") == "No channel is named: set ALERT_URLS to have alerts sent."
    assert here.alerts() == [("source_failed", "openrouter could not be synced")]


def test_loading_an_earlier_day_does_not_end_the_failure_of_a_later_one(here: World) -> None:
    def kinds() -> list[str]:
        tick(here, "alerts_found")
        return [kind for kind, _ in here.alerts()]

    fails(here.url)
    until(lambda: kinds() == ["source_failed"])
    with attempt(here.url, "openrouter", DAY - timedelta(days=1), "the command line"):
        pass
    time.sleep(2.5)  # what is younger than two seconds is left for the next look
    assert kinds() == ["source_failed"]
    with attempt(here.url, "openrouter", DAY, "the command line"):
        pass
    until(lambda: kinds() == ["source_failed", "over"])


def test_what_waited_for_a_channel_is_sent_by_the_sensor(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(here.url)
    until(lambda: tick(here, "alerts_found") == "1 new alerts")
    monkeypatch.setenv("ALERT_URLS", here.listener.url)
    assert tick(here, "alerts_sent").startswith(f"1 alerts to json://127.0.0.1:{here.listener.port}/...")
    assert tick(here, "alerts_sent") == "nothing is due"
    assert here.listener.titles == ["openrouter could not be synced"]


def test_the_daily_digest_is_off_until_it_is_asked_for(settled_here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    settled_here.change(f"update catalog.price_change set changed_at = '{yesterday.isoformat()}' where kind = 'changed'")
    monkeypatch.setenv("ALERT_DIGEST_HOUR", "0")
    tick(settled_here, "alerts_found")
    assert "digest" not in [kind for kind, _ in settled_here.alerts()]
    monkeypatch.setenv("ALERT_DAILY_DIGEST", "true")
    for _ in range(2):
        tick(settled_here, "alerts_found")
    assert [kind for kind, _ in settled_here.alerts()].count("digest") == 1


# --- the digest ---


def test_a_digest_counts_and_names_what_changed_on_a_day_and_nothing_that_the_first_look_brought(settled: str) -> None:
    with connect(settled) as connection:
        first, second = digest(connection, date(2026, 5, 18)), digest(connection, date(2026, 5, 20))
        nothing = digest(connection, date(2026, 1, 1))
        changes = connection.exec_driver_sql(
            "select count(*) from catalog.price_change where kind = 'changed' and (changed_at at time zone 'UTC')::date = '2026-05-20'"
        ).scalar_one()
    assert (list(first.new_models), list(first.prices)) == ([], [])
    assert len(second.prices) == changes > 0
    assert f"{changes} price change" in second.title
    assert any(line.startswith("price: ") and " -> " in line for line in second.lines)
    assert (nothing.lines, nothing.title) == ([], "2026-01-01: nothing changed")


@pytest.mark.parametrize(("hour", "due"), [(7, False), (8, True), (23, True)])
def test_a_digest_is_raised_once_from_its_hour_on(settled_copy: str, hour: int, due: bool) -> None:
    now = datetime(2026, 5, 21, hour, 59, tzinfo=UTC)
    with connect(settled_copy) as connection:
        assert daily_digest(connection, now, 8) is due
        assert daily_digest(connection, now, 8) is False


def test_a_day_on_which_nothing_changed_has_no_digest(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        assert daily_digest(connection, datetime(2026, 1, 2, 12, tzinfo=UTC), 8) is False


# --- commands ---


@pytest.fixture
def typed(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`model-assets alerts ...` in a process of its own."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))

    def run_it(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "model_assets", "alerts", *arguments], capture_output=True, text=True, timeout=120, check=False
        )

    return run_it


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


def canaries(listener: Listener) -> str:
    """An address full of secrets that the listener answers at."""
    return f"json://canary-user:canary-pass@127.0.0.1:{listener.port}/canary-path?-k=canary-param&+X-Token=canary-header"


def test_test_says_of_each_channel_whether_the_message_arrived(typed: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as broken:
        broken.status = 403
        monkeypatch.setenv("ALERT_URLS", f"{canaries(listener)} {canaries(broken)}")
        done = typed("test")
    assert done.returncode == 1
    assert f"json://127.0.0.1:{listener.port}/..." in done.stdout
    assert "arrived" in done.stdout
    assert f"json://127.0.0.1:{broken.port}/..." in done.stderr
    assert "error=403" in done.stderr
    assert "tried again" not in done.stderr, "a test is sent once"
    assert listener.titles == ["a test"]
    assert "canary" not in done.stdout + done.stderr
    monkeypatch.setenv("ALERT_URLS", canaries(listener))
    assert typed("test").returncode == 0


def test_send_looks_at_the_books_and_delivers_and_the_list_shows_it_without_secrets(
    typed: Any, url: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_URLS", canaries(listener))
    begin(url, "litellm", DAY, "the command line").let_go()  # its process is gone
    fails(url)
    listener.status = 500
    until(lambda: typed("send").returncode == 1)
    assert listener.asked
    with connect(url) as connection:
        connection.exec_driver_sql("update ops.alert_delivery set next_try_at = now()")
    listener.status = 200
    until(lambda: typed("send").returncode == 0 and len(json.loads(typed("--json").stdout)) == 2)
    assert sorted(" ".join(json.dumps(one) for one in listener.messages).count(word) for word in ("abandoned", "could not be synced")) == [
        1,
        1,
    ]
    shown, listed = typed(), json.loads(typed("--json").stdout)
    assert {(one["kind"], one["delivered"], one["waiting"]) for one in listed} == {("source_failed", 1, 0), ("sync_abandoned", 1, 0)}
    assert "openrouter could not be synced" in shown.stdout
    assert f"channels: json://127.0.0.1:{listener.port}/..." in shown.stdout
    with connect(url) as connection:
        kept = connection.exec_driver_sql(
            "select coalesce(string_agg(t, ' '), '') from (select a::text as t from ops.alert a union all select d::text from ops.alert_delivery d) x"
        ).scalar_one()
    assert "canary" not in shown.stdout + shown.stderr + json.dumps(listed) + str(kept)


def test_without_a_channel_nothing_is_sent_and_it_is_said_what_to_set(typed: Any) -> None:
    for command in (["send"], ["test"], ["digest", "--send"]):
        done = typed(*command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "no channel is named: set ALERT_URLS" in done.stderr
    assert "There are no alerts." in typed().stdout


def test_a_digest_is_printed_and_sent_once(typed: Any, settled_copy: str, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    monkeypatch.setenv("ALERT_URLS", listener.url)
    printed, as_json = typed("digest", "--day", "2026-05-20"), typed("digest", "--day", "2026-05-20", "--json")
    assert printed.returncode == 0
    assert "price change" in printed.stdout.splitlines()[0]
    assert json.loads(as_json.stdout)["prices"]
    for _ in range(2):
        assert typed("digest", "--day", "2026-05-20", "--send").returncode == 0
    assert listener.titles == [printed.stdout.splitlines()[0]]


def test_the_outbox_can_be_taken_away_and_made_again(url: str) -> None:
    outbox = import_module("model_assets.ledger.migrations.versions.0004_alerts")
    with connect(url) as connection, Operations.context(MigrationContext.configure(connection)):
        outbox.downgrade()
        assert connection.exec_driver_sql("select count(*) from pg_class where starts_with(relname, 'alert_')").scalar() == 0
        outbox.upgrade()
        assert connection.exec_driver_sql("select name from ops.alert_watch").scalar() == "books"


# --- what else goes on ---


def test_a_sync_goes_on_while_a_channel_hangs(here: World) -> None:
    fails(here.url)
    with connect(here.url) as connection:
        look_at_books(connection, SOURCES, datetime.now(UTC) + timedelta(seconds=5), 45)
    here.listener.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(deliver, here.url, [here.listener.channel], "", 60)
        assert here.listener.came.wait(60)
        assert run(here.url, OPENROUTER, DAY, instance=here.instance).success
        assert not sending.done()
        here.listener.go_on.set()
        assert [one.error for one in sending.result(60)] == [None]
