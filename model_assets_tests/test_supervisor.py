"""Dagster's home and tables, and the supervisor: real processes, each known by a folder's name in its environment."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.config import PoolGranularity
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.scheduler.instigation import TickStatus
from dagster_postgres import PostgresRunStorage
from sqlalchemy.engine import make_url

from model_assets import cli, dagster_home, keeping_alive, supervisor
from model_assets.attempts import BUDGET
from model_assets.definitions import defs
from model_assets.settings import Settings, read_settings
from model_assets.sources import SOURCES

PROJECT = Path(__file__).resolve().parents[1]
DEFINITIONS = """
import dagster as dg

@dg.asset
def noon() -> int:
    return 12

defs = dg.Definitions(assets=[noon])
"""
RUN = """
import sys
from model_assets import supervisor
from model_assets.settings import read_settings
sys.exit(supervisor.run(read_settings(), sys.argv[1], port=int(sys.argv[2]), module="tiny_definitions"))
"""
KEEP_ALIVE = """
import json, pathlib, sys
from model_assets import keeping_alive
commands, constants = json.loads(sys.argv[1]), json.loads(sys.argv[2])
vars(keeping_alive).update(constants)
services = [keeping_alive.Service(name, ["/bin/sh", "-c", script]) for name, script in commands.items()]
try:
    keeping_alive.keep_alive([services], {}, pathlib.Path(sys.argv[3]))
except keeping_alive.CannotRun as error:
    sys.exit(str(error))
