"""Services kept alive by this process: each is started, awaited, started again when it dies, and ended.

If one keeps dying, all are ended. SIGINT, SIGTERM or a closed terminal ends all, each with its whole process group, and never Postgres. If this
process is killed outright, Linux kills the children too; only runs that were under way go on to their end (elsewhere than on Linux the children
go on as well).
"""

import contextlib
import ctypes
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model_assets.errors import ModelAssetsError
from model_assets.upkeep.database_watch import DatabaseWatch

PATIENCE = 180.0  # seconds that a service has for its first answer
GRACE = 10.0  # seconds between SIGTERM and SIGKILL; left alone, the code server can take more than a minute
DEATHS, WITHIN = 5, 120.0  # this many deaths within these seconds are too many
LONGEST_WAIT = 30.0
DATABASE_PATIENCE = 300.0  # seconds that the database may be down
LOG_LIMIT = 10_000_000  # bytes; a larger log is put aside when its service starts
PR_SET_PDEATHSIG = 1


class CannotRun(ModelAssetsError):
    """Something cannot be started, or keeps dying."""


@dataclass(frozen=True)
class Service:
    """A process to keep alive. `ready` says whether it answers (None: it only has to live); `address` is printed when it does."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    address: str = ""


def keep_alive(stages: Sequence[Sequence[Service]], environment: Mapping[str, str], logs: Path, watch: DatabaseWatch | None = None) -> None:
    """Start each stage when the one before answers, then keep all alive until a signal. No process of theirs is left, however it ends.

    `environment` is added to this process's. While the database that is watched is down, deaths are no surprise, and what died is started
    again when it answers. Raises CannotRun, with the end of the log, for a service that never answers or keeps dying, and where the database
    is down for too long.
    """
    with _signals() as asked:
        crew = _Crew(environment, logs, asked, watch)
        try:
            for stage in stages:
                crew.start(stage)
            if not asked:
                print(f"All runs. Logs: {logs}. Ctrl-C ends it; Postgres goes on.", flush=True)
            while not asked:
                crew.look_after()
                time.sleep(0.2)
        finally:
            crew.end()


class _Crew:
    """The children. `asked` holds the signals that arrived: any means to end, another one meanwhile to end at once."""

    def __init__(self, environment: Mapping[str, str], logs: Path, asked: list[int], watch: DatabaseWatch | None) -> None:
        self.environment = {**os.environ, **environment}
        self.logs = logs
        self.asked = asked
        self.watch = watch
        self.children: list[_Child] = []

    def start(self, services: Sequence[Service]) -> None:
        """Start these, and wait until all of them answer or a signal arrives."""
        new = [_Child(service, self.logs / f"{service.name}.log") for service in services]
        for child in new:
            self.children.append(child)
            child.start(self.environment)
        deadline = time.monotonic() + PATIENCE
        while not self.asked and (silent := [child for child in new if not child.answers()]):
            self.look_after()
            if time.monotonic() > deadline:
                raise CannotRun(f"{silent[0].service.name} does not answer, {PATIENCE:.0f} s after its start. {silent[0].log_end()}")
            time.sleep(0.1)

    def look_after(self) -> None:
        """Notice who died, and start again whose time has come, if the database answers: without it they would die once more."""
        up = self._database_answers()
        for child in self.children:
            if child.has_died():
                up = self._database_answers(now=True)
                child.note_death(surprising=up)
            child.living_groups()
            if up and child.due is not None and time.monotonic() >= child.due:
                child.start(self.environment)

    def _database_answers(self, now: bool = False) -> bool:
        if self.watch is None or self.watch.answers(now=now):
            return True
        if self.watch.down_for() > DATABASE_PATIENCE:
            raise CannotRun(
                f"The database does not answer for {DATABASE_PATIENCE:.0f} s. Start it, or correct DATABASE_URL; then start again."
            )
        return False

    def end(self) -> None:
        """SIGTERM for all, and after GRACE or at another signal SIGKILL for those who are left."""
        if self.watch:
            self.watch.end()
        before = len(self.asked)
        deadline = time.monotonic() + GRACE
        self._send(signal.SIGTERM)
        while self._groups() and time.monotonic() < deadline and len(self.asked) == before:
            time.sleep(0.05)
        self._send(signal.SIGKILL)
        deadline = time.monotonic() + 5  # what SIGKILL does not end waits for a disk, or for a father who does not bury it
        while self._groups() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _send(self, number: signal.Signals) -> None:
        for group in self._groups():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def _groups(self) -> list[int]:
        return [group for child in self.children for group in child.living_groups()]


class _Child:
    """One service: its process now, and the groups of earlier ones in which something still runs (a run outlives its code server)."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.groups: list[int] = []
        self.answered = False
        self.began = 0.0
        self.due: float | None = None
        self.deaths: deque[float] = deque(maxlen=DEATHS)
        self.quick_deaths = 0

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process in a session of its own, so that a Ctrl-C of the terminal reaches us alone."""
        self.due, self.answered, self.began = None, False, time.monotonic()
        command = list(self.service.command)
        try:
            with _log(self.log) as log:
                log.write(f"--- {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%SZ} {' '.join(command)}\n".encode())
                log.flush()
                self.process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=_die_with(os.getpid()),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotRun(f"{self.service.name} cannot be started: {error}. The command was: {' '.join(command)}") from None
        self.groups.append(self.process.pid)

    def answers(self) -> bool:
        """Whether it lives and has answered since its start."""
        if self.due is not None or self.process is None or self.process.poll() is not None:
            return False
        if not self.answered and (self.service.ready is None or self.service.ready()):
            self.answered = True
            if self.service.address:
                print(f"{self.service.name}: {self.service.address}", flush=True)
        return self.answered

    def has_died(self) -> bool:
        """Whether it died, and nobody noted it yet."""
        return self.due is None and self.process is not None and self.process.poll() is not None

    def note_death(self, surprising: bool) -> None:
        """Set the time of the next start. Raises CannotRun if it died too often, its deaths without a database not counted."""
        assert self.process is not None
        now, name, how = time.monotonic(), self.service.name, _how(self.process.returncode)
        if surprising:
            self.deaths.append(now)
        if len(self.deaths) == DEATHS and now - self.deaths[0] <= WITHIN:
            raise CannotRun(f"{name} died {DEATHS} times within {WITHIN:.0f} s, last {how}. {self.log_end()}")
        self.quick_deaths = self.quick_deaths + 1 if surprising and now - self.began < WITHIN else 1
        wait = min(2.0 ** (self.quick_deaths - 1), LONGEST_WAIT)
        self.due = now + wait
        last = (_last_lines(self.log, 1) or ["nothing"])[0][:300]
        print(f"{name} died {how} and is started again in {wait:.0f} s. Its log ends: {last}", flush=True)

    def living_groups(self) -> list[int]:
        """The process groups in which something runs. Ended ones are forgotten, because their numbers are given to others."""
        current = self.process.pid if self.process is not None and self.process.poll() is None else None
        self.groups = [group for group in self.groups if group == current or _lives(group)]
        return self.groups

    def log_end(self) -> str:
        """What to do, and the end of the log."""
        lines = "\n".join(f"  {line}" for line in _last_lines(self.log, 20))
        return f"Mend what its log says, and start again. The end of {self.log}:\n{lines}"


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The list to which every SIGINT, SIGTERM and SIGHUP is added. One that is ignored (`nohup`) stays so."""
    asked: list[int] = []
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: asked.append(number)) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _log(path: Path) -> Iterator[BinaryIO]:
    """The log, to append to; one that has grown too large is put aside first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        os.replace(path, path.with_name(f"{path.name}.1"))
    with path.open("ab") as log:
        yield log


def _last_lines(path: Path, count: int) -> list[str]:
    """The last lines with something in them."""
    if not path.exists():
        return []
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        lines = log.read().decode(errors="replace").splitlines()
    return [line.rstrip() for line in lines if line.strip()][-count:]


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask Linux to be killed when its parent is. SIGKILL, since SIGTERM may be ignored."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here, because the child may do little between fork and exec

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent was killed before the child asked

    return ask


def _lives(group: int) -> bool:
    """Whether a group has a process. As a container's first process we inherit orphans, and have to bury them to get rid of them."""
    try:
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _how(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {-code} ({signal.strsignal(-code)})"
