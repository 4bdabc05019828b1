"""The scripts, workflows and manual calls of five systems, run by bash, curl and jq against `model-assets up` with recordings as its sources."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from model_assets import database
from model_assets.database import connect
from model_assets.settings import PROJECT
from model_assets_tests.deploy import workflow
from model_assets_tests.deploy.machine import recorded
from model_assets_tests.fetching.misbehaving import serving
from model_assets_tests.sources import hub_server
from model_assets_tests.test_supervisor import Started

missing = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"no {' and no '.join(missing)} here")

KEY, CRON = "the-admin-key-of-this-test", "the-cron-secret-of-this-test"
PRICES = ("openrouter",)
LONG = 240  # seconds, on two busy cores
#: what Python reads when it starts, in each process that `up` starts: the sources answer on loopback, and there are no others
SITE = """
import dataclasses, functools, json, pathlib, sys
if "pip" not in " ".join(sys.argv):
    from model_assets.fetching import patience
    from model_assets.sources import SOURCES
    from model_assets.sources.hugging_face import hub
    served = json.loads(pathlib.Path({served!r}).read_text())
    hub.HUB = served["huggingface"]
    for name in list(SOURCES):
        if name in served:
            SOURCES[name] = dataclasses.replace(SOURCES[name], url=served[name])
        else:
            del SOURCES[name]
    over_network = patience.fetch_policy
    patience.fetch_policy = lambda _=False: over_network(True)
"""
UP = "import sys; from model_assets import cli; cli.main(sys.argv[1:])"


@dataclass
class Machine:
    """`model-assets up`, and a shell beside it."""

    port: int
    url: str
    folder: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bash(self, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """What a script says and how it ends, with the variables that its owner would set and no others."""
        path = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])
        given = {"PATH": path, "HOME": str(self.folder), "LOG_FILE": str(self.folder / "sync.log"), "POLL_SECONDS": "1", **environment}
        return subprocess.run(["bash", "-c", script], env=given, cwd=self.folder, capture_output=True, text=True, timeout=LONG)

    def curl(self, *words: str) -> Any:
        """The JSON that curl brings."""
        found = subprocess.run(["curl", "-s", *words], capture_output=True, text=True, timeout=LONG, check=True)
        return json.loads(found.stdout)

    def no_pause(self) -> None:
        """Let the pause after the last start be over."""
        with connect(self.url) as connection:
            connection.execute(text("update ops.sync_request set asked_at = asked_at - interval '1 hour'"))


@pytest.fixture(scope="module")
def machine(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    from model_assets_tests.conftest import copy_of

    folder = tmp_path_factory.mktemp("machine")
    with ExitStack() as stack:
        url = stack.enter_context(copy_of(server, template))
        hub = stack.enter_context(hub_server.serving())
        hub.models["litert"] = [hub_server.repository(f"lab/m{number}", f"{number:040x}") for number in range(7)]
        hub.files = {f"lab/m{number}": {"m.tflite": str(number)} for number in range(7)}
        served = {name: stack.enter_context(serving(recorded(name, 20))).url() for name in PRICES}
        (folder / "served.json").write_text(json.dumps({**served, "huggingface": hub.address}))
        (folder / "sitecustomize.py").write_text(SITE.format(served=str(folder / "served.json")))
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        web, api = (one.getsockname()[1] for one in ports)
        for one in ports:
            one.close()
        environment = {
            "DATABASE_URL": database.plain(url), "ADMIN_KEY": KEY, "CRON_SECRET": CRON, "MODEL_SYNC_RETRY_ATTEMPTS": "1",
            "MODEL_SYNC_WAIT_SECONDS": str(LONG), "MODEL_SYNC_ENABLED": "true", "PRICING_SYNC_ENABLED": "false", "MODEL_SYNC_SCHEDULE": "0 0 29 2 *",
        }  # fmt: skip
        up = Started(folder, UP, "up", "--port", str(web), "--api-port", str(api), **environment)
        try:
            until(lambda: "All runs" in up.said() or up.process.poll() is not None)
            assert "All runs" in up.said(), up.said("err")
            yield Machine(api, url, folder)
        finally:
            up.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                up.process.wait(60)
            up.process.kill()
            up.process.wait()
            for pid in up.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{make_url(url).database}_dagster" with (force)'.encode())


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


#: what a cron script that knows of no key does: it asks, reads `.success` and `.details.total_models_synced`, and ends with 1 without success
KEYLESS_SCRIPT = """
set -e
RESPONSE=$(curl -s -X POST "${API_URL}/admin/model-sync/all" 2>&1)
if echo "$RESPONSE" | jq -e '.success' > /dev/null 2>&1; then
    echo "completed: $(echo "$RESPONSE" | jq -r '.details.total_models_synced // 0')"
