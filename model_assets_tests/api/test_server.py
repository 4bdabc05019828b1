"""`model-assets api` as a process: without its database, while that is killed under load and comes back, when it is busy; its workers and metrics."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import jwt
import psycopg
import pytest

from model_assets import database, embedded, loading, recording_files
from model_assets.readiness import migrated
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES
from model_assets_tests.api.conftest import AUDIENCE, ISSUER, SECRET
from model_assets_tests.api.test_connections import until
from model_assets_tests.in_memory import in_memory

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds, on two busy cores; alone it takes one or two
READY = "/readyz?without_daemon=true"
LOAD = ("/api/v1/models", "/api/v1/models?q={n}", "/api/v1/changes?limit={n}", "/healthz")


class Process:
    """A `model-assets api` of its own."""

    def __init__(self, folder: Path, url: str, *words: str, **environment: str) -> None:
        self.port, self.log = free_port(), folder / "api.log"
        said = {"DATABASE_URL": url, "MODEL_ASSETS_HOME": str(folder / "home"), "API_RATE_LIMITS": "off", "JWT_SECRET": SECRET}
        said |= {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "DB_RETRY_MS": "10", "PYTHONPATH": str(PROJECT), **environment}
        command = [sys.executable, "-m", "model_assets", "api", "--port", str(self.port), *words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **said}, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)

    def status(self, path: str) -> int:
        """The status of an answer; 0 where nobody answers."""
        with contextlib.suppress(httpx.TransportError):
            return self.client.get(path).status_code
        return 0

    def until(self, path: str, status: int, seconds: float = PATIENCE) -> None:
        """Return once it answers so; it must not end meanwhile."""

        def answered() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.status(path) == status

        until(answered, seconds)

    def end(self) -> int:
        """Ask it to end, and wait until nothing of it is left. Its exit code."""
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of an embedded database that may be killed, with all bundled recordings."""
    with tempfile.TemporaryDirectory(prefix="model-assets-api-", dir=in_memory()) as made:
        Path(made).chmod(0o755)
        home = Path(made) / "home"
        url = database.with_driver(embedded.ensure_running(home).url(), "psycopg")
        migrated(url)
        loading.import_recordings(url, recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings, lambda _: None)
        settle(url, read_settings({}).model_policy_file)
        database.engine(url).dispose()
        yield home
        embedded.stop(home)


@pytest.fixture
def url(home: Path) -> str:
    """The plain URL of its server, which runs."""
    return embedded.ensure_running(home).url()


class Load:
    """Clients that ask without pause, each on its own connection, until `end`. What they were answered: (status, Retry-After)."""

    def __init__(self, port: int, clients: int = 8) -> None:
        self.answers: list[tuple[int, str | None]] = []
        self.silent = 0
        self._ending = threading.Event()
        now = int(time.time())
        token = jwt.encode({"sub": "a user", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600}, SECRET, "HS256")
        headers: Sequence[dict[str, str]] = ({}, {"Authorization": f"Bearer {token}"})
        self._threads = [threading.Thread(target=self._ask, args=(port, headers[number % 2]), daemon=True) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def statuses(self) -> Counter[int]:
        return Counter(status for status, _ in self.answers)

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _ask(self, port: int, headers: dict[str, str]) -> None:
        turn = 0
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False) as client:
            while not self._ending.is_set():
                turn += 1
                try:
                    answer = client.get(LOAD[turn % len(LOAD)].format(n=turn % 100 + 1))
                    self.answers.append((answer.status_code, answer.headers.get("retry-after")))
                except httpx.TransportError:
                    self.silent += 1


def test_it_starts_without_a_database_and_outlives_one_that_is_killed_under_load(home: Path, url: str, tmp_path: Path) -> None:
    embedded.stop(home)
    api = Process(tmp_path, url)
    try:
        api.until("/healthz", 200)
        assert "The API starts without it." in api.log.read_text()
        for path in ("/readyz", READY, "/api/v1/models"):
            answer = api.client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), answer.text
        assert api.client.get("/readyz").json()["error"]["details"] == {"database": "does not answer"}
        assert embedded.ensure_running(home).url() == url
        api.until(READY, 200)
        assert "never ran here" in api.client.get("/readyz").json()["error"]["details"]["daemon"]

        load = Load(api.port)
        until(lambda: load.statuses()[200] > 100)
        folder = embedded._folder(home)
        assert folder is not None
        postmaster = embedded._postmaster(folder)
        assert postmaster
        os.kill(postmaster, signal.SIGKILL)
        until(lambda: load.statuses()[503] > 20)
        assert api.status("/healthz") == 200
        assert embedded.ensure_running(home).url() == url
        api.until(READY, 200)
        count = load.statuses()[200]
        until(lambda: load.statuses()[200] > count + 100)
        load.end()
        assert set(load.statuses()) == {200, 503}
        assert {after for status, after in load.answers if status == 503} == {"2"}
        assert load.silent == 0
        assert "Traceback" not in api.log.read_text()
    finally:
        api.end()


