"""Upkeep as Dagster runs it: the nightly purge, the sensor that frees stuck syncs, and the check of the disk."""

import dagster as dg

from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.upkeep.condition import overdue
from model_assets.upkeep.disk import disk_of
from model_assets.upkeep.stuck import free_stuck

HEALTH = dg.AssetKey(["catalog", "source_health"])


@dg.op(
    description="Takes away what is older than DAGSTER_RETENTION_DAYS, MODEL_SYNC_RETENTION_DAYS and MODEL_VIEWS_RETENTION_DAYS allow. Payloads and"
    " the ledger stay."
)
def take_away_old_records(context: dg.OpExecutionContext, postgres: Postgres) -> None:
    from model_assets.upkeep.purge import purge

    purged = purge(postgres.address, context.instance, read_settings())
    context.add_output_metadata(purged.as_dict())


@dg.job(name="purge", executor_def=dg.in_process_executor, description="Take old records away. `model-assets purge` does the same.")
def purge_job() -> None:
    take_away_old_records()


purge_every_night = dg.ScheduleDefinition(
    name="purge_every_night", job=purge_job, cron_schedule="40 3 * * *", execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING, description="After the night's syncs.",
)  # fmt: skip


@dg.sensor(
    name="stuck_syncs", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Frees the syncs whose process is gone. A sync that lives is left alone, however long it takes, and told of.",
)  # fmt: skip
def stuck_syncs(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SkipReason:
    url = postgres.address
    freed = free_stuck(url, context.instance)
    late = [f"run {row['run_id']} of {row['source']} has been running since {row['started_at']}" for row in overdue(url)]
    if freed:
        context.log.warning(f"abandoned, their processes being gone: {', '.join(map(str, freed))}")
    return dg.SkipReason("; ".join([f"Freed {len(freed)} stuck syncs.", *late]))


@dg.asset_check(
    asset=HEALTH, name="database_has_room",
    description="At least 1 GiB is left where the embedded database lives; of a server that DATABASE_URL names it is not known.",
)  # fmt: skip
def database_has_room(postgres: Postgres) -> dg.AssetCheckResult:
    disk = disk_of(postgres.address)
    return dg.AssetCheckResult(
        passed=disk is None or not disk.is_scarce,
        severity=dg.AssetCheckSeverity.WARN,
        description=disk.what_to_do if disk and disk.is_scarce else None,
        metadata={"free_bytes": disk.free, "folder": str(disk.folder)} if disk else {"known": False},
    )
