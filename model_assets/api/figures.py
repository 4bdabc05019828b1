"""What the database knows of syncs and of what is published, as metrics: asked at most every ten seconds, in one statement."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from model_assets.attempts import BUDGET
from model_assets.errors import ModelAssetsError

KEPT = 10.0  # seconds
STATUSES = ("running", "succeeded", "failed", "refused", "abandoned")

FIGURES = """
select json_build_object(
    'sources', (select json_agg(json_build_object(
        'source', source, 'listings', listings, 'prices', prices, 'quarantined', quarantined, 'refused', refused_since,
        'age', extract(epoch from age), 'success', extract(epoch from last_success_at)) order by source) from catalog.source_health),
    'runs', (select json_agg(run) from (
        select source, status, count(*) as runs, count(*) filter (where scheduled) as scheduled,
            coalesce(sum(seconds), 0) as seconds, coalesce(sum(seconds) filter (where scheduled), 0) as scheduled_seconds, sum(listings) as listings
        from (select source, status, listings, started_by like 'dagster run %' as scheduled,
                  extract(epoch from finished_at - started_at) as seconds from ops.sync_run) as attempt
        group by source, status order by source, status) as run),
    'held', (select count(*) from ops.held_change where outcome = 'open' and kind = 'held'),
    'disputes', (select count(*) from catalog.dispute where closed_at is null),
    'stuck', (select count(*) from ops.sync_run where status = 'running' and clock_timestamp() - started_at > :budget),
    'moved', (select count(*) from (select from ops.move limit 10000) as move),
    'version', (select version from catalog.published),
    'published', (select extract(epoch from published_at) from catalog.published))::text
"""


class Figures(Collector):
    """The database's figures. `ask` runs a statement that makes one text; where it cannot, `model_assets_database_up` is 0 and nothing else said."""

    def __init__(self, ask: Callable[[str, dict[str, object]], str | None], sources: frozenset[str]) -> None:
        self.ask = ask
        self.sources = sources
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._known: dict[str, Any] | None = None

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is shows when it is collected, and asks the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        found = self._figures()
        yield _gauge("model_assets_database_up", "Whether the database answered when it was asked last.", found is not None)
        if found is not None:
            yield from _of_sources([row for row in found["sources"] or [] if row["source"] in self.sources])
            yield from _of_runs([row for row in found["runs"] or [] if row["source"] in self.sources and row["status"] in STATUSES])
            yield _gauge("model_assets_held_changes", "Changes of prices that the gate holds.", found["held"])
            yield _gauge("model_assets_open_disputes", "Disputes between sources that are open.", found["disputes"])
            yield _gauge("model_assets_stuck_syncs", "Syncs that have been running for longer than a run may take.", found["stuck"])
            yield _gauge("model_assets_unpublished_moves", "Writings since the tables were published last; at most 10000.", found["moved"])
            yield _gauge("model_assets_published_version", "The number of what is published.", found["version"])
            yield _gauge("model_assets_published_timestamp_seconds", "When it was published.", found["published"])

    def _figures(self) -> dict[str, Any] | None:
        with self._lock:
            if time.monotonic() - self._asked >= KEPT:
                try:
                    said = self.ask(FIGURES, {"budget": BUDGET})
                    self._known = json.loads(said) if said else None
                except (SQLAlchemyError, ModelAssetsError):  # that is what database_up says; readyz has the reason
                    self._known = None
                self._asked = time.monotonic()
            return self._known


def _of_sources(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    said = {
        "listings": "Listings that the source has now.",
        "prices": "Prices that the source has now.",
        "quarantined": "Entries of its last accepted payload that are in quarantine.",
        "refused": "Payloads refused since the last accepted one.",
        "age": "Seconds since its last accepted observation.",
    }
    for column, help_ in said.items():
        yield _by_source(f"model_assets_source_{column}{'_seconds' if column == 'age' else ''}", help_, "source", rows, column)
    yield _by_source("pricing_last_sync_timestamp", "When the last successful sync of the source ended.", "provider", rows, "success")


def _of_runs(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """Of the attempts that are kept (MODEL_SYNC_RETENTION_DAYS): gauges, because they become fewer when old ones are purged."""
    runs = GaugeMetricFamily("model_assets_sync_runs", "Attempts to sync that are kept, by source and end.", labels=["source", "status"])
    seconds = SummaryMetricFamily("model_assets_sync_seconds", "How long they took.", labels=["source"])
    models = GaugeMetricFamily("pricing_models_synced_total", "Listings read by the attempts that are kept.", labels=["provider", "status"])
    for row in rows:
        runs.add_metric([row["source"], row["status"]], row["runs"])
    for source in sorted({row["source"] for row in rows}):
        mine = [row for row in rows if row["source"] == source and row["status"] != "running"]
        for end in ("succeeded", "failed"):
            models.add_metric([source, end], sum(row["listings"] for row in mine if (row["status"] == "succeeded") == (end == "succeeded")))
        seconds.add_metric([source], sum(row["runs"] for row in mine), sum(float(row["seconds"]) for row in mine))
    scheduled = GaugeMetricFamily("pricing_scheduled_sync_runs_total", "Attempts by Dagster that are kept, by end.", labels=["status"])
    ended = [row for row in rows if row["status"] != "running"]
    for status in STATUSES[1:]:
        scheduled.add_metric([status], sum(row["scheduled"] for row in ended if row["status"] == status))
    took = SummaryMetricFamily("pricing_scheduled_sync_duration_seconds", "How long these took.")
    took.add_metric([], sum(row["scheduled"] for row in ended), sum(float(row["scheduled_seconds"]) for row in ended))
    yield from (runs, seconds, models, scheduled, took)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def _by_source(name: str, help_: str, label: str, rows: list[dict[str, Any]], column: str) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for row in rows:
        if row[column] is not None:
            family.add_metric([row["source"]], float(row[column]))
    return family
