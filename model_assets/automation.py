"""What happens by itself: a run per source every night and every few hours, runs for new recordings, tables that follow, lateness."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from sqlalchemy import text

from model_assets import recording_files
from model_assets.access.policy import load_policy, store_policy
from model_assets.resources import Postgres
from model_assets.settings import Settings, read_settings
from model_assets.source_assets import DAILY
from model_assets.sources import SOURCES, of_kind
from model_assets.sources.base import Source
from model_assets.upkeep import jobs as upkeep

RUNNING, STOPPED = dg.DefaultScheduleStatus.RUNNING, dg.DefaultScheduleStatus.STOPPED
LAYERS = ("raw", "staged", "history")

sync = dg.define_asset_job(
    "sync", selection=dg.AssetSelection.groups(*LAYERS), description="Read a source, check what it says, and merge it into the ledger."
)
check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(
        *(dg.AssetCheckKey(dg.AssetKey(["history", name]), "source_is_fresh") for name in SOURCES), upkeep.database_has_room.check_key
    ),
    description="Ask how old each source's last accepted observation is, and how much room the database has.",
)


def keys_of(source: Source) -> list[dg.AssetKey]:
    """The source's own assets, in the order a payload goes through them."""
    return [dg.AssetKey([layer, source.name]) for layer in LAYERS]


def read_now(sources: Mapping[str, Source]) -> list[Source]:
    """Those of some sources that are read as things are set now."""
    return [source for source in sources.values() if source.why_off() is None]


