"""`up` as it is left running: kill -9 of each of its processes and of the embedded database, and all of it is back without a hand."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from model_assets import dagster_home, embedded, supervisor
from model_assets.database import dagster_url, with_driver
from model_assets.readiness import migrated
from model_assets.settings import read_settings
from model_assets.upkeep.heartbeats import daemon
from model_assets_tests.in_memory import in_memory
from model_assets_tests.test_supervisor import DEFINITIONS, PROJECT, RUN, Started, free_port, page, until

__all__ = ["free_port"]
LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryLocationName: "tiny_definitions", repositoryName: "__repository__",
 jobName: "__ASSET_JOB"}, mode: "default"}) { __typename } }"""
BACK = 150  # seconds, on two busy cores; alone it takes about ten
WATCHED = """
import json, pathlib, sys
from model_assets import keeping_alive
from model_assets.upkeep import database_watch
from model_assets.upkeep.database_watch import DatabaseWatch
commands, url, keeping_alive.DATABASE_PATIENCE, database_watch.EVERY = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3]), 0.2
keeping_alive.LONGEST_WAIT = 0.1
services = [keeping_alive.Service(name, ["/bin/sh", "-c", script]) for name, script in commands.items()]
try:
    keeping_alive.keep_alive([services], {}, pathlib.Path(sys.argv[4]), DatabaseWatch(url, None))
except keeping_alive.CannotRun as error:
    sys.exit(str(error))
"""
AWAIT = """
import sys
from model_assets.cli.run import _await_database
from model_assets.settings import read_settings
_await_database(read_settings({"DATABASE_URL": sys.argv[1]}), 120)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that other users may enter, with an embedded database; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="model-assets-up-", dir=in_memory()) as made:
        Path(made).chmod(0o755)
        yield Path(made)
        embedded.stop(Path(made) / "home")


@pytest.fixture
def up(home: Path, free_port: int) -> Iterator[Started]:
    """All of it, on small definitions."""
    (home / "tiny_definitions.py").write_text(DEFINITIONS)
    url = with_driver(embedded.ensure_running(home / "home").url(), "psycopg")
    migrated(url)
    started = Started(home, RUN, url, str(free_port))
    yield started
    started.process.kill()
    started.process.wait()
    for pid in started.children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def graphql(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())
    return None


def all_work(port: int, since: float) -> bool:
    """Whether code server, web server and daemon work together: the definitions are loaded, and each part of the daemon beat since then."""
    return supervisor._web_answers("127.0.0.1", port) and supervisor._daemon_beats("127.0.0.1", port, since)


def test_each_process_that_is_killed_is_back_and_so_is_the_database(up: Started, home: Path, free_port: int) -> None:
    until(lambda: "All runs" in up.said() or up.process.poll() is not None, BACK)
    assert "All runs" in up.said(), up.said("err")
    assert f"web: http://127.0.0.1:{free_port}\n" in up.said()
    assert "dagster_webserver_version" in page(free_port, "/server_info")
    assert "<html" in page(free_port, "/")
    assert {"code-server.log", "web.log", "daemon.log"} == {path.name for path in (home / "home" / "logs").iterdir()}
    settings = read_settings({"MODEL_ASSETS_HOME": str(home / "home")})
    url = with_driver(embedded.ensure_running(home / "home").url(), "psycopg")
    found = daemon(settings, url, {})
    assert found is not None
    assert found.dead == []

    folder = embedded._folder(home / "home")
    assert folder is not None
    victims = [up.pid_of(word) for word in ("dagster api grpc", "dagster_webserver", "dagster._daemon")] + [embedded._postmaster(folder)]
    for victim in victims:
        assert victim
        os.kill(victim, signal.SIGKILL)
    since = time.time()
    until(lambda: all(f"{name} died by signal 9" in up.said() for name in ("code-server", "web", "daemon")), BACK)
    until(lambda: "The database answers again" in up.said(), BACK)
    assert embedded._postmaster(folder) not in (None, *victims)
    until(lambda: all_work(free_port, since), BACK)
    assert up.process.poll() is None

    launched = graphql(free_port, LAUNCH)
    assert launched["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
    until(lambda: runs(url) == ["SUCCESS"], BACK)
    assert said_by_the_page_for_other_machines(home, url) == "UnauthorizedError"
    assert runs(url) == ["SUCCESS"]

    assert up.ended(signal.SIGTERM, 60) == 0
    until(lambda: up.children() == {} or postgres_only(up), 10)
    assert embedded.running(home / "home") is not None
    assert up.said("err") == ""


def runs(url: str) -> list[str]:
    with psycopg.connect(dagster_url(url, make=False).replace("+psycopg2", "")) as connection:
        return [status for (status,) in connection.execute("select status from runs")]


def postgres_only(up: Started) -> bool:
    return all("postgres" in command for command in up.children().values())


def said_by_the_page_for_other_machines(home: Path, url: str) -> Any:
    """What the web server that other machines would reach says to somebody who wants to start a run. It is asked on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = read_settings({"MODEL_ASSETS_HOME": str(home / "home")})
    given = home / "home" / "workspace.yaml"
    before = given.read_text()
    _, web, _ = supervisor.dagster_services(home / "home", "192.0.2.1", port, "tiny_definitions")
    given.write_text(before)  # the code server that runs, not another one
    command = ["127.0.0.1" if word == "192.0.2.1" else word for word in web.command]
    with (home / "page.log").open("wb") as log:
        page = subprocess.Popen(command, env={**os.environ, **dagster_home.prepare(settings, url, {})}, stdout=log, stderr=log)
    try:
        until(lambda: supervisor._web_answers("127.0.0.1", port), BACK)
        return graphql(port, LAUNCH)["data"]["launchRun"]["__typename"]
    finally:
        page.kill()
        page.wait()


