"""Replay's speed: rows of a usage log priced a second, on one core.

    python -m bench.replay [ROWS]

The log is made up: some hundred models at several providers, with prompt bounds, windows of the day, batch prices, price changes and cached
tokens; one row in fifty names a model that is not known.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from bench.machine import peak_above_idle
from model_assets.cost.book import Served, Unpriced
from model_assets.cost.log import read_chunks
from model_assets.cost.replay import WhatIf, replay, side_by_side
from model_assets.cost.table import PriceRow

GOAL = 200_000
MODELS, CHANGES, CHUNK = 300, 6, 250_000
START = datetime(2026, 1, 1, tzinfo=UTC)


class MadeUp:
    """A price book of made-up offers: each third has a prompt bound, each fifth a window of the day, each fourth batch prices."""

    def spans(self, model: str, provider: str | None) -> list[Served] | Unpriced:
        """The rows of `m<number>`, with CHANGES changes of price in a year."""
        if not model.startswith("m"):
            return Unpriced("the id is not known")
        number = int(model[1:])
        served = []
        for change in range(CHANGES):
            since = START + timedelta(days=60 * change) if change else None
            until = START + timedelta(days=60 * (change + 1)) if change < CHANGES - 1 else None
            served += [Served(row, since, until) for row in self.rows(number, change)]
        return served

    def rows(self, number: int, change: int) -> Iterator[PriceRow]:
        """One price list."""
        base = Decimal(number + 1) * (change + 1) / 40
        for meter, factor in (
            ("input", Decimal(1)),
            ("output", Decimal(4)),
            ("cache_read", Decimal("0.1")),
            ("cache_write_5m", Decimal("1.25")),
        ):
            yield PriceRow(meter, base * factor, held=number % 11 == 0, disputed=number % 13 == 0)
            if number % 3 == 0:
                yield PriceRow(meter, base * factor * 2, prompt_above_tokens=200_000)
            if number % 5 == 0:
                yield PriceRow(meter, base * factor / 2, time_window="16:30-00:30 UTC")
            if number % 4 == 0:
                yield PriceRow(meter, base * factor / 2, service_tier="batch")


def log(rows: int) -> pd.DataFrame:
    """A year of requests in no order."""
    random = np.random.default_rng(7)
    prompts = random.integers(100, 30_000, rows) * np.where(random.random(rows) < 0.05, 20, 1)
    cached = (prompts * random.random(rows) * (random.random(rows) < 0.4)).astype(np.int64)
    models = np.array([*(f"m{number}" for number in range(MODELS)), *(["unknown"] * (MODELS // 50))])
    return pd.DataFrame(
        {
            "time": pd.Timestamp(START) + pd.to_timedelta(random.integers(0, 365 * 86_400, rows), unit="s"),
            "model": models[random.integers(0, len(models), rows)],
            "provider": np.array(["east", "west"])[random.integers(0, 2, rows)],
            "prompt_tokens": prompts,
            "completion_tokens": random.integers(1, 4_000, rows),
            "cached_tokens": cached,
            "service_tier": np.array(["default", "default", "default", "batch"])[random.integers(0, 4, rows)],
        }
    )


def chunks(made: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The log as a file's chunks come."""
    for start in range(0, len(made), CHUNK):
        yield made.iloc[start : start + CHUNK]


def run(rows: int) -> bool:
    """Measure, print, and say whether the goal was reached."""
    made = log(rows)
    with peak_above_idle() as peak:
        start = time.process_time()
        totals = replay(chunks(made), MadeUp())
        spent = time.process_time() - start
    start = time.process_time()
    side_by_side(chunks(made), MadeUp(), WhatIf(model="m7", service_tier="standard"))
    beside = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        made.to_csv(path := Path(folder) / "log.csv", index=False)
        start = time.process_time()
        read = replay(read_chunks(path), MadeUp())
        from_csv = time.process_time() - start
    assert totals.rows == rows
    assert read.amounts == totals.amounts
    print(f"\nreplay of {rows:,} rows, {totals.rows_priced:,} of them priced")
    print(f"  {'rows per CPU second':40} {rows / spent:12,.0f}   goal {GOAL:9,}   {'reached' if rows / spent >= GOAL else 'MISSED'}")
    print(f"  {'the same, read from CSV':40} {rows / from_csv:12,.0f}")
    print(f"  {'the same, beside another model':40} {rows / beside:12,.0f}")
    print(f"  {'memory above idle, MiB':40} {peak[0]:12.0f}")
    return rows / spent >= GOAL


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) else 1)
