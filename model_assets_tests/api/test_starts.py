"""Starting a sync over HTTP: who may, what each address answers, one at a time, and the pause. Dagster's part is played by rows; `up` is in
test_start_scripts.py."""

import hashlib
import hmac
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.settings import PROJECT
from model_assets.sources import SOURCES
from model_assets.starting.requests import began, ended
from model_assets_tests.api.conftest import AUDIENCE, ISSUER, SECRET, Api, serving

KEY, CRON = "an admin key of the tests", "a cron secret of the tests"
SECRETS = {"ADMIN_KEY": KEY, "CRON_SECRET": CRON, "MODEL_SYNC_WAIT_SECONDS": "0"}
BY_KEY, BY_CRON = {"X-Admin-Key": KEY}, {"Authorization": f"Bearer {CRON}"}
ON = sorted(name for name, source in SOURCES.items() if source.why_off() is None)
PRICES = sorted(name for name, source in SOURCES.items() if source.kind == "prices")
DONE = {"listings": 20, "prices": 60, "created": 5, "updated": 3, "vanished": 2, "skipped": 1}

#: (method, address, the credentials that it takes, the sources that it starts)
STARTS = [
    ("POST", "/admin/model-sync/all", BY_KEY, ON),
    ("POST", "/admin/model-sync/full", BY_KEY, ON),
    ("POST", "/admin/model-sync/incremental", BY_KEY, ON),
    ("POST", "/admin/model-sync/providers-only", BY_KEY, ON),
    ("POST", "/admin/model-sync/trigger", BY_KEY, ON),
    ("POST", "/admin/model-sync/provider/openrouter", BY_KEY, ["openrouter"]),
    ("POST", f"/admin/pricing/sync/{KEY}", {}, PRICES),
    ("POST", "/api/admin/sync-models", BY_KEY, ON),
    ("POST", "/api/internal/sync-models", BY_CRON, ON),
    ("GET", "/api/cron/sync-models", BY_CRON, ON),
    ("POST", "/api/cron/sync-models", BY_CRON, ON),
    ("GET", "/api/cron/models/sync", BY_CRON, ON),
    ("POST", "/sync/huggingface/litert", BY_KEY, ["huggingface"]),
    ("POST", "/v1/admin/sync", BY_KEY, ON),
]
READS = [
    "/admin/model-sync/status", "/admin/model-sync/providers", "/admin/model-sync/health", "/api/admin/sync-models", "/v1/admin/sync/history",
    "/admin/scheduler/status",
]  # fmt: skip


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


# --- who may ---


