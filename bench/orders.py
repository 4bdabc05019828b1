"""Import real recordings in many orders, each into a database of its own, and compare the ledgers byte by byte.

    python -m bench.orders FOLDER [SEED]

Forwards, backwards, shuffled, twice, and in two threads at once. Exit code 0 only if all dumps of history.* are equal.
"""

import hashlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from sqlalchemy import text

from bench.server import scratch
from model_assets import loading, recording_files
from model_assets.access.policy import FILE
from model_assets.database import connect, plain
from model_assets.recording_files import Recording
from model_assets.settling import settle
from model_assets.soundness import unsound
from model_assets.sources import SOURCES

TABLES = (
    "history.listing, history.price, history.score, history.mention, history.link, history.score_link, history.mention_link,"
    " ops.popularity, ops.held_change, ops.derived, ops.source,"
    " ops.observation, ops.quarantine, ops.sync_run, raw.payload, raw.body, staged.change_set"
)


DUMPED = {
    "history.listing": "key_id, lower(seen)",
    "history.price": "key_id, lower(seen)",
    "history.score": "key_id, lower(seen)",
    "history.mention": "key_id, lower(seen)",
    "history.link": "key_id, lower(seen)",
    "history.score_link": "source, spelled",
    "history.mention_link": "key_id, model, begins_at",
    "ops.popularity": "source, collection, entry",
    "ops.held_change": "held_id",
    "catalog.price_span": "offer, meter, service_tier, prompt_above_tokens, time_window, region, detail, currency, served_in, key_id",
}


def dump(url: str) -> str:
    """The SHA-256 of the ledger and of what follows from it, every column of every row as text, in the order of keys and time."""
    digest = hashlib.sha256()
    with psycopg.connect(plain(url)) as connection:
        for relation, order in DUMPED.items():
            query = f"copy (select * from {relation} order by {order}) to stdout"
            with connection.cursor().copy(query.encode()) as copy:
                for block in copy:
                    digest.update(block)
    return digest.hexdigest()


def transaction_now(url: str) -> int:
    """The number of a transaction that has just begun."""
    with connect(url) as connection:
        return int(connection.execute(text("select cast(cast(pg_current_xact_id() as text) as bigint)")).scalar_one())


def claims_written_since(url: str, transaction: int) -> int:
    """How many rows of history were written by that transaction or a later one. (The server's statistics come too late to ask them.)"""
    query = "select count(*) from history.{name} where cast(cast(xmin as text) as bigint) >= :since"
    with connect(url) as connection:
        return sum(
            connection.execute(text(query.format(name=name)), {"since": transaction}).scalar_one()
            for name in ("listing", "price", "score", "mention")
        )


def load(url: str, recordings: Sequence[Recording]) -> None:
    """Import in the order given; every error ends the program."""
    errors = [error for report in loading.import_recordings(url, recordings, lambda _: None) for error in report.errors]
    if errors:
        sys.exit("\n".join(errors))
    settle(url, FILE)


def side_by_side(url: str, recordings: Sequence[Recording]) -> None:
    """Two threads, every second day each, so that both always want the same source."""
    days = sorted({(one.source, one.observed_at.date()) for one in recordings})
    halves = [[one for one in recordings if days.index((one.source, one.observed_at.date())) % 2 == half] for half in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda half: load(url, half), halves))


def main(folder: str, seed: int) -> int:
    """Run every order; say what came of it."""
    found = list(recording_files.find(Path(folder), SOURCES).recordings)
    shuffled = random.Random(seed).sample(found, len(found))
    orders: dict[str, Callable[[str], None]] = {
        "forwards": lambda url: load(url, found),
        "backwards": lambda url: load(url, found[::-1]),
        f"shuffled (seed {seed})": lambda url: load(url, shuffled),
        "in two threads": lambda url: side_by_side(url, found),
    }
    dumps = set()
    with scratch() as (url, _):
        for name, order in orders.items():
            with connect(url) as connection:
                connection.execute(text(f"truncate {TABLES} cascade"))
            started = time.monotonic()
            order(url)
            dumps.add(dump(url))
            with connect(url) as connection:
                broken = {claim: examples for claim, examples in unsound(connection).items() if examples}
            print(
                f"{name:24} {len(found)} recordings in {time.monotonic() - started:6.1f} s   {dump(url)[:16]}   {broken or 'sound'}",
                flush=True,
            )
            if broken:
                return 1
        before = transaction_now(url)
        load(url, found)
        written = claims_written_since(url, before)
        dumps.add(dump(url))
        print(f"{'once more':24} {written} claims written")
    print("all equal" if len(dumps) == 1 else f"{len(dumps)} different ledgers")
    return 0 if len(dumps) == 1 and written == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1))
