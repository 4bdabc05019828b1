"""What each address answers to who starts a sync, and how syncs went."""

import re
from datetime import date

import httpx
import pytest

from model_assets.attempts import attempt
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.starts.conftest import BY_CRON, BY_KEY, KEY, ON, SECRETS, asked, call, finished, play_dagster

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