@pytest.mark.parametrize(("method", "path", "headers", "sources"), STARTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_address_starts_its_sources_for_its_credentials_and_nothing_for_any_other(
    api: Api, method: str, path: str, headers: dict[str, str], sources: list[str]
) -> None:
    open_path = path.replace(KEY, "no key of ours")
    wrong = [
        {}, {"Authorization": "Bearer wrong"}, {"X-Admin-Key": KEY[:-1]}, {"X-Admin-Key": ""}, {"Authorization": f"Bearer {CRON[:-1]}"},
        {"Authorization": CRON}, {"X-Admin": "true"}, {"Authorization": "Bearer"}, {"Authorization": "Basic !"},
    ]  # fmt: skip
    for one in wrong:
        refused = call(api, method, open_path, one)
        assert refused.status_code == 401, one
        assert refused.json()["error"]["code"] == "UNAUTHORIZED"
    if headers is BY_CRON:
        assert call(api, method, path, BY_KEY).status_code == 401
        assert call(api, method, f"{path}?secret={CRON}&CRON_SECRET={CRON}&token={CRON}").status_code == 401
    if headers is BY_KEY:
        assert call(api, method, path, BY_CRON).status_code == 401
    assert asked(api) == []
    found = call(api, method, path, headers)
    assert found.status_code == 202, found.text
    rows = asked(api)
    assert [row[2] for row in rows] == sources
    assert {row[0] for row in rows} == {"CRON_SECRET" if headers is BY_CRON else "ADMIN_KEY"}
    assert {row[1] for row in rows} == {f"{method} {re.sub('sync/an admin key.*', 'sync/{key}', path).replace('/openrouter', '/{source}')}"}


@pytest.mark.parametrize("path", READS)
def test_how_syncs_went_is_told_to_admins_only(api: Api, path: str) -> None:
    assert call(api, "GET", path).status_code == 401
    for tier in ("free", "pro", "enterprise"):
        assert api.client(tier).get(path).status_code == 403
    assert api.client("admin").get(path).status_code == 200
    assert call(api, "GET", path, BY_KEY).status_code == 200


def test_an_admin_is_let_in_by_token_and_named_and_other_tiers_are_not(api: Api) -> None:
    for tier in ("free", "pro", "enterprise"):
        assert api.client(tier).post("/admin/model-sync/all").status_code == 403
    assert asked(api) == []
    assert api.client("admin").post("/admin/model-sync/all").status_code == 202
    assert {row[0] for row in asked(api)} == {"a user of admin"}


@pytest.mark.parametrize("method", ["header", "bearer", "address"])
def test_the_key_may_be_in_a_header_or_in_the_address_as_curl_sends_it(api: Api, method: str) -> None:
    headers = {"header": BY_KEY, "bearer": {"Authorization": f"Bearer {KEY}"}, "address": {}}[method]
    credentials = ("anybody", KEY) if method == "address" else None
    assert api.client().get("/admin/model-sync/status", headers=headers, auth=credentials).status_code == 200


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
def test_a_browser_that_once_knew_the_key_cannot_be_made_to_send_it_for_somebody_else(api: Api, header: str) -> None:
    found = api.client().post("/admin/model-sync/all", headers={header: "https://evil.example"}, auth=("anybody", KEY))
    assert found.status_code == 401
    assert asked(api) == []


def test_without_secrets_nobody_is_let_in_by_one(url: str) -> None:
    with serving(url) as api:
        for method, path, _, _ in STARTS:
            for headers in (
                {},
                {"Authorization": "Bearer"},
                {"X-Admin-Key": ""},
                {"X-Signature": hmac.new(b"", b"", "sha256").hexdigest()},
            ):
                assert call(api, method, path.replace(KEY, "%20"), headers).status_code in (401, 429)
        assert asked(api) == []


def signed(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_program_may_sign_the_body_instead(api: Api) -> None:
    body = json.dumps({"source": "vercel-cron"}).encode()
    for signature in (signed("another secret of theirs", body), signed(CRON, body + b" "), signed(CRON, body)[:-1], "", "ü", CRON):
        wrong = call(api, "POST", "/api/internal/sync-models", {"X-Signature": signature.encode()}, content=body)  # type: ignore[dict-item]
        assert wrong.status_code == 401
    assert asked(api) == []
    assert call(api, "POST", "/api/internal/sync-models", {"X-Signature": signed(CRON, body)}, content=body).status_code == 202


def test_no_secret_is_in_a_log_or_an_answer(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = [call(api, method, path, headers) for method, path, headers, _ in STARTS]
        answers += [call(api, "GET", f"/admin/pricing/sync/{KEY}/status/none"), call(api, "GET", f"/admin/pricing/sync/{KEY}/elsewhere")]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("model_assets", "uvicorn"))]
    assert any("/admin/pricing/sync/***" in line for line in ours)
    for said in [*ours, *(one.text + str(one.headers) for one in answers), str(asked(api))]:
        assert KEY not in said
        assert CRON not in said
        assert KEY.replace(" ", "%20") not in said


# --- which sources ---


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("providers=openrouter", ["openrouter"]),
        ("providers=openrouter,LiteLLM", ["litellm", "openrouter"]),
        ("providers=openrouter&providers=litellm&providers=OPENROUTER", ["litellm", "openrouter"]),
        ("providers=", ON),
    ],
)
def test_sources_may_be_named_however_their_letters_are_cased(api: Api, query: str, sources: list[str]) -> None:
    assert call(api, "POST", f"/admin/model-sync/all?{query}", BY_KEY).status_code == 202
    assert [row[2] for row in asked(api)] == sources


def test_a_source_that_is_none_or_is_off_is_told_and_nothing_is_started(api: Api) -> None:
    for path in (
        "/admin/model-sync/provider/deepinfra",
        "/admin/model-sync/provider/%00",
        "/admin/model-sync/all?providers=openrouter,nobody",
    ):
        assert call(api, "POST", path, BY_KEY).status_code == 404
    off = call(api, "POST", "/admin/model-sync/provider/artificial_analysis", BY_KEY)
    assert (off.status_code, off.json()["error"]["code"]) == (409, "SOURCE_OFF")
    assert "ARTIFICIAL_ANALYSIS_API_KEY" in off.json()["error"]["message"]
    assert asked(api) == []


