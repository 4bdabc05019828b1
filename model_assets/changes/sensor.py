"""The sensor that sends changes to subscribers."""

import dagster as dg

from model_assets.changes.delivery import Sender, deliver
from model_assets.resources import Postgres
from model_assets.settings import read_settings

EVERY_SECONDS = 15


@dg.sensor(
    name="webhooks_sent", minimum_interval_seconds=EVERY_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what changed (catalog.change) to the webhooks that users have set up (ops.webhook).",
)  # fmt: skip
def webhooks_sent(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SkipReason:
    settings = read_settings()
    sent = deliver(Sender(postgres.address, settings.api_catalogue_tier, settings.api_webhook_loopback))
    for failed in (one for one in sent if one.error):
        context.log.warning(f"webhook {failed.webhook_id}: {failed.error}")
    arrived = sum(one.changes for one in sent if not one.error)
    return dg.SkipReason(
        f"{arrived} changes sent, {sum(one.error is not None for one in sent)} messages failed" if sent else "nothing is due"
    )
