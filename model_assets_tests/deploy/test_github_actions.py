"""The GitHub workflow: each of its steps is run by bash, in order, against a database and sources on loopback."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from model_assets import database
from model_assets.database import connect
from model_assets.settings import PROJECT, is_cron
from model_assets_tests.deploy import workflow
from model_assets_tests.deploy.machine import command_line, program, recorded

FILE = PROJECT / "deploy" / "github-actions" / "sync.yml"
RUN = "https://github.example/ann/models/actions/runs/77"
GITHUB = {"server_url": "https://github.example", "repository": "ann/models", "run_id": 77}
GONE = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
Go = Callable[..., dict[str, workflow.Job]]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """A channel on loopback: its address, and the messages that arrived."""
    messages: list[str] = []

    class Channel(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Channel) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"json://127.0.0.1:{server.server_port}/", messages
        server.shutdown()
        thread.join()


@pytest.fixture
def go(url: str, told: tuple[str, list[str]], tmp_path: Path) -> Go:
    """Runs the workflow with these answers of the sources, or some of its jobs; contexts may be given, such as inputs={...}."""

    def run(
        answers: Mapping[str, bytes], jobs: Sequence[str] = ("sync", "monitor"), **contexts: Mapping[str, Any]
    ) -> dict[str, workflow.Job]:
        secrets = {"DATABASE_URL": database.plain(url), "ALERT_URLS": told[0]}
        known = {"github": GITHUB, "secrets": secrets, "vars": {"MINIMUM_LISTINGS": "100"}, "inputs": {}, **contexts}
        with command_line(tmp_path, answers) as installed:
            program(installed.parent / "pip", f'echo "$@" >> {tmp_path}/pip\n')  # what it was told is looked at below
            program(installed.parent / "python", f'exec {sys.executable} "$@"\n')
            path = os.pathsep.join([str(installed.parent), sysconfig.get_path("scripts"), "/usr/bin", "/bin"])
            environment = {
                "PATH": path,
                "HOME": str(tmp_path),
                "MODEL_ASSETS_HOME": str(tmp_path / "home"),
                "MODEL_SYNC_RETRY_ATTEMPTS": "1",
            }
            found = workflow.load(FILE)
            wanted = {**found, "jobs": {name: found["jobs"][name] for name in jobs}}
            return workflow.run(wanted, known, environment, PROJECT)

    return run


def attempts(url: str) -> list[tuple[str, str]]:
    with connect(url) as connection:
        return [tuple(row) for row in connection.execute(text("select source, status from ops.sync_run order by 1"))]


def test_a_good_day_syncs_verifies_and_tells_nobody(go: Go, url: str, told: tuple[str, list[str]], tmp_path: Path) -> None:
    jobs = go({name: recorded(name) for name in ("openrouter", "genai_prices")})
    assert {name: job.result for name, job in jobs.items()} == {"sync": "success", "monitor": "success"}, jobs
    assert jobs["sync"].ran == ["Install", "Health check", "Sync", "Verify", "Deliver alerts"]
    assert re.search(r"^\d+ listings are served; at least 100 are expected$", jobs["sync"].said, re.M)
    assert attempts(url) == [("genai_prices", "succeeded"), ("openrouter", "succeeded")]
    assert told[1] == []
    installs(tmp_path)


def installs(folder: Path) -> None:
    """What pip was told is something that pip understands, and names files that are there."""
    for line in (folder / "pip").read_text().splitlines():
        assert line == "install --disable-pip-version-check -c constraints.txt ."
        read = [
            sys.executable,
            "-c",
            "import sys; from pip._internal.commands import create_command as of; of('install').parse_args(sys.argv[2:])",
        ]
        subprocess.run([*read, *line.split()], check=True, capture_output=True, cwd=PROJECT)
        assert (PROJECT / "constraints.txt").is_file()
        assert (PROJECT / "pyproject.toml").is_file()


def test_a_source_that_fails_fails_the_job_and_is_told_with_a_link_to_the_run(go: Go, url: str, told: tuple[str, list[str]]) -> None:
    jobs = go({"openrouter": recorded("openrouter"), "genai_prices": GONE})
    assert jobs["sync"].result == "failure"
    assert jobs["sync"].ran == ["Install", "Health check", "Sync", "Deliver alerts", "Notify of the failure"]
    assert attempts(url) == [("genai_prices", "failed"), ("openrouter", "succeeded")]
    assert [RUN in message for message in told[1]].count(True) == 1
    assert any("genai_prices could not be synced" in message for message in told[1]), told[1]
    assert jobs["monitor"].ran[:2] == ["Install", "Look at the sources"]


def test_a_database_that_is_down_is_found_before_the_sync(go: Go, told: tuple[str, list[str]]) -> None:
    jobs = go({}, secrets={"DATABASE_URL": "postgresql://127.0.0.1:9/none", "ALERT_URLS": told[0]})
    assert {name: job.result for name, job in jobs.items()} == {"sync": "failure", "monitor": "failure"}
    assert "Sync" not in jobs["sync"].ran
    assert len(told[1]) == 1  # the second job does not tell it again
    assert RUN in told[1][0]


def test_a_secret_that_is_not_set_is_named(go: Go) -> None:
    jobs = go({}, jobs=["sync"], secrets={})
    assert jobs["sync"].ran == ["Install", "Health check", "Deliver alerts", "Notify of the failure"]
    assert "::error::the secret DATABASE_URL is not set" in jobs["sync"].said
    assert f"::error::the sync failed: {RUN}" in jobs["sync"].said


def test_fewer_listings_than_expected_are_a_failure(go: Go, told: tuple[str, list[str]]) -> None:
    jobs = go({"openrouter": recorded("openrouter")}, jobs=["sync"], inputs={"minimum_listings": "1000000", "sources": "openrouter"})
    assert jobs["sync"].result == "failure"
    assert "listings are served, 1000000 were expected" in jobs["sync"].said
    assert [RUN in message for message in told[1]] == [True]


def test_by_hand_some_sources_can_be_read_and_nothing_written(go: Go, url: str) -> None:
    answers = {name: recorded(name) for name in ("openrouter", "genai_prices")}
    jobs = go(answers, jobs=["sync"], inputs={"sources": "openrouter", "dry_run": True, "minimum_listings": "0"})
    assert attempts(url) == []
    assert "openrouter: what would change" in jobs["sync"].said
    assert "genai_prices" not in jobs["sync"].said


def test_it_runs_daily_and_by_hand_for_a_limited_time_one_at_a_time_and_may_only_read_the_repository() -> None:
    found = workflow.load(FILE)
    assert found["on"]["schedule"] == [{"cron": "0 2 * * *"}]
    assert is_cron("0 2 * * *")
    assert sorted(found["on"]["workflow_dispatch"]["inputs"]) == ["dry_run", "minimum_listings", "sources"]
    assert [job["timeout-minutes"] for job in found["jobs"].values()] == [30, 10]
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["cancel-in-progress"] is False
    assert found["jobs"]["monitor"]["if"] == "always()"
    for job in found["jobs"].values():
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