@pytest.mark.parametrize("name", ["OpenRouter", "OPENROUTER", "openrouter%20", "openRouter"])
def test_another_case_is_no_way_around_the_pause(api: Api, name: str) -> None:
    assert call(api, "POST", "/admin/model-sync/provider/openrouter", BY_KEY).status_code == 202
    assert call(api, "POST", f"/admin/model-sync/provider/{name}", BY_KEY).status_code == 409
    play_dagster(api.url)
    assert call(api, "POST", f"/admin/model-sync/provider/{name}", BY_KEY).status_code == 429


def test_a_dry_run_is_asked_for_as_one(api: Api) -> None:
    assert call(api, "POST", "/admin/model-sync/provider/openrouter?dry_run=true", BY_KEY).status_code == 202
    assert [row[3] for row in asked(api)] == [True]


@pytest.mark.parametrize("wait", ["-1", "301", "x", "1e9"])
def test_nobody_waits_for_longer_than_five_minutes(api: Api, wait: str) -> None:
    assert call(api, "POST", f"/admin/model-sync/all?wait={wait}", BY_KEY).status_code == 422
    assert asked(api) == []


# --- what each answers ---


def test_the_cron_script_of_gatewayz_reads_success_and_the_models(api: Api) -> None:
    found = finished(api, "POST", "/admin/model-sync/all", BY_KEY)
    said = found.json()
    assert (found.status_code, said["success"], said["details"]["total_models_synced"]) == (200, True, 20 * len(ON))
    assert found.headers["X-Sync-Log-ID"] == said["sync_id"]
    assert found.headers["X-Models-Processed"] == str(20 * len(ON))
    assert [one["provider"] for one in said["details"]["results"]] == ON


def test_the_workflow_of_gatewayz_polls_the_price_sync_by_its_id(api: Api) -> None:
    started = call(api, "POST", f"/admin/pricing/sync/{KEY}").json()
    status = f"/admin/pricing/sync/{KEY}/status/{started['sync_id']}"
    assert (started["status"], call(api, "GET", status).json()["status"]) == ("queued", "queued")
    play_dagster(api.url)
    assert call(api, "GET", status).json()["status"] == "completed"
    assert call(api, "GET", status.replace(KEY, "another")).status_code == 401
    assert call(api, "GET", f"/admin/pricing/sync/{KEY}/status/none").status_code == 404


def test_a_price_sync_just_after_a_sync_of_all_is_a_429_that_names_the_sync_to_poll(api: Api) -> None:
    first = finished(api, "POST", "/admin/model-sync/all", BY_KEY).json()
    again = call(api, "POST", f"/admin/pricing/sync/{KEY}")
    assert (again.status_code, again.json()["sync_id"]) == (429, first["sync_id"])
    assert call(api, "GET", f"/admin/pricing/sync/{KEY}/status/{again.json()['sync_id']}").json()["status"] == "completed"


def test_the_sync_of_openrouter_model_access_answers_with_its_log_and_the_one_before(api: Api) -> None:
    with attempt(api.url, "litellm", date(2026, 5, 20), "model-assets sync"):
        pass
    found = finished(api, "POST", "/api/admin/sync-models", BY_KEY)
    said, data = found.json(), found.json()["data"]
    assert (found.status_code, said["success"], data["syncLogId"]) == (200, True, found.headers["X-Sync-Log-ID"])
    counts = ("totalProcessed", "modelsAdded", "modelsUpdated", "modelsMarkedInactive")
    assert [data[name] // len(ON) for name in counts] == [20, 5, 3, 2]
    assert (data["triggeredBy"], data["durationMs"] >= 0) == ("ADMIN_KEY", True)
    assert (said["previousSync"]["lastSyncStatus"], said["previousSync"]["lastSyncAt"][-1]) == ("completed", "Z")
    assert re.match(r"\d", found.headers["X-Response-Time"])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/cron/sync-models"), ("POST", "/api/cron/sync-models"), ("GET", "/api/cron/models/sync")]
)
def test_a_schedule_reads_success_a_timestamp_and_the_result(api: Api, method: str, path: str) -> None:
    found = finished(api, method, path, BY_CRON)
    said = found.json()
    assert (found.status_code, said["success"], said["sync_result"]["success"]) == (200, True, True)
    assert said["timestamp"].endswith("Z")
    assert said["previousSync"] is None


def test_a_schedule_that_is_switched_off_is_told_so_and_a_person_is_not(url: str) -> None:
    with serving(url, **SECRETS, MODEL_SYNC_ENABLED="false") as api:
        off = call(api, "GET", "/api/cron/sync-models", BY_CRON)
        assert (off.status_code, off.json()["error"]["code"]) == (503, "SYNC_DISABLED")
        assert call(api, "GET", "/api/cron/sync-models").status_code == 401
        assert asked(api) == []
        assert call(api, "POST", "/admin/model-sync/all", BY_KEY).status_code == 202