@pytest.fixture
def keep_alive(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts a supervisor of shell scripts that watches the database at a URL."""
    all_started: list[Started] = []

    def go(url: str, patience: float, **commands: str) -> Started:
        all_started.append(Started(tmp_path, WATCHED, json.dumps(commands), url, str(patience), str(tmp_path / "logs")))
        return all_started[-1]

    yield go
    for one in all_started:
        one.process.kill()
        one.process.wait()
        for pid in one.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_what_dies_while_the_database_is_down_waits_for_it_and_its_deaths_are_not_counted(
    server: str, keep_alive: Callable[..., Started], tmp_path: Path
) -> None:
    name = f"late_{uuid.uuid4().hex[:12]}"
    up = keep_alive(server.format(name=name), 300, dying=f"echo >> {tmp_path}/starts; exit 3")
    until(lambda: "The database does not answer; waiting for it." in up.said())
    until(lambda: "dying died with exit code 3" in up.said())
    time.sleep(3)
    assert up.process.poll() is None
    assert (tmp_path / "starts").read_text().count("\n") == 1
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
        try:
            until(lambda: "The database answers again" in up.said())
            assert up.process.wait(60) == 1  # from here on its deaths count
        finally:
            admin.execute(f'drop database "{name}" with (force)'.encode())
    assert "dying died 5 times within" in up.said("err")
    assert (tmp_path / "starts").read_text().count("\n") == 6


def test_a_database_that_stays_away_ends_all_with_what_to_do(keep_alive: Callable[..., Started]) -> None:
    up = keep_alive("postgresql://nobody@127.0.0.1:1/nothing", 2, sleeper="exec sleep 1000")
    assert up.process.wait(60) == 1
    assert up.said("err") == "The database does not answer for 2 s. Start it, or correct DATABASE_URL; then start again.\n"
    assert up.children() == {}


def test_up_waits_for_a_database_that_comes_later_and_says_so(home: Path) -> None:
    url = embedded.ensure_running(home / "home").url()
    embedded.stop(home / "home")
    waiting = subprocess.Popen([sys.executable, "-c", AWAIT, url], stderr=subprocess.PIPE, text=True, cwd=PROJECT)
    assert waiting.stderr
    assert "Waiting up to 120 s for it." in waiting.stderr.readline()
    assert embedded.ensure_running(home / "home").url() == url
    assert waiting.wait(60) == 0
    waiting.stderr.close()
