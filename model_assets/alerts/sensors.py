"""The two sensors of alerts: one looks and fills the outbox, the other delivers; so a channel that hangs keeps nothing from being found."""

import dagster as dg

from model_assets.alerts.books import look_at_books
from model_assets.alerts.channels import channels
from model_assets.alerts.dagster_log import look_at_dagster
from model_assets.alerts.delivery import deliver
from model_assets.alerts.digest import daily_digest
from model_assets.alerts.outbox import clock
from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.sources import SOURCES

EVERY_SECONDS = 30


@dg.sensor(
    name="alerts_found", minimum_interval_seconds=EVERY_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks at the books and at Dagster's log, and puts what went wrong into the outbox (ops.alert), with a channel or without.",
)  # fmt: skip
def alerts_found(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SkipReason:
    settings = read_settings()
    with postgres.begin() as connection:  # Dagster's log first: what its runs broke may be mended since, which the books say
        now = clock(connection)
        raised = look_at_dagster(connection, context.instance, now, settings.alert_hanging_minutes)
        raised += look_at_books(connection, SOURCES, now, settings.alert_hanging_minutes)
        if settings.alert_daily_digest:
            raised += daily_digest(connection, now, settings.alert_digest_hour)
    return dg.SkipReason(f"{raised} new alerts" if raised else "nothing new")


@dg.sensor(
    name="alerts_sent", minimum_interval_seconds=EVERY_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers the outbox to the channels (ALERT_URLS, SLACK_WEBHOOK_URL, DISCORD_WEBHOOK, ADMIN_NOTIFICATION_EMAIL).",
)  # fmt: skip
def alerts_sent(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.SkipReason:
    settings = read_settings()
    to = channels(settings)
    if not to:
        return dg.SkipReason("No channel is named: set ALERT_URLS to have alerts sent.")
    outcomes = deliver(postgres.address, to, settings.alert_link)
    for failed in (one for one in outcomes if one.error):
        context.log.warning(f"{failed.channel.shown}: {failed.error}")
    said = [f"{one.alerts} alerts to {one.channel.shown}{': ' + one.error if one.error else ''}" for one in outcomes if one.alerts]
    return dg.SkipReason("; ".join(said) or "nothing is due")


SENSORS = [alerts_found, alerts_sent]
