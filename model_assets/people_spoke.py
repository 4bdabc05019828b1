"""What people say over HTTP of held changes and of identities is kept at once, and followed here: finding anew what follows from it takes longer
than a request may. So is the end of what they said of models until some instant."""

import dagster as dg
from sqlalchemy import text

from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.settling import settle

#: within this time a word is served where the daemon runs, at some ten thousand listings
SERVED_WITHIN_SECONDS = 120
#: what was said; and the end of what counts no more and is still there: the run takes it away
SAID = """
select (select coalesce(max(verdict_id), 0) from ops.held_verdict) || ':' ||
       (select coalesce(max(correction_id), 0) || ':' || count(undone_at) from ops.identity_correction) as said,
       (select max(extract(epoch from decided_until))::text from access.decision where decided_until <= now()) as ended
"""
NOTHING = "0:0:0:0"


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
    description="Starts a run where somebody said over HTTP what counts of a held change, or which model a listing is; or where it ended.",
)  # fmt: skip
def people_spoke(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SensorResult | dg.SkipReason:
    with postgres.begin() as connection:
        row = connection.execute(text(SAID)).one()
    before = context.cursor or NOTHING
    said = f"{row.said}:{row.ended or before.rpartition(':')[2]}"
    if said == before:
        return dg.SkipReason("Nobody said anything new.")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"said:{said}")], cursor=said)
