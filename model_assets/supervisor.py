"""Everything Dagster needs, kept running by one process: the code server, the web server, the daemon, and services that others add."""

import contextlib
import errno
import fcntl
import http.client
import ipaddress
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from model_assets import dagster_home
from model_assets.errors import SettingsError
from model_assets.keeping_alive import CannotRun, Service, keep_alive
from model_assets.settings import Settings
from model_assets.upkeep.database_watch import DatabaseWatch

HEALTH = """{
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } }
  instance { daemonHealth { allDaemonStatuses { required lastHeartbeatTime } } }
}"""


def run(
    settings: Settings,
    url: str,
    *,
    host: str = "127.0.0.1",
    port: int = 3000,
    module: str = "model_assets",
    services: Sequence[Service] = (),
    launching: bool = False,
) -> int:
    """Run Dagster on the definitions of `module`, and `services` beside it, until a signal ends all (0) or something cannot run (1).

    `url` is the ledger's database, which is started again if it is the embedded one. Whoever can reach the web server can start runs, so it is
    read-only unless `host` is this machine's own, or others shall be able to (`launching`).
    """
    watch = DatabaseWatch(url, None if settings.database_url else settings.model_assets_home)
    try:
        with _only_one(settings.model_assets_home):
            check_port(host, port)
            environment = dagster_home.prepare(settings, url)
            dagster_home.create_tables(environment, end_leftovers=True)
            code_server, *clients = dagster_services(settings.model_assets_home, host, port, module, launching)
            keep_alive([[code_server], [*clients, *services]], environment, settings.model_assets_home / "logs", watch)
    except CannotRun as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def check_port(host: str, port: int, what: str = "the web page", options: tuple[str, str] = ("--host", "--port")) -> None:
    """Raises CannotRun, with what to do, if nobody can listen there."""
    if not 0 < port < 65536:
        raise CannotRun(f"{port} is no port for {what}: choose one from 1 to 65535 with {options[1]}.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does: closed connections do not count
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotRun(f"Port {port} of {host} is taken, and nothing was started. Choose another with {options[1]}.") from None
        said = f"{what[0].upper()}{what[1:]} cannot have port {port} of {host}: {error.strerror}. Change {' or '.join(options)}."
        raise CannotRun(said) from None


def dagster_services(home: Path, host: str, port: int, module: str, launching: bool = False) -> list[Service]:
    """The code server, and its two clients: the web server and the daemon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        code_port = int(probe.getsockname()[1])
    workspace = home / "workspace.yaml"
    where = {"host": "127.0.0.1", "port": code_port, "location_name": module}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": where}]}), encoding="utf-8")
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    address = f"http://{f'[{asked}]' if ':' in asked else asked}:{port}"
    read_only = [] if launching or _is_loopback(host) else ["--read-only"]
    began = time.time()

    def python(*words: str) -> list[str]:
        return [sys.executable, "-m", *words]

    served = ["--host", "127.0.0.1", "--port", str(code_port), "--location-name", module, "--use-python-environment-entry-point"]
    return [
        Service("code-server", python("dagster", "api", "grpc", "--module-name", module, *served), lambda: _listens(code_port)),
        Service(
            "web",
            python("dagster_webserver", "-h", host, "-p", str(port), "-w", str(workspace), *read_only),
            lambda: _web_answers(asked, port),
            address + (" (read-only, because other machines can reach it)" if read_only else ""),
        ),
        Service("daemon", python("dagster._daemon", "run", "-w", str(workspace)), lambda: _daemon_beats(asked, port, began)),
    ]


def api_service(host: str, port: int) -> Service:
    """The HTTP API. It is ready when it answers; whether it can do its work, /readyz says."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return Service(
        "api",
        [sys.executable, "-m", "model_assets", "api", "--host", host, "--port", str(port)],
        lambda: _ask(asked, port, "GET", "/health") is not None,
        f"http://{f'[{asked}]' if ':' in asked else asked}:{port}",
    )


def runs_on(home: Path) -> str | None:
    """The process number of the supervisor that runs on this home; null where none does."""
    try:
        with open(home / "up.lock", "r+", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and let go at once
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return (home / "up.lock").read_text(encoding="ascii").strip() or "unknown"
    return None


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """One supervisor per home: two daemons would disagree. The lock ends with its holder."""
    try:
        (home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(f"{home} cannot hold logs: {error}. Let MODEL_ASSETS_HOME be a folder of this user's.") from error
    with open(handle, "r+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = lock.read().strip() or "unknown"
            raise CannotRun(f"All of it runs already on {home} (process {who}). End that one, or set another MODEL_ASSETS_HOME.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _listens(port: int) -> bool:
    """Whether the code server lets us in: it opens its port when it has loaded its definitions."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


def _web_answers(host: str, port: int) -> bool:
    """Whether the web server answers and has loaded the definitions."""
    if _ask(host, port, "GET", "/server_info") is None or (health := _health(host, port)) is None:
        return False
    entries = health["workspaceOrError"].get("locationEntries") or []
    return bool(entries) and all(((entry["locationOrLoadError"] or {}).get("__typename")) == "RepositoryLocation" for entry in entries)


def _daemon_beats(host: str, port: int, since: float) -> bool:
    """Whether each of the daemon's required parts has had a heartbeat since then, as the web server sees it."""
    if (health := _health(host, port)) is None:
        return False
    required = [status for status in health["instance"]["daemonHealth"]["allDaemonStatuses"] if status["required"]]
    return bool(required) and all((status["lastHeartbeatTime"] or 0) >= since for status in required)


def _health(host: str, port: int) -> Any:
    answer = _ask(host, port, "POST", "/graphql", json.dumps({"query": HEALTH}))
    return (answer or {}).get("data")


def _ask(host: str, port: int, method: str, path: str, body: str | None = None) -> Any:
    """The JSON of a good answer, or None. By no proxy, whatever the environment says."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    return None
