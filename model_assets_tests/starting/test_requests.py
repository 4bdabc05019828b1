"""Requests in a real database: one at a time per source, a pause between two, and nothing open for ever."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.settings import read_settings
from model_assets.starting.requests import (
    AlreadyRunning,
    CoolingDown,
    Request,
    StartRefused,
    began,
    ended,
    expire,
    read_request,
    request_sync,
)
from model_assets.upkeep.purge import purge

PAUSE = timedelta(minutes=5)


def ask(url: str, *sources: str, dry_run: bool = False, cooldown: timedelta = PAUSE) -> Request:
    with connect(url) as connection:
        return request_sync(connection, sources or ("openrouter",), asked_by="ann", via="POST /test", cooldown=cooldown, dry_run=dry_run)


def end(url: str, found: Request, status: str = "completed") -> None:
    with connect(url) as connection:
        for part in found.parts:
            ended(connection, found.request_id, part.source, status)


def read(url: str, request_id: str) -> Request:
    with connect(url) as connection:
        found = read_request(connection, request_id)
    assert found
    return found


def earlier(url: str, by: timedelta) -> None:
    """Let all requests have been made, and have begun, so much earlier."""
    with connect(url) as connection:
        connection.execute(text("update ops.sync_request set asked_at = asked_at - cast(:by as interval)"), {"by": by})
        connection.execute(text("update ops.sync_request_source set started_at = started_at - cast(:by as interval)"), {"by": by})


def test_a_request_is_queued_with_a_row_per_source(url: str) -> None:
    found = ask(url, "openrouter", "litellm", "openrouter")
    assert found == read(url, found.request_id)
    assert (found.status, found.is_open, found.finished_at, found.asked_by, found.via) == ("queued", True, None, "ann", "POST /test")
    assert [part.source for part in found.parts] == ["litellm", "openrouter"]


def test_of_twenty_that_ask_at_once_one_is_heard_and_the_others_are_told_which(url: str) -> None:
    barrier = threading.Barrier(20)

    def one(number: int) -> Request | StartRefused:
        barrier.wait()
        try:
            return ask(url, "openrouter", *(["litellm"] if number % 2 else []))
        except StartRefused as refused:
            return refused

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(one, range(20)))
    [heard] = [one for one in found if isinstance(one, Request)]
    refused = [one for one in found if isinstance(one, AlreadyRunning)]
    assert len(refused) == 19
    assert {one.request_id for one in refused} == {heard.request_id}
    assert all(one.seconds > 0 for one in refused)


def test_the_database_itself_lets_a_source_be_open_once(url: str) -> None:
    found = ask(url)
    insert = "insert into ops.sync_request (asked_by, via, dry_run) values ('ann', 'by hand', false) returning request_id"
    with connect(url) as connection:
        other = connection.execute(text(insert)).scalar_one()
    with pytest.raises(IntegrityError, match="one_open_request_per_source"), connect(url) as connection:
        connection.execute(text("insert into ops.sync_request_source (request_id, source) values (:id, 'openrouter')"), {"id": other})
    end(url, found)
    with connect(url) as connection:
        connection.execute(text("insert into ops.sync_request_source (request_id, source) values (:id, 'openrouter')"), {"id": other})


def waits(url: str) -> bool:
    """Whether a session of this database waits for a lock while it queues a source."""
    waiting = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        " and query like 'insert into ops.sync_request_source%'"
    )
    with connect(url) as connection:
        return bool(connection.execute(text(waiting)).scalar())


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_whoever_comes_between_without_standing_in_line_is_met_at_the_index(url: str) -> None:
    """Rows that are not committed yet are seen by nobody: the index makes the second wait for them."""
    told: list[StartRefused] = []

    def second() -> None:
        with pytest.raises(AlreadyRunning) as refused:
            ask(url, "litellm", "openrouter")
        told.append(refused.value)

    with connect(url) as first:
        first.execute(
            text("insert into ops.sync_request (request_id, asked_by, via, dry_run) values (gen_random_uuid(), 'bob', 'x', false)")
        )
        first.execute(
            text("insert into ops.sync_request_source (request_id, source) select request_id, 'openrouter' from ops.sync_request")
        )
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: waits(url))
    thread.join(60)
    assert "openrouter is being synced by request" in str(told[0])
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from ops.sync_request_source")).scalar() == 1


def test_all_or_none_of_the_sources_are_started(url: str) -> None:
    end(url, ask(url, "litellm"))
    with pytest.raises(CoolingDown, match="litellm was asked for a moment ago"):
        ask(url, "litellm", "openrouter")
    assert ask(url, "openrouter").status == "queued"


def test_a_sync_that_somebody_else_runs_is_in_the_way_and_is_named(url: str) -> None:
    with attempt(url, "openrouter", date(2026, 5, 20), "model-assets sync"):
        with pytest.raises(AlreadyRunning, match=r"openrouter is being synced by run \d+ \(model-assets sync\)") as refused:
            ask(url)
        assert refused.value.request_id is None
    assert ask(url).status == "queued"


@pytest.mark.parametrize("status", ["completed", "failed", "refused"])
def test_the_pause_is_counted_from_the_last_start_however_that_ended(url: str, status: str) -> None:
    first = ask(url)
    end(url, first, status)
    with pytest.raises(CoolingDown) as refused:
        ask(url)
    assert refused.value.request_id == first.request_id
    assert 290 < refused.value.seconds <= 300
    earlier(url, timedelta(minutes=4, seconds=30))
    with pytest.raises(CoolingDown) as refused:
        ask(url)
    assert 0 < refused.value.seconds <= 30
    earlier(url, timedelta(seconds=31))
    assert ask(url).status == "queued"


def test_without_a_pause_there_is_none(url: str) -> None:
    end(url, ask(url))
    assert ask(url, cooldown=timedelta(0)).is_open


def test_a_clock_that_was_set_back_does_not_make_the_pause_longer(url: str) -> None:
    end(url, ask(url))
    earlier(url, timedelta(days=-30))
    with pytest.raises(CoolingDown) as refused:
        ask(url)
    assert refused.value.seconds == 300


def test_after_a_dry_run_the_sync_may_come_at_once_but_not_beside_it(url: str) -> None:
    looked = ask(url, dry_run=True)
    with pytest.raises(AlreadyRunning):
        ask(url)
    end(url, looked)
    with pytest.raises(CoolingDown):
        ask(url, dry_run=True)
    assert ask(url).is_open


def test_what_dagster_does_not_take_up_fails_in_the_end_and_keeps_nobody_waiting(url: str) -> None:
    first = ask(url)
    earlier(url, timedelta(minutes=14))
    with connect(url) as connection:
        assert expire(connection) == 0
    earlier(url, timedelta(minutes=2))
    assert ask(url).is_open  # whoever asks next ends it
    old = read(url, first.request_id)
    assert old.status == "failed"
    assert "its daemon does not run" in old.errors[0]


def test_what_never_ends_has_failed_after_its_time(url: str) -> None:
    found = ask(url)
    with connect(url) as connection:
        began(connection, found.request_id, "openrouter", "run-1")
    earlier(url, timedelta(minutes=119))
    with connect(url) as connection:
        assert expire(connection) == 0
    earlier(url, timedelta(minutes=2))
    with connect(url) as connection:
        assert expire(connection) == 1
    assert "did not end in the time it has" in read(url, found.request_id).errors[0]


def test_an_end_is_written_once(url: str) -> None:
    found = ask(url)
    with connect(url) as connection:
        ended(connection, found.request_id, "openrouter", "completed", None, {"listings": 7}, 12)
        ended(connection, found.request_id, "openrouter", "failed", "too late")
        began(connection, found.request_id, "openrouter", "run-2")
    [part] = read(url, found.request_id).parts
    assert (part.status, part.message, part.result, part.run_id, part.dagster_run_id) == ("completed", None, {"listings": 7}, 12, None)


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (["queued", "queued"], "queued"),
        (["queued", "completed"], "running"),
        (["running", "failed"], "running"),
        (["completed", "completed"], "completed"),
        (["completed", "refused"], "refused"),
        (["refused", "failed"], "failed"),
    ],
)
def test_the_whole_is_as_its_parts_are(url: str, statuses: list[str], whole: str) -> None:
    found = ask(url, "litellm", "openrouter")
    steps: dict[str, Callable[..., Any]] = {"running": lambda *it: began(*it, "run-1"), "queued": lambda *_: None}
    with connect(url) as connection:
        for part, status in zip(found.parts, statuses, strict=True):
            steps.get(status, lambda *it, status=status: ended(*it, status))(connection, found.request_id, part.source)
    assert read(url, found.request_id).status == whole


@pytest.mark.parametrize(
    "given", ["", "7", "no-such-id", "'; drop table ops.sync_request; --", "00000000-0000-0000-0000-000000000000", "\x00"]
)
def test_what_is_no_request_is_none(url: str, given: str) -> None:
    with connect(url) as connection:
        assert read_request(connection, given) is None


def test_old_requests_are_purged_and_what_is_open_stays(url: str) -> None:
    end(url, ask(url, "litellm"))
    still_open = ask(url, "openrouter")
    earlier(url, timedelta(days=400))
    young = ask(url, "aider")
    with connect(url) as connection:
        connection.execute(text("update ops.sync_request set asked_at = now() where request_id = :id"), {"id": young.request_id})
        connection.execute(
            text("update ops.sync_request_source set status = 'queued', finished_at = null where request_id = :id"),
            {"id": still_open.request_id},
        )
    assert purge(url, None, read_settings({}), dry_run=True).sync_requests == 1
    assert purge(url, None, read_settings({})).sync_requests == 1
    with connect(url) as connection:
        left = set(connection.execute(text("select request_id::text from ops.sync_request_source")).scalars())
    assert left == {still_open.request_id, young.request_id}
