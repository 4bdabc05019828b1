"""How long it takes from a loaded ledger to answers: links, held changes, the tables that are served, one model's prices, all of them.

    python -m bench.answers [FOLDER]

FOLDER holds recordings; left out, those that come with the project. Seconds on the clock, best of three where a question is asked again.
Exit code 0 only if all goals are reached.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from bench.server import scratch
from model_assets import loading, recording_files
from model_assets.database import connect
from model_assets.gate.held_changes import refresh_held
from model_assets.identity.links import refresh_links
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.settling import publish
from model_assets.sources import SOURCES

MODEL = "select model from catalog.price where model is not null group by model order by count(*) desc limit 1"


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """The shortest time that `work` takes."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def asked(url: str, query: str) -> Callable[[], object]:
    """A question that fetches all its rows."""

    def ask() -> object:
        with connect(url) as connection:
            return connection.execute(text(query)).all()

    return ask


def derive(url: str, what: Callable[..., int]) -> Callable[[], object]:
    """One derivation, in a transaction of its own."""

    def work() -> int:
        with connect(url) as connection:
            return what(connection)

    return work


def run(url: str, folder: Path) -> bool:
    """Load, measure, print. True if all goals are reached."""
    loading.import_recordings(url, recording_files.find(folder, SOURCES).recordings, lambda _: None)
    found = [
        ("resolving all listings, s", seconds(derive(url, refresh_links)), 5.0),
        ("links of an unchanged day, s", seconds(derive(url, refresh_links), 3), 0.2),
        ("judging every change ever seen, s", seconds(derive(url, refresh_held)), 30.0),
        ("held changes of an unchanged day, s", seconds(derive(url, refresh_held), 3), 0.2),
        ("filling the tables that are served, s", seconds(lambda: publish(url)), 30.0),
    ]
    with connect(url) as connection:
        model = connection.execute(text(MODEL)).scalar_one()
        listings, prices = connection.execute(
            text("select (select count(*) from history.link), (select count(*) from catalog.price)")
        ).one()
    quoted = model.replace("'", "''")
    found += [
        ("catalog.price of one model, ms", 1000 * seconds(asked(url, f"select * from catalog.price where model = '{quoted}'"), 5), 10.0),
        ("catalog.price, all of it, s", seconds(asked(url, "select * from catalog.price"), 3), 1.0),
        ("catalog.price_as_of, all of it, s", seconds(asked(url, "select * from catalog.price_as_of(now() - interval '30 days')"), 3), 1.0),
    ]
    print(f"\n{listings:,} links, {prices:,} prices served; one model: {model}")
    for name, value, goal in found:
        print(f"  {name:40} {value:8.3f}   goal {goal:6.2f}   {'reached' if value <= goal else 'MISSED'}")
    return all(value <= goal for _, value, goal in found)


if __name__ == "__main__":
    with scratch() as (database_url, _):
        reached = run(database_url, Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED_RECORDINGS)
    sys.exit(0 if reached else 1)
