"""Dagster's runs, events and ticks in Postgres, over connections that are kept for a moment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg
from sqlalchemy import Engine, event

from model_assets.database import plain
from model_assets_tests.alerts.world import QUIET


@contextmanager
def counted(what: str) -> Iterator[Callable[[], int]]:
    """How often something happens to the engines of this process."""
    found = []

    def note(*_: object) -> None:
        found.append(1)

    event.listen(Engine, what, note)
    try:
        yield lambda: len(found)
    finally:
        event.remove(Engine, what, note)


def run(instance: dg.DagsterInstance) -> bool:
    @dg.multi_asset(specs=[dg.AssetSpec(f"a{number}") for number in range(40)])
    def many() -> Iterator[dg.MaterializeResult]:
        yield from (dg.MaterializeResult(asset_key=f"a{number}") for number in range(40))

    return dg.materialize([many], instance=instance, run_config=QUIET).success


def test_a_run_logs_in_for_a_small_part_of_its_statements(instance: dg.DagsterInstance) -> None:
    with counted("connect") as logins, counted("before_cursor_execute") as statements:
        assert run(instance)
    assert statements() > 100
    assert logins() < statements() / 3


def test_when_its_connections_die_it_makes_new_ones(instance: dg.DagsterInstance, url: str) -> None:
    assert run(instance)
    with psycopg.connect(plain(url)) as connection:
        killed = connection.execute(
            "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where datname = current_database() || '_dagster'"
        ).fetchone()
    assert killed
    assert killed[0] > 0
    time.sleep(1.2)  # longer than a connection is kept
    assert len(instance.get_runs()) == 1
    assert run(instance)
