"""Workers: processes in simulated time that are told what to do, and may be killed."""

import json
import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.soak.clock import Clock, forget
from model_assets.errors import ModelAssetsError

PATIENCE = 240.0
ROOT = Path(__file__).parents[2]
#: (when, the function's place, up to which call) where a sync can be killed
POINTS = [
    ("after", "model_assets.attempts:begin", 6),
    ("before", "model_assets.ledger.observations:record", 4),
    ("after", "model_assets.ledger.observations:record", 4),
    ("before", "model_assets.pipeline:stage", 3),
    ("after", "model_assets.pipeline:stage", 3),
    ("after", "model_assets.ledger.merge:lock_source", 4),
    ("after", "model_assets.ledger.merge:_merge_relation", 12),
    ("before", "model_assets.ledger.merge:keep_verdict", 4),
    ("after", "model_assets.ledger.merge:keep_verdict", 4),
    ("after", "model_assets.attempts:Attempt.fence", 4),
    ("after", "model_assets.pipeline:publish", 4),
    ("before", "model_assets.attempts:Attempt.finish", 6),
    ("after", "model_assets.attempts:Attempt.finish", 6),
]


class WorkerGone(Exception):
    """The worker ended before it answered."""


class Worker:
    """A worker that was started and may not be up yet."""

    def __init__(self, folder: Path, clock: Clock, url: str) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(folder),
            "DATABASE_URL": url, "MODEL_ASSETS_HOME": str(folder / "home"), "MODEL_CURATED_FILE": str(folder / "curated.yml"),
            "MODEL_NEWS_FEEDS": str(folder / "feeds.yml"), **clock.environment,
        }  # fmt: skip
        with (folder / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.soak.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment,
            )

    def ask(self, what: str, **given: object) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, "with": given}).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Its answer: {"done": ...}, or {"down": ...} where the database was. Raises WorkerGone, ModelAssetsError where it says nothing."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise ModelAssetsError(f"a worker of the soak has not answered for {PATIENCE:.0f} s; see worker.log in the soak's folder.")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerGone(f"the worker ended with {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def do(self, what: str, **given: object) -> Any:
        """Tell it what to do, and wait until it is done. Raises WorkerGone, ModelAssetsError where the database was down."""
        self.ask(what, **given)
        answer = self.answer()
        if "down" in answer:
            raise ModelAssetsError(answer["down"])
        return answer["done"]

    @property
    def resident_mib(self) -> float:
        """Its memory that is resident now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Wait for its end, which the end of its input brings about."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        forget(self.process.pid)


def deadly_point(chance: random.Random) -> tuple[str, str, int]:
    """A random point of a sync to be killed at."""
    when, place, most = chance.choice(POINTS)
    return when, place, chance.randint(1, most)


def left_over(folder: Path) -> list[str]:
    """Processes that were started for the soak in a folder and are still there, by what is in their environment."""
    mark, found = f"FAKETIME_TIMESTAMP_FILE={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(
                    f"process {process.name}: {(process / 'cmdline').read_bytes().replace(bytes(1), b' ').decode(errors='replace')[:80]}"
                )
        except OSError:  # it has ended, or is another user's
            continue
    return found
