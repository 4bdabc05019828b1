"""Where the servers of tests keep their files."""

import os
import shutil
from pathlib import Path

FOLDER = "/dev/shm"
ROOM = 8 * 1024**3  # bytes; each of a handful of servers may keep 1 GiB of its log beside its databases


def in_memory() -> str | None:
    """A folder in memory, where a database is copied in a tenth of the time that a disk takes; None where there is little room, or
    where programs may not be run from: root's server runs from a copy that lies beside its files."""
    if not Path(FOLDER).is_dir() or not os.access(FOLDER, os.W_OK) or os.statvfs(FOLDER).f_flag & os.ST_NOEXEC:
        return None
    return FOLDER if shutil.disk_usage(FOLDER).free > ROOM else None