else
    echo "failed: $RESPONSE"
    exit 1
fi
"""
#: what a workflow does that has the key, but sends it with the prices only: health, a sync, the prices in the background, polling, the count
KEYLESS_WORKFLOW = """
set -e
curl -f "$API_URL/health" || exit 1
RESPONSE=$(curl -s -X POST "$API_URL/admin/model-sync/all")
[ "$(echo "$RESPONSE" | jq -r '.success')" = "true" ] || exit 2
MODELS_SYNCED=$(echo "$RESPONSE" | jq -r '.details.total_models_synced // 0')
RESPONSE=$(curl -s -X POST "$API_URL/admin/pricing/sync/$ADMIN_KEY")
SYNC_ID=$(echo "$RESPONSE" | jq -r '.sync_id // empty')
[ -n "$SYNC_ID" ] || exit 3
for i in {1..30}; do
    sleep "$POLL_SECONDS"
    STATUS=$(curl -s "$API_URL/admin/pricing/sync/$ADMIN_KEY/status/$SYNC_ID" | jq -r '.status')
    if [ "$STATUS" = "completed" ]; then break; elif [ "$STATUS" = "failed" ]; then exit 4; fi
done
[ "$STATUS" = "completed" ] || exit 5
TOTAL_MODELS=$(curl -s "$API_URL/admin/model-sync/status" | jq -r '.models.stats.total_active // 0')
echo "synced $MODELS_SYNCED total $TOTAL_MODELS"
"""


def with_key(machine: Machine) -> str:
    """The address with the key in it, as somebody gives it to scripts that know of no header."""
    return machine.address.replace("http://", f"http://sync:{KEY}@")


def listings(machine: Machine) -> int:
    with connect(machine.url) as connection:
        return int(connection.execute(text("select count(*) from history.listing where upper(seen) is null")).scalar_one())


def test_a_cron_script_without_a_key_is_refused_and_with_it_in_the_address_it_syncs_and_reads_how_many(machine: Machine) -> None:
    machine.no_pause()
    refused = machine.bash(KEYLESS_SCRIPT, API_URL=machine.address)
    assert refused.returncode == 1
    assert "UNAUTHORIZED" in refused.stdout
    done = machine.bash(KEYLESS_SCRIPT, API_URL=with_key(machine))
    assert (done.returncode, done.stdout) == (0, f"completed: {listings(machine)}\n")
    assert listings(machine) > 7  # more than those of Hugging Face


def test_a_workflow_syncs_polls_the_prices_and_counts_the_models(machine: Machine) -> None:
    machine.no_pause()
    done = machine.bash(KEYLESS_WORKFLOW, API_URL=with_key(machine), ADMIN_KEY=KEY)
    assert done.returncode == 0, done
    assert f"synced {listings(machine)} total" in done.stdout


def test_our_cron_script_syncs_and_says_in_its_log_what_it_did(machine: Machine) -> None:
    machine.no_pause()
    script = f"bash {PROJECT / 'deploy' / 'cron_sync.sh'}"
    assert machine.bash(script, API_URL=machine.address, ADMIN_KEY="wrong-key-of-somebody").returncode == 1
    done = machine.bash(script, API_URL=machine.address, ADMIN_KEY=KEY)
    again = machine.bash(script, API_URL=machine.address, ADMIN_KEY=KEY)
    log = (machine.folder / "sync.log").read_text()
    assert (done.returncode, again.returncode) == (0, 1), log
    assert f"[Sync] completed: {listings(machine)} models" in log
    assert "was asked for a moment ago by request" in log
    assert KEY not in log
    assert machine.bash(script, API_URL="http://127.0.0.1:9").returncode == 1


def test_our_workflow_syncs_verifies_and_looks_from_outside(machine: Machine) -> None:
    machine.no_pause()
    contexts: dict[str, dict[str, Any]] = {
        "github": {"server_url": "https://github.example", "repository": "ann/models", "run_id": 77},
        "secrets": {"API_URL": machine.address, "ADMIN_KEY": KEY}, "vars": {"MINIMUM_MODELS": "1000000", "POLL_SECONDS": "1"}, "inputs": {},
    }  # fmt: skip
    found = workflow.load(PROJECT / "deploy" / "github-actions" / "sync-over-http.yml")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(machine.folder)}
    jobs = workflow.run(found, contexts, environment, machine.folder)
    assert {name: job.result for name, job in jobs.items()} == {"sync-models": "success", "monitor-sync-health": "success"}, jobs
    assert f"{listings(machine)} models were synced" in jobs["sync-models"].said
    assert "::warning::only" in jobs["sync-models"].said
    wrong = workflow.run(found, {**contexts, "secrets": {"API_URL": machine.address, "ADMIN_KEY": "no"}}, environment, machine.folder)
    assert {name: job.result for name, job in wrong.items()} == {"sync-models": "failure", "monitor-sync-health": "failure"}
    assert "::error::the sync failed: https://github.example/ann/models/actions/runs/77" in wrong["sync-models"].said


def test_a_service_that_calls_on_a_schedule_with_its_secret_reads_success(machine: Machine) -> None:
    machine.no_pause()
    found = machine.curl("-H", f"Authorization: Bearer {CRON}", f"{machine.address}/api/cron/sync-models?sources=openrouter")
    assert (found["success"], found["sync_result"]["success"]) == (True, True), found


def test_by_hand_hugging_face_is_synced_and_told_in_counts(machine: Machine) -> None:
    machine.no_pause()
    with connect(machine.url) as connection:
        before = connection.execute(text("select count(*) from history.listing where source = 'huggingface'")).scalar_one()
    found = machine.curl("-X", "POST", f"{machine.address}/sync/huggingface/litert", "-H", f"Authorization: Bearer {KEY}")
    assert (found["status"], found["created"], found["updated"], found["skipped"]) == ("success", 0 if before else 7, 0, 0), found
    assert found["message"].startswith("Successfully synced LiteRT models.")


def test_by_hand_a_dry_run_says_what_would_change_and_the_ledger_stays(machine: Machine) -> None:
    machine.no_pause()
    with connect(machine.url) as connection:
        before = connection.execute(text("select count(*), max(run_id) from ops.sync_run")).one()
    found = machine.curl("-X", "POST", f"{machine.address}/admin/model-sync/provider/openrouter?dry_run=true", "-H", f"X-Admin-Key: {KEY}")
    assert (found["success"], found["details"]["dry_run"]) == (True, True), found
    with connect(machine.url) as connection:
        assert connection.execute(text("select count(*), max(run_id) from ops.sync_run")).one() == before


def test_the_scheduler_runs_and_says_what_is_next(machine: Machine) -> None:
    found = machine.curl("-H", f"X-Admin-Key: {KEY}", f"{machine.address}/admin/scheduler/status")
    assert found["running"] is True
    assert {"id", "name", "next_run_time"} == found["jobs"][0].keys()
    night = next(job for job in found["jobs"] if job["id"] == "every_night")
    assert night["next_run_time"].endswith("-02-29T00:00:00Z")


def test_the_key_is_in_no_log(machine: Machine) -> None:
    logs = [*(machine.folder / "home" / "logs").glob("*"), machine.folder / "out", machine.folder / "err"]
    assert "api.log" in {log.name for log in logs}
    for log in logs:
        assert KEY not in log.read_text(errors="replace"), log
        assert CRON not in log.read_text(errors="replace"), log
