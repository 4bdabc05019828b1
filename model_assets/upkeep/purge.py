"""Old records are taken away, so that a year of nights does not fill the disk: what nobody needs any more, and nothing else.

Kept for ever are the ledger, verdicts and quarantine, and every payload: an earlier day that is loaded late is judged and merged by what the
later payloads say, so none of them can be missed. Rows that somebody is at work on are skipped, so a purge waits for no sync and no sync for it.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import func, select, text

from model_assets.database import connect
from model_assets.settings import Settings

BATCH = 500
CHANGE_SETS_KEPT = timedelta(days=7)  # one that was never merged is made again when its day is
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

# of each source the last attempt, the last one that ended and the last success are what `status` speaks of
OLD_ATTEMPTS = """
select run_id from ops.sync_run where status <> 'running' and started_at < now() - cast(:kept as interval) and run_id not in (
    select distinct on (source) run_id from ops.sync_run order by source, started_at desc, run_id desc)
and run_id not in (
    select distinct on (source) run_id from ops.sync_run where status <> 'running' order by source, started_at desc, run_id desc)
and run_id not in (
    select distinct on (source) run_id from ops.sync_run where status = 'succeeded' order by source, started_at desc, run_id desc)
"""
# kept for a day at least, hence longer than any pause that is counted from one; what is open stays
OLD_REQUESTS = """
select request_id from ops.sync_request where asked_at < now() - cast(:kept as interval) and not exists (
    select from ops.sync_request_source as part where part.request_id = sync_request.request_id and part.finished_at is null)
"""
# what was in it is in raw like every other payload
OLD_INBOX = "select inbox_id from ops.inbox where ended_at < now() - cast(:kept as interval)"
# the days of a year become one row at its first day: what was ever viewed stays countable, and a model has one row for each old year
OLD_VIEWS = """
select day, model_id, date_trunc('year', day::timestamp)::date as year from access.view_count
where day < (now() at time zone 'UTC')::date - cast(:kept as integer) and day <> date_trunc('year', day::timestamp)::date
"""
FOLD_VIEWS = f"""
with old as ({OLD_VIEWS} order by day, model_id limit :batch for update skip locked),
taken as (
    delete from access.view_count as counted using old
    where (counted.day, counted.model_id) = (old.day, old.model_id) returning old.year, counted.model_id, counted.views
),
folded as (
    insert into access.view_count as kept (day, model_id, views)
    select year, model_id, sum(views) from taken group by year, model_id order by year, model_id
    on conflict (day, model_id) do update set views = kept.views + excluded.views
)
select count(*) from taken
"""
OLD_CHANGE_SETS = "select change_set_id from staged.change_set where staged_at < now() - cast(:kept as interval)"


@dataclass(frozen=True)
class Purged:
    """How many records were taken away, or would be: Dagster's runs with their events, our attempts, change sets that were never merged,
    requests for a sync, and what was handed over in SQL; and days of views that went into the sum of their year."""

    dagster_runs: int
    attempts: int
    change_sets: int
    sync_requests: int = 0
    inbox: int = 0
    view_days: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def purge(url: str, instance: dg.DagsterInstance | None, settings: Settings, *, dry_run: bool = False) -> Purged:
    """Take away what is older than the settings say; a dry run counts only. Without an `instance` there is nothing of Dagster's."""
    before = datetime.now(UTC) - timedelta(days=settings.dagster_retention_days)
    kept = timedelta(days=settings.model_sync_retention_days)
    return Purged(
        dagster_runs=purge_runs(instance, before, dry_run) if instance else 0,
        attempts=_purge_rows(url, "ops.sync_run", "run_id", OLD_ATTEMPTS, kept, dry_run),
        change_sets=_purge_rows(url, "staged.change_set", "change_set_id", OLD_CHANGE_SETS, CHANGE_SETS_KEPT, dry_run),
        sync_requests=_purge_rows(url, "ops.sync_request", "request_id", OLD_REQUESTS, kept, dry_run),
        inbox=_purge_rows(url, "ops.inbox", "inbox_id", OLD_INBOX, kept, dry_run),
        view_days=_fold_views(url, settings.model_views_retention_days, dry_run),
    )


def _purge_rows(url: str, table: str, key: str, old: str, kept: timedelta, dry_run: bool) -> int:
    """Delete in transactions of BATCH rows, so that none of them holds anything for long. Returns how many."""
    if dry_run:
        with connect(url) as connection:
            return int(connection.execute(text(f"select count(*) from ({old}) as old"), {"kept": kept}).scalar_one())
    deleted = 0
    while True:
        with connect(url) as connection:
            batch = f"delete from {table} where {key} in ({old} limit {BATCH} for update of {table.partition('.')[2]} skip locked)"
            found = connection.execute(text(batch), {"kept": kept}).rowcount
        deleted += found
        if found < BATCH:
            return deleted


def _fold_views(url: str, kept: int, dry_run: bool) -> int:
    """Add the views of each day that is more than `kept` days ago to those of its year, in transactions of BATCH rows. Returns how many rows."""
    folded = 0
    while True:
        with connect(url) as connection:
            statement = f"select count(*) from ({OLD_VIEWS}) as old" if dry_run else FOLD_VIEWS
            found = int(connection.execute(text(statement), {"kept": kept, "batch": BATCH}).scalar_one())
        folded += found
        if dry_run or found < BATCH:
            return folded


def purge_runs(instance: dg.DagsterInstance, before: datetime, dry_run: bool = False) -> int:
    """Delete Dagster's runs that ended before an instant, with their events and logs. Returns how many.

    Those stay that hold the last materialisation of a partition or the last evaluation of a check: without their events the partition would
    count as missing, and what follows it would wait for it.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    kept = runs_that_count(storage)
    old = [run_id for run_id in _ended_before(instance, before) if run_id not in kept]
    for run_id in () if dry_run else old:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        with storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))
    return len(old)


def runs_that_count(storage: SqlEventLogStorage) -> set[str]:
    """The runs that have the last word on a partition of an asset, or on a check."""
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    materialised = events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
    last_events = select(func.max(events.id)).where(materialised).group_by(events.asset_key, events.partition)
    last_checks = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.partition)
    with storage.index_connection() as connection:
        found = [
            *connection.execute(select(events.run_id).distinct().where(events.id.in_(last_events))).scalars(),
            *connection.execute(select(checks.run_id).distinct().where(checks.id.in_(last_checks))).scalars(),
        ]
    return set(found)


def _ended_before(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    wanted = dg.RunsFilter(statuses=ENDED, updated_before=before)
    found: list[str] = []
    while page := instance.get_run_ids(wanted, cursor=found[-1] if found else None, limit=BATCH):
        found += page
    return found
