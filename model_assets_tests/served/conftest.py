"""A settled ledger that holds the three bundled days, to be asked; in Python and on the command line."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from model_assets.answers import read_instant
from model_assets.database import connect
from model_assets_tests.conftest import Run

DAY_1, DAY_2, DAY_3 = (read_instant(f"2026-05-{day}") for day in (18, 19, 20))


@pytest.fixture
def ledger(settled: str) -> Iterator[Connection]:
    with connect(settled) as connection:
        yield connection


@pytest.fixture
def ask(ask: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on the settled database, in a terminal wide enough for its tables."""
    monkeypatch.setenv("COLUMNS", "400")
    return ask
