"""What the tests of alerts share: a Dagster instance that keeps its log in Postgres, faults put into it and into the books, and a look."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import yaml
from psycopg.rows import dict_row

from model_assets.alerts.books import look_at_books
from model_assets.alerts.dagster_log import look_at_dagster
from model_assets.alerts.delivery import deliver
from model_assets.dagster_home import STORAGE
from model_assets.database import connect, dagster_url, plain
from model_assets.sources import SOURCES
from model_assets_tests.alerts.listener import Listener, listening

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SOON = timedelta(seconds=5)  # what happened just now has settled by then


@dataclass
class World:
    """A ledger, a Dagster instance, and a channel."""

    url: str
    instance: dg.DagsterInstance
    listener: Listener

    def look(self, after: timedelta = SOON, hanging_minutes: int = 45) -> list[str]:
        """Look as the sensor does, `after` so long from now, and send; returns the titles that arrived by that."""
        now, before = datetime.now(UTC) + after, len(self.listener.messages)
        with connect(self.url) as connection:
            look_at_dagster(connection, self.instance, now, hanging_minutes)
            look_at_books(connection, SOURCES, now, hanging_minutes)
        outcomes = deliver(self.url, [self.listener.channel], "https://ui.example")
        assert [one.error for one in outcomes] == [None]
        return self.listener.titles[before:]

    def ask(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(plain(self.url), row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def change(self, statement: str) -> None:
        with psycopg.connect(plain(self.url)) as connection:
            connection.execute(statement.encode())

    def alerts(self) -> list[tuple[str, str]]:
        """(kind, title) of all alerts, in order."""
        return [(row["kind"], row["title"]) for row in self.ask("select kind, title from ops.alert order by alert_id")]


@contextmanager
def world(url: str, folder: Path) -> Iterator[World]:
    """A world of a ledger with Dagster's database beside it, whose log was looked at once, so that what comes now is news."""
    os.environ["DAGSTER_PG_URL"] = dagster_url(url)
    config = {"storage": STORAGE, "telemetry": {"enabled": False}}
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    with listening() as listener, dg.DagsterInstance.from_config(str(folder)) as instance:
        found = World(url, instance, listener)
        assert found.look() == []
        yield found
