"""Dagster's side of the inbox: a sensor that sees what was handed over in SQL, and the job that loads it."""

import dagster as dg
from sqlalchemy import text

from model_assets.resources import Postgres
from model_assets.settings import read_settings


@dg.op(description="Loads what was handed over in SQL (ops.inbox): recorded, audited, merged and settled like any other payload.")
def load_what_came(context: dg.OpExecutionContext, postgres: Postgres) -> None:
    from model_assets.access.inbox import load_inbox

    ended = load_inbox(postgres.address, read_settings().model_policy_file, context.log.info)
    context.add_output_metadata(
        {"loaded": sum(row["status"] == "loaded" for row in ended), "refused": sum(row["status"] == "refused" for row in ended)}
    )
    if refused := [f"inbox {row['inbox_id']}: {row['message']}" for row in ended if row["status"] == "refused"]:
        raise dg.Failure("; ".join(refused), allow_retries=False)


@dg.job(name="inbox", executor_def=dg.in_process_executor, description="Load the inbox. `model-assets access inbox` does the same.")
def inbox_job() -> None:
    load_what_came()


@dg.sensor(
    name="inbox_watch", job=inbox_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when a payload was handed over by access.sync_openrouter_models. What another sync holds is tried again.",
)  # fmt: skip
def inbox_watch(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.RunRequest | dg.SkipReason:
    with postgres.begin() as connection:
        newest = connection.execute(text("select max(inbox_id) from ops.inbox where status = 'queued'")).scalar()
    if newest is None:
        return dg.SkipReason("Nothing waits in ops.inbox.")
    unfinished = context.instance.get_runs_count(dg.RunsFilter(job_name="inbox", statuses=UNFINISHED))
    return dg.SkipReason("The inbox is being loaded.") if unfinished else dg.RunRequest()


UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
