"""Simulated time, by libfaketime: every process started with `environment` sees the instant that this process, which is not fooled, sets."""

import os
import time
from datetime import datetime
from pathlib import Path

from model_assets import database
from model_assets.errors import ModelAssetsError


def library() -> Path:
    """libfaketime of this machine. Raises ModelAssetsError where there is none."""
    found = sorted(path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1"))
    if not found:
        raise ModelAssetsError("libfaketime was not found, and simulated days need it. Install it (Debian: apt install faketime).")
    return found[0]


def forget(pid: int) -> None:
    """Take away what libfaketime leaves behind of a process that was killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (Path("/dev/shm") / name).unlink(missing_ok=True)


def without_timeouts() -> None:
    """Let this process's sessions of the database know no timeouts. A server under libfaketime sees the real time where an alarm reaches it while it
    waits, such as the second after which it looks for deadlocks: in its past every timeout of the session is then over."""
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        database.SESSION[name] = "0"


class Clock:
    """The time of the simulation. It flows as real time does, and jumps where it is set; timeouts and pauses are real seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = library()

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with to live in simulated time."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # the fix makes threads that wait for Python's lock spin: a sync took four times as long
        }

    def set(self, instant: datetime) -> None:
        """Jump to an instant. The file is replaced whole, since others read it at every look at the clock."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{int(instant.timestamp() - time.time()):+d}\n")
        new.chmod(0o644)
        os.replace(new, self._file)
