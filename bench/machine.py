"""CPU and memory of a benchmark: of this process and of everything its Postgres server does for it."""

import gc
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def server_cpu(postmaster: int) -> float:
    """CPU seconds of a Postgres server since its start: the postmaster, the children it has now, and those that ended."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = _stat(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(entry.name) == postmaster:
            total += sum(int(ticks) for ticks in fields[11:15])
        elif int(fields[1]) == postmaster:
            total += sum(int(ticks) for ticks in fields[11:13])
    return total / TICK


def cpu_of(work: Callable[[], object], postmaster: int) -> float:
    """CPU seconds, of this process and of the server, that `work` took. The server's clock ticks in hundredths."""
    gc.collect()
    own, server = resource.getrusage(resource.RUSAGE_SELF), server_cpu(postmaster)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime + server_cpu(postmaster) - server


def resident_mib() -> float:
    """Memory of this process that is resident now, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def peak_above_idle() -> Iterator[list[float]]:
    """Append, at the end of the block, by how many MiB its peak was above the memory in use at its start."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    idle = resident_mib()
    found: list[float] = []
    yield found
    peak = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    found.append(peak / 1024 - idle)
