"""What people say over HTTP of held changes and of identities is kept at once, and followed here: finding anew what follows from it takes longer
than a request may. So is what somebody wrote into decisions by hand, and what comes by itself: a price that was announced, the end of what was said
of a model until some instant, the next day."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import text

from model_assets.publishing import COMES_AT
from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.settling import settle

#: within this time a word is served where the daemon runs, at some ten thousand listings
SERVED_WITHIN_SECONDS = 120
#: after a run that failed another one is asked for, until one succeeds, but not sooner than this after the last one began
AGAIN_AFTER = timedelta(minutes=5)
#: what was said; and what the run takes away: what came by itself since all was published, and the mark of what was written by hand
SAID = f"""
select (select coalesce(max(verdict_id), 0) from ops.held_verdict) || ':' ||
       (select coalesce(max(correction_id), 0) || ':' || count(undone_at) from ops.identity_correction) as said,
       (select extract(epoch from at)::text from (select {COMES_AT} as at from catalog.published) as coming where at <= now()) as came,
       (select max(move_id)::text from ops.move where relation = 'access.decision') as moved
"""
NOTHING = "0:0:0:0:0"


@dg.op(description="Brings links, held changes and what is served up to what people said.")
def follow_people(postgres: Postgres) -> None:
    settle(postgres.address, read_settings().model_policy_file)


@dg.job(
    name="settle", executor_def=dg.in_process_executor, tags={"dagster/max_runtime": "900"},
    description="Brings links, held changes and what is served up to what people said. What is up to date already is left alone.",
)  # fmt: skip
def settle_job() -> None:
    follow_people()


@dg.sensor(
    name="people_spoke", job=settle_job, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run where somebody said what counts of a held change, or which model a listing is, or wrote a decision by hand; where a"
    " decision ended, an announced price began, or a day; and again where that run failed.",
)  # fmt: skip
def people_spoke(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SensorResult | dg.SkipReason:
    with postgres.begin() as connection:
        row = connection.execute(text(SAID)).one()
    before = context.cursor or NOTHING
    *_, came, moved = before.split(":")
    said = f"{row.said}:{row.came or came}:{row.moved or moved}"
    if said != before:
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"said:{said}")], cursor=said)
    if failed := _failed(context.instance):
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"said:{said}:again:{failed}")], cursor=said)
    return dg.SkipReason("Nobody said anything new.")


def _failed(instance: dg.DagsterInstance) -> str | None:
    """The id of the last run, where it failed or was canceled and began long enough ago; null otherwise."""
    for last in instance.get_run_records(dg.RunsFilter(job_name=settle_job.name), limit=1):
        over = last.dagster_run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        if over and last.create_timestamp < datetime.now(UTC) - AGAIN_AFTER:
            return last.dagster_run.run_id
    return None
