"""Memory of one load, from the bytes of a payload to the ledger, in a process of its own: peak above what the process held when idle.

python -m bench.memory URL FILE
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import peak_above_idle
from model_assets.database import connect
from model_assets.fetching import strict_json
from model_assets.frames import broken_rows
from model_assets.ledger import observations
from model_assets.ledger.changes import compare
from model_assets.ledger.merge import merge
from model_assets.ledger.staging import stage
from model_assets.sources.models_dev import SOURCE


def load(url: str, path: Path) -> None:
    """Record, parse, compare, merge: all that an observation goes through."""
    body = path.read_bytes()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, body, url="http://bench", origin="recording")
    found = SOURCE.parse(strict_json.loads(body))
    del body
    with connect(url) as connection:
        staged = stage(connection, compare(connection, observation, found, broken_rows), found)
    with connect(url) as connection:
        merge(connection, staged, lambda _: None)


if __name__ == "__main__":
    with connect(sys.argv[1]):
        pass
    with peak_above_idle() as peak:
        load(sys.argv[1], Path(sys.argv[2]))
    print(peak[0])