"""
STUBBORN = "trap '' TERM; while :; do sleep 0.2; done"


class Started:
    """A supervisor in a process of its own; all that it starts has the same folder in its environment."""

    def __init__(self, folder: Path, script: str, *words: str, **environment: str) -> None:
        self.folder = folder
        everything = {**os.environ, "PYTHONPATH": f"{PROJECT}:{folder}", "MODEL_ASSETS_HOME": str(folder / "home"), **environment}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen([sys.executable, "-c", script, *words], env=everything, stdout=out, stderr=err)

    def said(self, name: str = "out") -> str:
        return (self.folder / name).read_text()

    def log(self, name: str) -> str:
        return (self.folder / "logs" / name).read_text()

    def ended(self, number: signal.Signals, seconds: float = 30) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def children(self) -> dict[int, str]:
        """The command of each living process that came from it, however far down."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in (process / "environ").read_bytes() and int(process.name) != self.process.pid:
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return found

    def leaders(self) -> list[int]:
        """Those of them that a supervisor started itself: each leads a group."""
        found = []
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                found += [pid] if os.getpgid(pid) == pid else []
        return found

    def pid_of(self, word: str) -> int | None:
        return next((pid for pid, command in self.children().items() if word in command), None)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts a supervisor; none of it is left afterwards."""
    all_started: list[Started] = []

    def go(*words: str, **environment: str) -> Started:
        all_started.append(Started(tmp_path, *words, **environment))
        return all_started[-1]

    yield go
    for one in all_started:
        one.process.kill()
        one.process.wait()
        for pid in one.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def keep_alive(start: Callable[..., Started], tmp_path: Path) -> Callable[..., Started]:
    """Starts a supervisor of shell scripts, given by name; `constants` replace those of keeping_alive."""

    def go(commands: dict[str, str], **constants: float) -> Started:
        return start(KEEP_ALIVE, json.dumps(commands), json.dumps(constants), str(tmp_path / "logs"))

    return go


@pytest.fixture
def ledger(url: str, server: str) -> Iterator[str]:
    """The URL of an empty ledger, whose Dagster database goes with it."""
    yield url
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{make_url(url).database}_dagster" with (force)'.encode())


def test_a_taken_port_is_refused_before_anything_starts(start: Callable[..., Started], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = start(RUN, "postgresql+psycopg://nobody@127.0.0.1:1/nothing", str(port))
        assert started.process.wait(30) == 1
    assert started.said("err") == f"Port {port} of 127.0.0.1 is taken, and nothing was started. Choose another with --port.\n"
    assert not (tmp_path / "home" / "dagster").exists()
    assert started.children() == {}


def test_a_second_supervisor_of_the_same_home_is_refused(start: Callable[..., Started], tmp_path: Path, free_port: int) -> None:
    with supervisor._only_one(tmp_path / "home"):
        started = start(RUN, "postgresql+psycopg://nobody@127.0.0.1:1/nothing", str(free_port))
        assert started.process.wait(30) == 1
    assert f"runs already on {tmp_path}/home (process {os.getpid()})" in started.said("err")


def test_the_database_is_not_stopped_under_a_supervisor_that_would_start_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert supervisor.runs_on(home) is None
    with supervisor._only_one(home):
        assert supervisor.runs_on(home) == str(os.getpid())
        with pytest.raises(SystemExit) as end:
            cli.main(["down"])
    assert end.value.code == 1
    assert f"`up` runs (process {os.getpid()}) and would start the database again. End it first" in capsys.readouterr().err
    assert supervisor.runs_on(home) is None


def test_a_killed_child_is_started_again(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"sleeper": "exec sleep 1000"})
    until(lambda: "All runs" in started.said())
    [killed] = started.leaders()
    os.kill(killed, signal.SIGKILL)
    until(lambda: started.leaders() not in ([], [killed]))
    assert "sleeper died by signal 9 (Killed) and is started again in 1 s" in started.said()
    assert started.ended(signal.SIGINT) == 0
    assert started.children() == {}


def test_a_child_that_keeps_dying_ends_all_and_shows_the_end_of_its_log(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"sleeper": "sleep 1000", "broken": "echo no such table; exit 3"}, LONGEST_WAIT=0.1)
    assert started.process.wait(30) == 1
    assert "broken died 5 times within 120 s, last with exit code 3. Mend what its log says" in started.said("err")
    assert started.said("err").endswith("  no such table\n")
    assert started.log("broken.log").count("no such table\n") == 5
    assert started.children() == {}


def test_a_child_that_cannot_be_started_at_all_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(keeping_alive.CannotRun, match=r"api cannot be started: .*No such file.*/no/such/program"):
        keeping_alive.keep_alive([[keeping_alive.Service("api", ["/no/such/program"])]], {}, tmp_path)


def test_a_child_that_never_answers_is_an_error_and_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_alive, "PATIENCE", 0.5)
    mute = keeping_alive.Service("mute", ["/bin/sh", "-c", f"echo $$ > {tmp_path}/pid; echo waiting; sleep 1000"], lambda: False)
    with pytest.raises(keeping_alive.CannotRun, match=r"(?s)mute does not answer, 0 s after its start.*  waiting"):
        keeping_alive.keep_alive([[mute]], {}, tmp_path)
    with pytest.raises(ProcessLookupError):
        os.killpg(int((tmp_path / "pid").read_text()), 0)


def test_a_stubborn_child_is_killed_with_its_whole_group(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"stubborn": f"({STUBBORN}) & {STUBBORN}"}, GRACE=1)
    until(lambda: len([command for command in started.children().values() if "trap" in command]) == 2)
    began = time.monotonic()
    assert started.ended(signal.SIGTERM) == 0
    assert 1 <= time.monotonic() - began < 30
    assert started.children() == {}


def test_a_second_signal_does_not_wait_for_a_stubborn_child(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"stubborn": STUBBORN}, GRACE=60)
    until(lambda: "All runs" in started.said())
    time.sleep(0.3)
    started.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert started.process.poll() is None
    assert started.ended(signal.SIGINT, 10) == 0
    assert started.children() == {}


def test_what_outlives_its_dead_service_goes_on_and_ends_with_the_supervisor(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"server": "sleep 2000 & exec sleep 1000"})
    until(lambda: {"sleep 1000", "sleep 2000"} == set(started.children().values()))
    run, [killed] = started.pid_of("sleep 2000"), started.leaders()
    os.kill(killed, signal.SIGKILL)
    until(lambda: started.leaders() not in ([], [killed]))
    assert run in started.children()
    assert started.ended(signal.SIGTERM) == 0
    assert started.children() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_children_die_with_a_supervisor_that_is_killed(keep_alive: Callable[..., Started]) -> None:
    started = keep_alive({"stubborn": "trap '' TERM; while :; do :; done"})
    until(lambda: "All runs" in started.said())
    assert len(started.children()) == 1
    started.ended(signal.SIGKILL)
    until(lambda: started.children() == {}, 5)


def test_a_log_that_has_grown_too_large_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_alive, "LOG_LIMIT", 10)
    for line in (b"small\n", b"and now large\n", b"new\n"):
        with keeping_alive._log(tmp_path / "web.log") as log:
            log.write(line)
    assert (tmp_path / "web.log.1").read_bytes() == b"small\nand now large\n"
    assert (tmp_path / "web.log").read_bytes() == b"new\n"


@pytest.mark.parametrize(
    ("host", "read_only"), [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("a.b", True)]
)
def test_what_other_machines_can_reach_is_read_only(tmp_path: Path, host: str, read_only: bool) -> None:
    web = supervisor.dagster_services(tmp_path, host, 3000, "tiny_definitions")[1]
    assert ("--read-only" in web.command) is read_only
    asked_for = supervisor.dagster_services(tmp_path, host, 3000, "tiny_definitions", launching=True)[1]
    assert "--read-only" not in asked_for.command


def test_dagsters_home_is_written_once_and_holds_no_password(ledger: str, tmp_path: Path) -> None:
    needed = dagster_home.prepare(settings(tmp_path), ledger, {})
    home = Path(needed["DAGSTER_HOME"])
    assert home == tmp_path / "home" / "dagster"
    assert needed["DAGSTER_PG_URL"].startswith("postgresql+psycopg2://")
    assert needed["DAGSTER_PG_URL"].endswith(f"/{make_url(ledger).database}_dagster")
    assert needed["MODEL_ASSETS_HOME"] == str(tmp_path / "home")
    written = home / "dagster.yaml"
    assert yaml.safe_load(written.read_text())["storage"]["custom"]["config"] == {"postgres_url": {"env": "DAGSTER_PG_URL"}}
    before = written.stat()
    assert dagster_home.prepare(settings(tmp_path), ledger, needed) == needed
    assert (written.stat().st_ino, written.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    written.write_text("telemetry: {enabled: true}\n")
    dagster_home.prepare(settings(tmp_path), ledger, needed)
    assert yaml.safe_load(written.read_text())["telemetry"] == {"enabled": False}
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]


def test_a_real_instance_takes_over_what_is_written_there(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", ledger)
    dagster_home.create_tables(dagster_home.prepare(read_settings(), ledger))
    with dagster_home.opened(read_settings(), ledger) as instance:
        assert instance is not None
        assert isinstance(instance.run_storage, PostgresRunStorage)
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_settings["max_runtime_seconds"] == BUDGET.total_seconds()
        assert (instance.run_monitoring_start_timeout_seconds, instance.run_monitoring_poll_interval_seconds) == (60, 5)
        assert instance.run_retries_enabled
        assert (instance.run_retries_max_retries, instance.run_retries_retry_on_asset_or_op_failure) == (2, False)
        pools = instance.get_concurrency_config().pool_config
        assert (pools.pool_granularity, pools.default_pool_limit) == (PoolGranularity.OP, 1)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
        days = {InstigatorType.SCHEDULE: (30, 365), InstigatorType.SENSOR: (7, 90), InstigatorType.AUTO_MATERIALIZE: (7, 90)}
        for ticks, (skipped, others) in days.items():
            kept = instance.get_tick_retention_settings(ticks)
            assert (kept[TickStatus.SKIPPED], kept[TickStatus.SUCCESS], kept[TickStatus.FAILURE]) == (skipped, others, others)


def test_two_runs_of_one_source_never_work_at_once_and_two_sources_may() -> None:
    for source in SOURCES:
        for layer in ("raw", "staged", "history"):
            definition = defs.resolve_assets_def([layer, source])
            assert definition.op.pool == f"source_{source}"


def test_a_dagster_home_of_the_callers_own_wins_and_is_not_touched(tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    needed = dagster_home.prepare(settings(tmp_path), nowhere, {"DAGSTER_HOME": str(tmp_path)})
    assert needed == {"MODEL_ASSETS_HOME": str(tmp_path / "home"), "DAGSTER_HOME": str(tmp_path)}
    assert not (tmp_path / "home").exists()
    caller = {"DAGSTER_HOME": str(tmp_path), "DAGSTER_PG_URL": "postgresql+psycopg2://theirs"}
    assert dagster_home.prepare(settings(tmp_path), nowhere, caller)["DAGSTER_PG_URL"] == "postgresql+psycopg2://theirs"


def test_several_processes_can_make_dagsters_tables_at_once(ledger: str, tmp_path: Path) -> None:
    needed = dagster_home.prepare(settings(tmp_path), ledger, {})
    script = f"from model_assets import dagster_home\ndagster_home.create_tables({needed!r})"
    command = [sys.executable, "-c", script]
    makers = [subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(maker.communicate(timeout=60)[1], maker.returncode) for maker in makers] == [("", 0)] * 3
    with psycopg.connect(needed["DAGSTER_PG_URL"].replace("+psycopg2", "")) as connection:
        assert connection.execute("select to_regclass('runs'), to_regclass('job_ticks')").fetchone() == ("runs", "job_ticks")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(folder: Path) -> Settings:
    return read_settings({"MODEL_ASSETS_HOME": str(folder / "home")})


def page(port: int, path: str) -> str:
    """What the web server says, or nothing."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()
    return ""


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)
