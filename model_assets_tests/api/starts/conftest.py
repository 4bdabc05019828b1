"""An API over an empty ledger, the credentials that start syncs, and the part of Dagster, which is played by rows; `up` is in
test_start_scripts.py."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets.sources import SOURCES
from model_assets.starting.requests import began, ended
from model_assets_tests.api.conftest import Api, serving

KEY, CRON = "an admin key of the tests", "a cron secret of the tests"
SECRETS = {"ADMIN_KEY": KEY, "CRON_SECRET": CRON, "MODEL_SYNC_WAIT_SECONDS": "0"}
BY_KEY, BY_CRON = {"X-Admin-Key": KEY}, {"Authorization": f"Bearer {CRON}"}
ON = sorted(name for name, source in SOURCES.items() if source.why_off() is None)
PRICES = sorted(name for name, source in SOURCES.items() if source.kind == "prices")
DONE = {"listings": 20, "prices": 60, "created": 5, "updated": 3, "vanished": 2, "skipped": 1}


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    with serving(url, **SECRETS) as found:
        yield found


def call(api: Api, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    return api.client().request(method, path, headers=headers or {}, **more)


def asked(api: Api) -> list[tuple[str, str, str, bool]]:
    """(who, route, source, dry run) of all that was asked for."""
    query = "select asked_by, via, source, dry_run from ops.sync_request join ops.sync_request_source using (request_id) order by 3"
    with api.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def play_dagster(url: str, status: str = "completed", message: str | None = None) -> None:
    """End all that is open, as the sensor would."""
    with connect(url) as connection:
        rows = connection.execute(
            text("select request_id::text, source from ops.sync_request_source where status in ('queued', 'running')")
        ).all()
        for row in rows:
            began(connection, row.request_id, row.source, "a run")
            ended(connection, row.request_id, row.source, status, message, DONE if status == "completed" else {})


def meanwhile(url: str, **how: Any) -> threading.Thread:
    """Ends what is asked for as soon as it is."""

    def work() -> None:
        deadline = time.monotonic() + 60
        query = text("select count(*) from ops.sync_request_source where status in ('queued', 'running')")
        while time.monotonic() < deadline:
            with connect(url) as connection:
                if connection.execute(query).scalar():
                    break
            time.sleep(0.02)
        play_dagster(url, **how)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def finished(api: Api, method: str, path: str, headers: dict[str, str], **how: Any) -> httpx.Response:
    """The answer of an address that waits until Dagster is done."""
    thread = meanwhile(api.url, **how)
    found = call(api, method, path, headers, params={"wait": 60})
    thread.join(60)
    return found
