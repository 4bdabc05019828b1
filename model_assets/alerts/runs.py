"""Why a run of Dagster failed, in alerts: one for each fault, and none for what the books tell already."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from model_assets.alerts.books import NO_FAULT, source_failed
from model_assets.alerts.outbox import Alert

LAYERS = ("raw", "staged", "history")
#: of an attempt: told by the books, now or as soon as it is found out
TOLD = ("refused", "abandoned", "running")


def failures(connection: Connection, instance: dg.DagsterInstance, run: dg.DagsterRun, at: datetime) -> list[Alert]:
    """What made a run fail, once for each source and for each step beside them; empty where all of it is told elsewhere."""
    attempts = _attempts(connection, run.run_id)
    link = f"/runs/{run.run_id}"
    failed = _failed_steps(instance, run.run_id)
    if not failed:
        return [] if any(row.status in TOLD for row in attempts.values()) or _steps_failed(run) else [run_failed(run, at, link)]
    alerts = []
    for step, error in failed.items():
        source = _source_of(step)
        attempt = attempts.get(source or "")
        if attempt is None:
            alerts.append(step_failed(run, step, error, at, link))
        elif attempt.status == "failed" and attempt.error_class not in NO_FAULT:
            alerts.append(source_failed(attempt, link))
    return alerts


def cancelled(connection: Connection, run: dg.DagsterRun, at: datetime) -> list[Alert]:
    """That a run was cancelled; empty where its attempt is told as abandoned."""
    if any(row.status in ("abandoned", "running") for row in _attempts(connection, run.run_id).values()):
        return []
    what = run.tags.get("source") or run.job_name
    return [
        Alert(
            "run_cancelled", f"run_cancelled:{run.run_id}", "warning", f"A run of {what} was cancelled",
            f"Run {run.run_id[:8]} of {run.job_name} {run.tags.get('dagster/partition', '')} was cancelled before its end.".replace("  ", " "),
            "Run it again, unless it was meant to stop. What it did not commit is undone.", f"/runs/{run.run_id}", at, run.tags.get("source"),
        )
    ]  # fmt: skip


def run_failed(run: dg.DagsterRun, at: datetime, link: str) -> Alert:
    """A run that failed without a failed step: it could not start, or its process is gone."""
    source = run.tags.get("source")
    return Alert(
        "source_failed" if source else "run_failed", f"source_failed:{source}" if source else f"run_failed:{run.run_id}", "error",
        f"{source} could not be synced" if source else f"A run of {run.job_name} failed",
        f"Run {run.run_id[:8]} of {run.job_name} failed without a failed step: it could not start, or its process is gone.",
        "Look at the run's log, and at that of the code server and the daemon; then run it again.", link, at, source, lasting=bool(source),
    )  # fmt: skip


def step_failed(run: dg.DagsterRun, step: str, error: str, at: datetime, link: str) -> Alert:
    """A step beside the sources' chains that failed: told once, until it succeeds."""
    return Alert(
        "run_failed", f"step_failed:{step}", "error", f"{step.replace('__', '/')} failed", f"Run {run.run_id[:8]} of {run.job_name}: {error}",
        "Look at the run's log, mend the cause, and run the asset again.", link, at, _source_of(step), lasting=True,
    )  # fmt: skip


def steps_of(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[str]:
    """The steps of a run with an event of this kind, in order."""
    return [one.event_log_entry.step_key or "" for one in instance.get_records_for_run(run_id, of_type=kind).records]


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Failed steps with the first line of their error, without those that failed for a failed check: the check tells that."""
    found = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        failure = event.step_failure_data
        if failure.error is None or failure.error.cls_name != "DagsterAssetCheckFailedError":
            found[event.step_key or ""] = _reason(failure)
    return found


def _reason(failure: Any) -> str:
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = failure.error
    while error is not None and error.cause is not None:  # Dagster wraps what the step raised
        error = error.cause
    return error.message.strip().splitlines()[0] if error is not None and error.message.strip() else "it gave no reason"


def _steps_failed(run: dg.DagsterRun) -> bool:
    """Whether Dagster says that a failed step is why: then it was a failed check."""
    return run.tags.get("dagster/failure_reason") == "STEP_FAILURE"


def _source_of(step: str) -> str | None:
    layer, found, source = step.partition("__")
    return source if found and layer in LAYERS else None


def _attempts(connection: Connection, run_id: str) -> dict[str, Any]:
    """The last attempt of each source in a run."""
    query = text("select distinct on (source) * from ops.sync_run where dagster_run_id = :run_id order by source, run_id desc")
    return {row.source: row for row in connection.execute(query, {"run_id": run_id})}
