"""400 simulated days with faults and kills: python -m bench.soak [--days N] [--seed N] [--models N] [--first DAY --last DAY]

Ends with 0 only if every claim of the table held. What breaks is printed with the command that lives through that day again.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.soak.claims import Claims
from bench.soak.clock import without_timeouts
from bench.soak.days import Soak
from bench.soak.processes import WorkerGone, left_over
from model_assets.errors import ModelAssetsError


def main(arguments: list[str] | None = None) -> int:
    """Run a soak. Returns the exit code."""
    wanted = _wanted(arguments)
    first, last = wanted.first, wanted.days - 1 if wanted.last is None else wanted.last
    claims = Claims(
        f"python -m bench.soak --days {wanted.days} --seed {wanted.seed} --models {wanted.models} --first {{first}} --last {{last}}"
    )
    print(f"seed {wanted.seed}: days {first} to {last} of {wanted.days}, 4 providers with {wanted.models} models each", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="model-assets-soak-"))
    folder.chmod(0o755)  # as root the server runs as another user, who must be able to enter
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    without_timeouts()
    began = time.monotonic()
    soak = None
    try:
        soak = Soak(folder, wanted.seed, wanted.days, wanted.models, claims)
        soak.open()
        for number in range(last + 1):
            if number:
                soak.world.step(number)
            if number >= first:
                soak.run(number)
                if number % 20 == 0:
                    print(f"day {number}: {time.monotonic() - began:.0f} s", flush=True)
        soak.finish(last)
    except (ModelAssetsError, WorkerGone) as error:
        print(f"the soak could not go on: {error}", file=sys.stderr)
        _show_logs(folder)
        return 2
    finally:
        if soak is not None:
            soak.close()
        orphans = left_over(folder)
        if not wanted.keep:
            shutil.rmtree(folder, ignore_errors=True)
    claims.look(last, "no process is left behind", orphans)
    print(
        f"{claims.table()}\n{'all claims hold' if claims.hold else 'NOT all claims hold'}: seed {wanted.seed}, {time.monotonic() - began:.0f} s"
    )
    return 0 if claims.hold else 1


def _wanted(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", type=int, default=50, help="of each of the four providers; 2000 is the long form")
    parser.add_argument("--first", type=int, default=0, help="live through this day first; the world before it is not loaded")
    parser.add_argument("--last", type=int, help="and through this one last")
    parser.add_argument("--keep", action="store_true", help="leave the folder with the database and the logs")
    return parser.parse_args(arguments)


def _show_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- the end of {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
