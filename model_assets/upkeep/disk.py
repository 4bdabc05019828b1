"""The space that is left where the embedded database lives: a server whose disk is full goes down and does not start again.

How much a server elsewhere has left cannot be known from here, so nothing is said of one that DATABASE_URL names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from model_assets import embedded
from model_assets.errors import NoRoom
from model_assets.settings import read_settings

MB = 1_000_000
SPARE = 256 * MB  # for the write-ahead log, and for what others write meanwhile
PER_BYTE = 3  # a payload is kept, staged and merged
SCARCE = 1024**3  # bytes; with less than this left somebody should act


@dataclass(frozen=True)
class Disk:
    """Where the embedded database keeps its data, and how many bytes are left there for it."""

    folder: Path
    free: int

    @property
    def is_scarce(self) -> bool:
        """Whether somebody should make room now: less than 1 GiB is left."""
        return self.free < SCARCE

    @property
    def what_to_do(self) -> str:
        """One line: what is left where, and what helps."""
        return (
            f"{self.free // MB} MB are left at {self.folder}, where the embedded database lives; syncs stop below {SPARE // MB} MB."
            " Free some space there, or move MODEL_ASSETS_HOME to a larger disk."
        )


def disk_of(url: str | URL, home: Path | None = None) -> Disk | None:
    """The disk of the database at `url`; None unless that is the embedded one of `home` (MODEL_ASSETS_HOME, unless given)."""
    address = make_url(url)
    folder = embedded.data_folder(home or read_settings().model_assets_home, address.host, address.port)
    if folder is None:
        return None
    found = os.statvfs(folder.parent)  # root may not enter `data` on every filesystem; it is on the same one
    return Disk(folder, found.f_bavail * found.f_frsize)


def require_room(url: str | URL, payload_bytes: int = 0) -> None:
    """Raises NoRoom, before anything is written, where a payload of so many bytes (0: not known yet) might fill the disk."""
    disk = disk_of(url)
    needed = SPARE + PER_BYTE * payload_bytes
    if disk and disk.free < needed:
        raise NoRoom(
            f"nothing was written: {disk.free // MB} MB are left at {disk.folder}, and {needed // MB} MB are needed, since a full disk"
            " takes the database down. Free some space there, or move MODEL_ASSETS_HOME to a larger disk."
        )
