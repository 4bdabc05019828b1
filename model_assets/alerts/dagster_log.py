"""What Dagster's log says went wrong: checks that failed, runs that failed for good, were cancelled or hang, failed backfills.

Its events are read in order from where the last look ended. What the books tell (a refused payload, an abandoned attempt, lateness, held
prices) is not told again here, though it fails checks and runs too: one fault is one alert.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG, WILL_RETRY_TAG
from sqlalchemy import Connection

from model_assets.alerts.books import SETTLING
from model_assets.alerts.outbox import Alert, end, move, open_keys, position, raise_alert
from model_assets.alerts.runs import cancelled, failures, steps_of

#: checks whose finding the books tell: lateness, held changes (and refusals, with all that fails beside them: `_payload_refused`)
TOLD_BY_BOOKS = {"source_is_fresh", "no_change_is_held"}
AT_ONCE = 1000  # events of a kind that one look reads; the next goes on
RUN_ENDS = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def look_at_dagster(connection: Connection, instance: dg.DagsterInstance, now: datetime, hanging_minutes: int) -> int:
    """Put into the outbox what is new in an instance's log, and end what is over. Returns how many alerts were raised.

    The first look at an instance only marks where its log ends: what happened before is not told.
    """
    runs = instance.run_storage
    name = f"dagster:{runs.get_run_storage_id()}" if isinstance(runs, SqlRunStorage) else "dagster"  # ids of events are of one storage
    read = position(connection, name)
    if read is None:
        move(connection, name, str(instance.event_log_storage.get_maximum_record_id() or 0))
        return 0
    raised, reached = 0, int(read[0])
    for event in events_after(instance, reached, now - SETTLING):
        raised += _told(connection, instance, event)
        reached = event.storage_id
    raised += _hanging(connection, instance, now, hanging_minutes)
    raised += sum(raise_alert(connection, alert) for alert in _backfills(connection, instance, read[1]))
    move(connection, name, str(reached))
    return raised


def events_after(instance: dg.DagsterInstance, reached: int, until: datetime) -> list[dg.EventLogRecord]:
    """Evaluated checks and ended runs after the event `reached`, in order, up to the first that is younger than `until`."""
    checks = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=reached)
    kinds: list[Sequence[dg.EventLogRecord]] = [instance.event_log_storage.get_event_records(checks, limit=AT_ONCE, ascending=True)]
    for kind in RUN_ENDS:
        ends = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=reached)  # type: ignore[arg-type]
        kinds.append(instance.fetch_run_status_changes(ends, limit=AT_ONCE, ascending=True).records)
    # where one kind goes on beyond what was read, nothing later of another may be read before it
    last = min((found[-1].storage_id for found in kinds if len(found) == AT_ONCE), default=None)
    events = sorted((one for found in kinds for one in found if last is None or one.storage_id <= last), key=lambda one: one.storage_id)
    young = next((place for place, one in enumerate(events) if one.timestamp > until.timestamp()), len(events))
    return events[:young]


def _told(connection: Connection, instance: dg.DagsterInstance, record: dg.EventLogRecord) -> int:
    event = record.event_log_entry.dagster_event
    assert event is not None
    at = datetime.fromtimestamp(record.timestamp, UTC)
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _check(connection, instance, record.run_id, event.asset_check_evaluation_data, at)
    return _run_ended(connection, instance, record.run_id, event.event_type, at)


def _check(connection: Connection, instance: dg.DagsterInstance, run_id: str, found: Any, at: datetime) -> int:
    if found.check_name in TOLD_BY_BOOKS:
        return 0
    run = instance.get_run_by_id(run_id) if run_id else None
    partition = found.partition or (run.tags.get(PARTITION_NAME_TAG) if run else None)
    past = partition is not None and partition < f"{at - timedelta(days=1):%Y-%m-%d}"
    if found.passed:
        key = f"check:{found.asset_key.to_user_string()}:{found.check_name}"
        if not past:
            end(connection, key, at, "The check passes again.")
        return 0
    if _payload_refused(instance, run_id, found.asset_key):
        return 0
    return int(raise_alert(connection, check_failed(found, at, partition if past else None)))


def check_failed(found: Any, at: datetime, past_day: str | None) -> Alert:
    """A failed check, told once until it passes again; for days long past, which are loaded in any order, once for a day of loading."""
    asset = found.asset_key.to_user_string()
    error = found.severity == dg.AssetCheckSeverity.ERROR
    return Alert(
        "check_failed", f"check:{asset}:{found.check_name}" + (f":past:{at:%Y-%m-%d}" if past_day else ""), "error" if error else "warning",
        f"{found.check_name} fails for {asset}" + (f" (of {past_day})" if past_day else ""),
        found.description or f"The check {found.check_name} of {asset} does not hold.",
        "Look at what the check lists, and mend its cause." + (" What follows from the asset waits." if error and found.blocking else ""),
        f"/assets/{asset}?view=checks", at, _source(found.asset_key), lasting=not past_day,
    )  # fmt: skip


def _source(key: dg.AssetKey) -> str | None:
    return key.path[1] if key.path[0] in ("raw", "staged", "history") else None


def _payload_refused(instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey) -> bool:
    """Whether the same run refused the payload that the check looked at: that is the fault, and the books tell it."""
    if asset.path[0] != "staged" or not run_id:
        return False
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    evaluations = [one.event_log_entry.dagster_event.asset_check_evaluation_data for one in records if one.event_log_entry.dagster_event]
    return any(one.asset_key == asset and one.check_name == "payload_is_accepted" and not one.passed for one in evaluations)


def _run_ended(connection: Connection, instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType, at: datetime) -> int:
    run = instance.get_run_by_id(run_id)
    if run is None:  # purged since
        return 0
    steps_wait = open_keys(connection, "step_failed:")
    if steps_wait:
        for step in steps_of(instance, run_id, dg.DagsterEventType.STEP_SUCCESS):
            if f"step_failed:{step}" in steps_wait:
                end(connection, f"step_failed:{step}", at, "The step succeeded again.")
    hung = end(connection, f"run_hangs:{run_id}", at, f"The run ended: {run.status.value.lower()}.")
    if hung or run.tags.get(WILL_RETRY_TAG) == "true" or BACKFILL_ID_TAG in run.tags:  # told already, mended, or told with the backfill
        return 0
    if kind == dg.DagsterEventType.RUN_FAILURE:
        return sum(raise_alert(connection, alert) for alert in failures(connection, instance, run, at))
    if kind == dg.DagsterEventType.RUN_CANCELED:
        return sum(raise_alert(connection, alert) for alert in cancelled(connection, run, at))
    return 0


def _hanging(connection: Connection, instance: dg.DagsterInstance, now: datetime, minutes: int) -> int:
    oldest = now - timedelta(minutes=minutes)
    records = instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY, created_before=oldest))
    return sum(raise_alert(connection, run_hangs(one, minutes)) for one in records if (one.start_time or 0) < oldest.timestamp())


def run_hangs(record: RunRecord, minutes: int) -> Alert:
    """A run that began too long ago and has not ended."""
    run = record.dagster_run
    began = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp
    return Alert(
        "run_hangs", f"run_hangs:{run.run_id}", "warning", f"A run of {run.job_name} hangs",
        f"Run {run.run_id[:8]} of {run.job_name} {_of(run)}is {run.status.value.lower()} for more than {minutes} minutes.",
        "Look at what its step waits for, and terminate it there if it does nothing; whatever it did not commit is undone.",
        f"/runs/{run.run_id}", began, run.tags.get("source"), lasting=True,
    )  # fmt: skip


def _of(run: dg.DagsterRun) -> str:
    said = [run.tags[name] for name in ("source", PARTITION_NAME_TAG) if name in run.tags]
    return f"({', '.join(said)}) " if said else ""


def _backfills(connection: Connection, instance: dg.DagsterInstance, since: datetime) -> list[Alert]:
    ended = [BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.CANCELED]
    found = instance.get_backfills(BulkActionsFilter(statuses=ended, created_after=since))
    told = open_keys(connection, "backfill:")
    alerts = []
    for one in found:
        if f"backfill:{one.backfill_id}" in told:
            continue
        runs = instance.get_runs(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED], tags={BACKFILL_ID_TAG: one.backfill_id})
        )
        failed = [run for run in runs if run.tags.get(WILL_RETRY_TAG) != "true"]
        untold = [run for run in failed if failures(connection, instance, run, since)]
        if untold or one.status != BulkActionStatus.COMPLETED_FAILED:
            alerts.append(backfill_failed(one, untold))
    return alerts


def backfill_failed(backfill: PartitionBackfill, failed: Sequence[dg.DagsterRun]) -> Alert:
    """A backfill that failed, was cancelled, or ended with failed runs: told once, with the days that are missing."""
    days = sorted({run.tags.get(PARTITION_NAME_TAG, run.run_id[:8]) for run in failed})
    shown = ", ".join(days[:10]) + (f" and {len(days) - 10} more" if len(days) > 10 else "")
    error = (backfill.error.message.strip().splitlines() or [""])[0] if backfill.error else ""
    said = {BulkActionStatus.CANCELED: "was cancelled", BulkActionStatus.FAILED: "failed"}.get(backfill.status, "ended with failed runs")
    return Alert(
        "backfill_failed", f"backfill:{backfill.backfill_id}", "error", f"Backfill {backfill.backfill_id} {said}",
        " ".join(part for part in (error, f"{len(failed)} of its runs failed: {shown}." if failed else "") if part) or f"It {said}.",
        "Look at the first failed run, mend its cause, and run the missing days again.", f"/runs/b/{backfill.backfill_id}",
        datetime.fromtimestamp(backfill.backfill_end_timestamp or backfill.backfill_timestamp, UTC),
    )  # fmt: skip