def test_a_database_without_a_connection_to_spare_or_under_a_lock_is_a_503_and_not_a_wait(url: str, tmp_path: Path) -> None:
    api = Process(tmp_path, url)
    try:
        api.until("/api/v1/models", 200)
        with contextlib.ExitStack() as held:
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(contextlib.closing(psycopg.connect(url)))
            refused_within_seconds(api, "full")
        api.until("/api/v1/models?q=there+is+room", 200)
        with psycopg.connect(url) as holder:
            holder.execute("lock table catalog.model_card in access exclusive mode")
            refused_within_seconds(api, "locked")
            holder.rollback()
        api.until("/api/v1/models?q=unlocked", 200)
    finally:
        api.end()


def refused_within_seconds(api: Process, word: str) -> None:
    """Thirty at once ask what takes the database; some may be answered, nobody waits for long. What is kept, and the process's health, is served."""
    found: list[tuple[int, str | None, float]] = []

    def ask(number: int) -> None:
        began = time.monotonic()
        answer = httpx.get(f"http://127.0.0.1:{api.port}/api/v1/models?q={word}{number}", timeout=60, trust_env=False)
        found.append((answer.status_code, answer.headers.get("retry-after"), time.monotonic() - began))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    assert api.status("/healthz") == 200
    assert api.status("/api/v1/models") == 200
    for thread in threads:
        thread.join()
    assert len(found) == 30
    assert {(status, after) for status, after, _ in found} - {(200, None)} == {(503, "2")}
    assert max(seconds for _, _, seconds in found) < 8  # alone it takes two


def test_several_workers_count_together_and_end_together(url: str, tmp_path: Path) -> None:
    own_port = free_port()
    api = Process(tmp_path, url, "--workers", "2", API_METRICS_PORT=str(own_port))
    try:
        api.until(READY, 200)
        for _ in range(40):
            assert httpx.get(f"http://127.0.0.1:{api.port}/healthz", trust_env=False).status_code == 200
        for where in (api.port, own_port):
            said = httpx.get(f"http://127.0.0.1:{where}/metrics", trust_env=False).text
            counted = [
                line for line in said.splitlines() if line.startswith("model_assets_api_request_seconds_count") and 'group="health"' in line
            ]
            assert sum(float(line.rpartition(" ")[2]) for line in counted) >= 40
            assert "model_assets_database_up 1.0" in said
        assert httpx.get(f"http://127.0.0.1:{own_port}/api/v1/models", trust_env=False).headers["content-type"].startswith("text/plain")
    finally:
        api.end()
    deadline = time.monotonic() + 30  # the last worker may be on its way out
    while left := [pid.name for pid in Path("/proc").glob("[0-9]*") if str(tmp_path).encode() in environment(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def environment(process: Path) -> bytes:
    with contextlib.suppress(OSError):
        return (process / "environ").read_bytes() if process.name != str(os.getpid()) else b""
    return b""


@pytest.mark.parametrize(
    ("said", "environment"),
    [
        ("JWT_SECRET is 5 bytes long, which can be guessed.", {"JWT_SECRET": "short"}),
        ("API_PORT is '0'. Use a whole number from 1 to 65535.", {"API_PORT": "0"}),
        ("API_WORKERS is 'many'. Use a whole number from 1 to 64.", {"API_WORKERS": "many"}),
    ],
)
def test_a_setting_that_cannot_be_used_ends_it_with_one_line(tmp_path: Path, said: str, environment: dict[str, str]) -> None:
    api = Process(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing", **environment)
    assert api.process.wait(60) == 2
    [line] = api.log.read_text().splitlines()
    assert line.startswith(f"model-assets: {said}")


def test_a_taken_port_ends_it_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = Process(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing", "--port", str(port))
        assert api.process.wait(60) == 1
    assert api.log.read_text() == f"model-assets: Port {port} of 127.0.0.1 is taken, and nothing was started. Choose another with --port.\n"
