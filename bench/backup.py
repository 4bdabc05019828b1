"""Backup, proof and restore of a ledger of real rows, timed: how long a backup takes, and how soon after a loss the ledger answers again.

    python -m bench.backup [ROWS ...]

Rows are the claims of `bench.ledger`, 1,000,000 unless told; the tables that follow from them are left empty, as they are rows like others.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.ledger import START, load, rows_of
from bench.server import scratch
from model_assets.backup.folder import Backup
from model_assets.backup.make import back_up, mib
from model_assets.backup.restore import restore
from model_assets.backup.server import at
from model_assets.backup.verify import verify

T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    """Print how many seconds `work` took; returns what it returns."""
    began = time.monotonic()
    done = work()
    print(f"  {what:32} {time.monotonic() - began:8.1f} s", flush=True)
    return done


def run(count: int) -> None:
    """Time everything at `count` rows of the ledger."""
    with scratch() as (url, _), tempfile.TemporaryDirectory() as folder:
        timed("first load", lambda: load(url, START, rows_of(count)))
        made = timed("backup", lambda: back_up(url, Path(folder)))
        _, proved = timed("backup verify", lambda: verify(made.dump, url))
        assert not proved.differing, proved
        timed("restore into a new database", lambda: restore(made.dump, at(url, "restored")))
        part = made.manifest.parts["ledger"]
        rows = {name: table.rows for name, table in part.tables.items()}
        print(f"  {rows['history.listing'] + rows['history.price']:,} claims, {sum(rows.values()):,} rows in {len(rows)} tables")
        print(f"  {mib(part.database_bytes)} on the server, {mib(Backup(made.dump, made.manifest).bytes)} in the backup")
        print(f"  not sound: {proved.unsound or 'nothing'}")


if __name__ == "__main__":
    for rows in map(int, sys.argv[1:] or ("1000000",)):
        print(f"\n{rows:,} rows")
        run(rows)
