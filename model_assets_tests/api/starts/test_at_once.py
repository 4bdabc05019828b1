"""Syncs that are started at once: one at a time per source, over workers and restarts, and nobody keeps others waiting."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date

import httpx
import pytest
from sqlalchemy import text

from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.settings import PROJECT
from model_assets_tests.api.conftest import AUDIENCE, ISSUER, SECRET, Api
from model_assets_tests.api.starts.conftest import BY_KEY, ON, SECRETS, asked, call, play_dagster
from model_assets_tests.api.test_connections import until


def test_a_sync_that_somebody_else_runs_is_a_409_that_names_it(api: Api) -> None:
    with attempt(api.url, "openrouter", date(2026, 5, 20), "model-assets sync") as running:
        found = call(api, "POST", "/admin/model-sync/provider/openrouter", BY_KEY)
    assert (found.status_code, found.json()["error"]["code"]) == (409, "ALREADY_RUNNING")
    assert f"run {running.run_id} (model-assets sync)" in found.json()["error"]["message"]
    assert int(found.headers["Retry-After"]) > 0


WORKER = """
import sys, uvicorn
from model_assets.api.app import create_app
from model_assets.settings import read_settings
config = uvicorn.Config(create_app(read_settings(), sys.argv[1]), port=0, log_level="info", lifespan="on")
uvicorn.Server(config).run()
"""


class Workers:
    """API processes over one database."""

    def __init__(self, url: str, count: int) -> None:
        self.url = url
        self.processes = [self._process() for _ in range(count)]
        self.addresses = [self._address(process) for process in self.processes]

    def _process(self) -> "subprocess.Popen[str]":
        environment = {
            "PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE,
            "API_RATE_LIMITS": "off", **SECRETS,
        }  # fmt: skip
        return subprocess.Popen([sys.executable, "-c", WORKER, self.url], env=environment, stderr=subprocess.PIPE, text=True)

    def _address(self, process: "subprocess.Popen[str]") -> str:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()  # so that it never blocks
                return found[0]
        raise AssertionError("the API did not start")

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)
            assert process.stderr
            process.stderr.close()


@pytest.fixture
def workers(url: str) -> Iterator[Callable[[], Workers]]:
    started: list[Workers] = []

    def start() -> Workers:
        started.append(Workers(url, 2))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def at_once(workers: Workers, path: str) -> list[httpx.Response]:
    """The answers to twenty threads that start a sync together, half of them at each worker. One that is told to come back soon does."""
    barrier = threading.Barrier(20)

    def one(number: int) -> httpx.Response:
        with httpx.Client(base_url=workers.addresses[number % 2], headers=BY_KEY, timeout=60, trust_env=False) as client:
            client.get("/admin/model-sync/providers")
            barrier.wait()
            deadline = time.monotonic() + 60
            while (found := client.post(path)).status_code == 503 and time.monotonic() < deadline:
                assert found.headers["Retry-After"]
                time.sleep(0.2)
            return found

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(one, range(20)))


def test_of_twenty_threads_at_two_workers_one_starts_a_sync_and_after_a_restart_the_pause_still_holds(
    url: str, workers: Callable[[], Workers]
) -> None:
    first = workers()
    found = at_once(first, "/admin/model-sync/provider/openrouter")
    assert sorted(one.status_code for one in found) == [202] + [409] * 19
    [started] = [one.json()["sync_id"] for one in found if one.status_code == 202]
    assert {one.json()["sync_id"] for one in found} == {started}
    assert all(int(one.headers["Retry-After"]) > 0 for one in found if one.status_code == 409)
    play_dagster(url)
    first.stop()
    again = at_once(workers(), "/admin/model-sync/provider/OpenRouter")
    assert [one.status_code for one in again] == [429] * 20
    assert all(0 < int(one.headers["Retry-After"]) <= 300 for one in again)
    assert all(int(one.headers["X-RateLimit-Reset"]) > time.time() for one in again)
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from ops.sync_request")).scalar() == 1


def test_many_who_wait_keep_nobody_else_from_an_answer(api: Api) -> None:
    """A waiting request holds neither a thread nor a connection: of each there are fewer than waiters here."""
    with ThreadPoolExecutor(len(ON)) as pool:
        waiting = [pool.submit(call, api, "POST", f"/admin/model-sync/provider/{name}?wait=60", BY_KEY) for name in ON]
        deadline = time.monotonic() + 60
        while len(asked(api)) < len(ON):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert call(api, "GET", "/admin/model-sync/status", BY_KEY).status_code == 200
        play_dagster(api.url)
        assert {one.result(60).status_code for one in waiting} == {200}


def test_who_waits_goes_on_waiting_while_the_database_is_locked_or_every_connection_is_taken(api: Api):
    """And answers with what was known last, and the id, where it stays so."""
    database = api.app.state.parts.database
    with ThreadPoolExecutor(2) as pool, ExitStack() as taken:
        short, long = (
            pool.submit(call, api, "POST", f"/admin/model-sync/provider/{name}?wait={wait}", BY_KEY)
            for name, wait in (("openrouter", 4), ("litellm", 60))
        )
        until(lambda: len(asked(api)) == 2)
        for _ in range(database.readers):
            taken.enter_context(database.reading())
        for _ in range(database.writers):
            taken.enter_context(database.writing("a test"))
        answer = short.result(60)
        assert (answer.status_code, answer.json()["success"]) == (202, False)
        assert answer.json()["sync_id"] == answer.headers["X-Sync-Log-ID"]
        taken.close()
        with api.connect() as holder:
            holder.execute("lock table ops.sync_request_source in access exclusive mode")
            time.sleep(2)  # longer than a reader waits for a lock
        play_dagster(api.url)
        assert long.result(60).status_code == 200
