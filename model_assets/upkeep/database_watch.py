"""The database under a supervisor's eye: asked every few seconds, and started again where it is the embedded one and its server is gone."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg

from model_assets.database import plain

EVERY = 5.0  # seconds between two looks
REVIVE = "import pathlib, sys; from model_assets import embedded; embedded.ensure_running(pathlib.Path(sys.argv[1]))"


class DatabaseWatch:
    """Whether the database at `url` answers. With a `home` it is the embedded one, and is started again by a process of its own, so that
    whoever watches can go on watching."""

    def __init__(self, url: str, home: Path | None) -> None:
        self.url = plain(url)
        self.home = home
        self.up = True
        self.down_since = 0.0
        self._looked = time.monotonic()
        self._reviver: subprocess.Popen[bytes] | None = None

    def answers(self, *, now: bool = False) -> bool:
        """Whether it answered at the last look, which is at most EVERY seconds ago, or taken `now`."""
        if now or time.monotonic() - self._looked >= EVERY:
            self._note(self._asked())
            self._looked = time.monotonic()
            if not self.up and self.home:
                self._revive(self.home)
        return self.up

    def down_for(self) -> float:
        """For how many seconds it has not answered."""
        return 0.0 if self.up else time.monotonic() - self.down_since

    def end(self) -> None:
        """Nothing of the watch is left; the database is as it is."""
        if self._reviver and self._reviver.poll() is None:
            self._reviver.kill()
            self._reviver.wait()

    def _asked(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _note(self, up: bool) -> None:
        if self.up and not up:
            self.down_since = time.monotonic()
            print(f"The database does not answer; {'it is started again' if self.home else 'waiting for it'}.", flush=True)
        if up and not self.up:
            print(f"The database answers again, after {self.down_for():.0f} s.", flush=True)
        self.up = up

    def _revive(self, home: Path) -> None:
        if self._reviver is None or self._reviver.poll() is not None:
            self._reviver = subprocess.Popen([sys.executable, "-c", REVIVE, str(home)], stdin=subprocess.DEVNULL)  # noqa: S603
