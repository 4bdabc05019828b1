"""Redis, Celery's workers and Dagster's storage in Postgres: real processes on loopback, each the leader of a group, so that all of it can be
killed at once."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import yaml

from model_assets import dagster_home
from model_assets.database import dagster_url

PROJECT = Path(__file__).resolve().parents[2]
WORKER_YAML = PROJECT / "deploy" / "celery" / "worker.yaml"
BIN = Path(sys.executable).parent
LOCATION = "model_assets_tests.scaling.code_location"
REDELIVERED_AFTER = 15  # seconds; far longer than any step here, blocked ones apart
HAS_REDIS = shutil.which("redis-server") is not None
QUEUE = "dagster"
Found = TypeVar("Found")


def until(found: Callable[[], Found], what: str, seconds: float = 150) -> Found:
    """What is found, once it is: never a matter of timing, whatever else the machine does."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return result


@dataclass
class World:
    """One broker, one Dagster instance, one ledger, and the processes that work on them."""

    folder: Path
    ledger: str
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def broker(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def environment(self) -> dict[str, str]:
        """What every process of Dagster's and Celery's has to know."""
        return {
            "DATABASE_URL": self.ledger,
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "DAGSTER_PG_URL": dagster_url(self.ledger),
            "MODEL_ASSETS_EXECUTOR": "celery",
            "MODEL_CELERY_BROKER": self.broker,
            "PYTHONPATH": str(PROJECT),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

    def begin(self) -> None:
        """Redis runs, and Dagster's tables are there."""
        redis = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.start("redis", redis)
        until(self._redis_answers, "Redis answers")
        home = self.folder / "dagster"
        home.mkdir()
        content = dagster_home.instance(home)
        # runs start at once: no daemon is here that would take them from a queue
        del content["concurrency"]["runs"], content["run_queue"]
        content["run_coordinator"] = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
        del content["run_monitoring"], content["run_retries"]
        (home / "dagster.yaml").write_text(yaml.safe_dump(content))
        dagster_home.create_tables(self.environment())

    def _redis_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False

    def redis(self) -> Any:
        import redis

        return redis.Redis(port=self.port, decode_responses=True)

    def start(self, name: str, command: list[str]) -> None:
        """Start a process whose output goes to a file of that name."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env={**os.environ, **self.environment()}, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all that came from it."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL

    def end(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        for pid in self.left_over():  # the code server of a backfill does not always end when Dagster tells it to
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.left_over(), "all processes are gone")

    def left_over(self) -> list[int]:
        """The processes that know of this world by their environment: those above, and what Dagster started by itself."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def start_worker(self, name: str) -> None:
        """Start a worker as docs/scaling.md says, with the file of deploy/celery; only the time until a step is delivered again is shorter."""
        config = yaml.safe_load(WORKER_YAML.read_text())
        config["execution"]["config"]["config_source"]["broker_transport_options"] |= {
            "visibility_timeout": REDELIVERED_AFTER, "unacked_restore_interval": 2,
        }  # fmt: skip
        (self.folder / "worker.yaml").write_text(yaml.safe_dump(config))
        command = [
            str(BIN / "dagster-celery"),
            "worker",
            "start",
            "-A",
            "dagster_celery.app",
            "-n",
            name,
            "-y",
            str(self.folder / "worker.yaml"),
        ]
        self.start(name, [*command, "--", "--concurrency", "1"])

    def start_run(self, name: str, day: str) -> None:
        """Start a run of all assets for a day from the command line; its process hands the steps out."""
        command = [str(BIN / "dagster"), "asset", "materialize", "-m", LOCATION, "--select", "*", "--partition", day]
        self.start(name, command)

    def lives(self, name: str) -> bool:
        """True; where the process has ended, it fails with what the process said last."""
        assert self.processes[name].poll() is None, self.said(name)[-4000:]
        return True

    def ready(self, name: str) -> bool:
        return self.lives(name) and "ready." in self.said(name)

    def working_on(self, step: str) -> tuple[str, int] | None:
        """(worker, process id of its child) that executes a step now."""
        from dagster_celery.make_app import make_app

        app = make_app({"broker": self.broker, "backend": self.broker})
        for node, tasks in (app.control.inspect(timeout=2).active() or {}).items():
            for task in tasks:
                if step in json.dumps(task["kwargs"]):
                    return node.partition("@")[0], task["worker_pid"]
        return None

    def queued(self) -> list[str]:
        """The messages that no worker has taken; they lie in a list per priority."""
        redis = self.redis()
        lists = [key for key in redis.scan_iter(f"{QUEUE}*") if redis.type(key) == "list"]
        return [message for key in sorted(lists) for message in redis.lrange(key, 0, -1)]

    def unacknowledged(self) -> list[str]:
        """The messages that a worker took and did not acknowledge."""
        return [json.dumps(json.loads(kept)[0]) for kept in self.redis().hvals("unacked")]

    def deliver_again(self, message: str) -> None:
        """Put a copy of a message into the queue."""
        copy = json.loads(message)
        copy["properties"]["delivery_tag"] = str(uuid.uuid4())
        self.redis().lpush(QUEUE, json.dumps(copy))


def events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[dg.EventLogEntry]:
    """What Dagster's event log has of a run, of one kind."""
    return list(instance.all_logs(run_id, of_type=kind))