def test_pocket_ai_reads_how_many_were_created_updated_and_skipped(api: Api) -> None:
    found = finished(api, "POST", "/sync/huggingface/litert", BY_KEY)
    said = found.json()
    assert found.status_code == 200
    assert said == {
        "status": "success", "created": 5, "updated": 3, "skipped": 1, "sync_id": said["sync_id"],
        "message": "Successfully synced LiteRT models. Created: 5, Updated: 3, Skipped: 1",
    }  # fmt: skip


def test_model_lens_gets_a_202_with_the_id_of_a_sync_that_really_runs(api: Api) -> None:
    found = call(api, "POST", "/v1/admin/sync", BY_KEY)
    sync_id = found.json()["data"]["syncId"]
    assert found.status_code == 202
    assert call(api, "GET", f"/v1/admin/sync/{sync_id}", BY_KEY).json()["status"] == "queued"
    play_dagster(api.url)
    assert call(api, "GET", f"/v1/admin/sync/{sync_id}", BY_KEY).json()["success"] is True


@pytest.mark.parametrize("path", ["/admin/model-sync/all", "/api/admin/sync-models", "/sync/huggingface/litert"])
def test_a_sync_that_failed_is_a_502_with_the_reason_and_the_fields_of_the_address(api: Api, path: str) -> None:
    found = finished(api, "POST", path, BY_KEY, status="failed", message="it does not answer.")
    said = found.json()
    assert (found.status_code, said["error"]["code"]) == (502, "SYNC_FAILED")
    assert "huggingface: it does not answer." in said["error"]["message"]
    assert (said.get("success"), said.get("status")) in [(False, "failed"), (False, None), (None, "failed")]


def test_what_is_not_done_in_time_goes_on_and_is_no_success(api: Api) -> None:
    found = call(api, "POST", "/admin/model-sync/all?wait=1", BY_KEY)
    assert (found.status_code, found.json()["success"], found.json()["status"]) == (202, False, "queued")
    assert "Dagster starts it within seconds where its daemon runs" in found.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "flush-models?confirm=DELETE_ALL_MODELS"), ("DELETE", "flush-providers"), ("POST", "reset-and-resync")],
)
def test_nothing_is_deleted_and_the_answer_says_why(api: Api, method: str, path: str) -> None:
    assert call(api, method, f"/admin/model-sync/{path}").status_code == 401
    found = call(api, method, f"/admin/model-sync/{path}", BY_KEY)
    assert (found.status_code, found.json()["error"]["code"]) == (410, "NOT_DELETED")


# --- how it goes ---


def test_status_health_and_statistics_have_what_their_scripts_read(settled_copy: str) -> None:
    with serving(settled_copy, **SECRETS) as api:
        api.clients["admin"] = httpx.Client(base_url=api.address, headers=BY_KEY, trust_env=False)
        active = api.get("/admin/model-sync/status", "admin")["models"]["stats"]["total_active"]
        with api.connect() as connection:
            listed = "select count(*) from history.listing where upper(seen) is null and lifecycle is distinct from 'retired'"
            [active_now], [runs] = (
                connection.execute(query.encode()).fetchall()[0] for query in (listed, "select count(*) from ops.sync_run")
            )
        assert active == active_now > 0
        assert api.get("/admin/model-sync/providers", "admin")["providers"] == ON
        health = api.get("/admin/model-sync/health", "admin")
        assert (health["is_healthy"], health["success_rate"], health["total_runs"], health["failed_runs"]) == (True, 100, runs, 0)
        data = api.get("/api/admin/sync-models", "admin")["data"]
        assert (data["statistics"]["totalSyncs"], data["statistics"]["successRate"]) == (runs, 100)
        assert data["cooldown"] == {"enabled": True, "durationMs": 300_000, "durationMinutes": 5}
        assert data["currentStatus"]["lastSyncStatus"] == "completed"
        history = api.get("/v1/admin/sync/history", "admin", limit=2, offset=1)
        assert (len(history["data"]), history["meta"]) == (2, {"total": runs, "limit": 2, "offset": 1})
        assert {"id", "startedAt", "completedAt", "status", "totalFetched", "totalStored", "errorMessage"} <= history["data"][0].keys()
        scheduler = api.get("/admin/scheduler/status", "admin")
        assert scheduler["running"] is False  # nobody started Dagster here
        assert [job["next_run_time"][-10:] for job in scheduler["jobs"][:2]] == ["T02:00:00Z"] * 2


# --- one at a time ---


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