def run_of(
    source: Source, day: date, run_key: str, live: bool = True, tags: Mapping[str, str] | None = None, job_name: str | None = None
) -> dg.RunRequest:
    """A run of one source for one UTC day, so that no source waits for another. `job_name` is needed where whoever starts it has several jobs."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=job_name,
        partition_key=day.isoformat(),
        asset_selection=keys_of(source),
        tags={"source": source.name, **(tags or {})},
        run_config={"ops": {f"raw__{source.name}": {"config": {"live": live}}}},
    )


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The nightly schedule, the one for prices, and the hourly look at lateness, on or off as the environment says."""

    @dg.schedule(
        name="every_night", job=sync, cron_schedule=settings.model_sync_schedule, execution_timezone="UTC",
        default_status=RUNNING if settings.model_sync_enabled else STOPPED,
        description="One run per source; catalog and access follow by themselves. MODEL_SYNC_SCHEDULE, MODEL_SYNC_ENABLED.",
    )  # fmt: skip
    def every_night(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        at = context.scheduled_execution_time.astimezone(UTC)
        for source in read_now(SOURCES):
            yield run_of(source, at.date(), f"night:{source.name}:{at:%Y-%m-%dT%H:%M}")

    @dg.schedule(
        name="prices_every_few_hours", job=sync, cron_schedule=settings.pricing_cron, execution_timezone="UTC",
        default_status=RUNNING if settings.pricing_sync_enabled else STOPPED,
        description="Prices change during the day: one run per source of prices. PRICING_SYNC_INTERVAL_HOURS, PRICING_SYNC_ENABLED.",
    )  # fmt: skip
    def prices_every_few_hours(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        at = context.scheduled_execution_time.astimezone(UTC)
        for source in read_now(of_kind("prices")):
            yield run_of(source, at.date(), f"prices:{source.name}:{at:%Y-%m-%dT%H:%M}")

    hourly = dg.ScheduleDefinition(
        name="freshness_every_hour", job=check_freshness, cron_schedule="20 * * * *", execution_timezone="UTC",
        description="Asks how old each source's last accepted observation is. MODEL_SYNC_ENABLED.",
        default_status=RUNNING if settings.model_sync_enabled else STOPPED,
    )  # fmt: skip
    return [every_night, prices_every_few_hours, hourly, upkeep.purge_every_night]


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The watched folder, and what follows the ledger: on from the start, so that nothing waits for somebody to switch it on."""
    watched = settings.model_watch_folder

    @dg.sensor(
        name="new_recordings", job=sync, minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if watched else dg.DefaultSensorStatus.STOPPED,
        description="Starts a source's run for each day of which recordings are new in MODEL_WATCH_FOLDER.",
    )  # fmt: skip
    def new_recordings(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        folder = read_settings().model_watch_folder
        if folder is None:
            return dg.SkipReason("MODEL_WATCH_FOLDER names no folder to watch.")
        if not folder.is_dir():
            return dg.SkipReason(f"MODEL_WATCH_FOLDER is {folder}, which is no folder; make it, or name another.")
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        requests, now = recordings_to_load(folder, seen)
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(now)) if requests else dg.SkipReason(f"Nothing new in {folder}.")

    follows = dg.AutomationConditionSensorDefinition(
        "catalog_follows",
        target=dg.AssetSelection.groups("identity", "gate", "catalog", "access"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        run_tags={"dagster/max_runtime": "900"},  # one whose process is gone keeps others waiting no longer
    )
    return [new_recordings, follows, upkeep.stuck_syncs]


def recordings_to_load(folder: Path, seen: dict[str, str]) -> tuple[list[dg.RunRequest], dict[str, str]]:
    """(a run per source and day with a new or changed file, what is there now: path -> size and time)."""
    now = {}
    days: dict[tuple[str, date], list[str]] = {}
    for recording in recording_files.find(folder, SOURCES).recordings:
        if not DAILY.has_partition_key(recording.observed_at.date().isoformat()):
            continue  # Dagster would refuse the whole tick; one of a day to come is new when its day comes
        name = str(recording.path.relative_to(folder))
        stat = recording.path.stat()
        now[name] = f"{stat.st_size}:{stat.st_mtime_ns}"
        if seen.get(name) != now[name]:
            days.setdefault((recording.source, recording.observed_at.date()), []).append(f"{name}:{now[name]}")
    requests = [run_of(SOURCES[source], day, f"recordings:{';'.join(files)}", live=False) for (source, day), files in sorted(days.items())]
    return requests, now


def freshness_check(source: Source) -> dg.AssetChecksDefinition:
    """How old the source's last accepted observation is; from the observations, so that a backfill of an old day does not make it fresh."""

    @dg.asset_check(
        asset=["history", source.name], name="source_is_fresh",
        description=f"The last accepted observation is at most {source.freshness_hours} hours old.",
    )  # fmt: skip
    def source_is_fresh(postgres: Postgres) -> dg.AssetCheckResult:
        with postgres.begin() as connection:
            last, now = connection.execute(
                text("select max(observed_at), now() from ops.observation where source = :source and verdict = 'accepted'"),
                {"source": source.name},
            ).one()
        return judge_freshness(source, last, now)

    return source_is_fresh


def judge_freshness(source: Source, last: datetime | None, now: datetime) -> dg.AssetCheckResult:
    """A warning where the last accepted observation is older than the source may be. One that is off is not late."""
    warn = dg.AssetCheckSeverity.WARN
    if off := source.why_off():
        return dg.AssetCheckResult(passed=True, severity=warn, description=f"{source.name} is off: {off}")
    if last is None:
        return dg.AssetCheckResult(
            passed=False, severity=warn, description=f"{source.name} was never observed. Run `model-assets sync {source.name}`."
        )
    hours = (now - last).total_seconds() / 3600
    late = hours > source.freshness_hours
    said = f"{source.name} was last observed {hours:.1f} hours ago; {source.freshness_hours} are allowed. Look at its last run in ops.sync_run."
    return dg.AssetCheckResult(
        passed=not late,
        severity=warn,
        description=said if late else None,
        metadata={"age_hours": round(hours, 2), "last_observed_at": last.isoformat()},
    )


@dg.asset(
    key=["access", "policy"], group_name="access", kinds={"yaml", "postgres"}, owners=["team:access"], tags={"layer": "access"},
    description="The rules of the policy file (MODEL_POLICY_FILE): which tier may use which listings. An empty policy allows nothing.",
    # at once where it was never loaded; after that an edited file counts within the hour
    automation_condition=(dg.AutomationCondition.missing() & ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.execution_failed())
    | dg.AutomationCondition.on_cron("10 * * * *"),
)  # fmt: skip
def policy(postgres: Postgres) -> dg.MaterializeResult:
    said = load_policy(read_settings().model_policy_file)
    with postgres.begin() as connection:
        changed = store_policy(connection, said)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(said.rules), "changed": bool(changed)})
