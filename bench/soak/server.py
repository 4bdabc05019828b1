"""A Postgres of the soak's own that lives in simulated time, and that can be shot and started again."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.soak.clock import Clock, forget
from model_assets import embedded, embedded_binaries
from model_assets.errors import DatabaseDown

PATIENCE = 120.0
#: a process that is shot loses nothing that it gave to the kernel: only a power cut would, and none is simulated
SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": "60", "shared_buffers": "64MB",
    "max_wal_size": "512MB", "timezone": "UTC", "log_timezone": "UTC", "jit": "off", "log_checkpoints": "off",
}  # fmt: skip


class Server:
    """The server of one soak. `pid` is its first process."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._data, self._clock = folder / "postgres" / "data", clock
        self._account: dict[str, Any] = embedded_binaries.account_of(None)  # as root it runs as another user
        self._programs = embedded_binaries.programs()
        self._log = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = embedded._free_port(None)
        self._data.parent.mkdir()
        if self._account:
            os.chown(self._data.parent, self._account["user"], self._account["group"])
        made = embedded_binaries.run(
            [str(self._programs / "initdb"), "-D", str(self._data), "-U", embedded.ROLE, "--auth=trust", "--no-sync", *embedded.LOCALE],
            self._account, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if made.returncode:
            raise DatabaseDown(f"initdb could not make {self._data}: {made.stdout.decode(errors='replace')[-500:]}")

    @property
    def pid(self) -> int:
        """The id of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "soak") -> str:
        """A SQLAlchemy URL."""
        return f"postgresql+psycopg://{embedded.ROLE}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "soak") -> psycopg.Connection:
        """A connection of its own, in autocommit."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=embedded.ROLE,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
            application_name="soak",
        )

    def start(self) -> None:
        """Start it and wait until it answers; after a shot, its last children may still be on their way out. Raises DatabaseDown."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise DatabaseDown(f"the soak's Postgres gave no answer for {PATIENCE:.0f} s; see {self._log}.")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = [word for name, value in {"port": str(self.port), **SETTINGS}.items() for word in ("-c", f"{name}={value}")]
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **self._clock.environment}
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", env=environment, start_new_session=True, **self._account,
            )  # fmt: skip

    def shoot(self) -> None:
        """Kill its first process, as the kernel does when memory is short."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        forget(self.pid)

    def stop(self) -> None:
        """Stop it as `pg_ctl -m fast stop` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)
