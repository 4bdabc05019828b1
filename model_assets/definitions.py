"""The one page that composes everything. Loading it opens no connection and starts nothing."""

import warnings

import dagster as dg

from model_assets import automation, people_spoke, settled_assets
from model_assets.access import inbox_sensor
from model_assets.alerts import sensors as alerts
from model_assets.changes.sensor import webhooks_sent
from model_assets.executors import executor
from model_assets.resources import Feeds, Postgres
from model_assets.settings import read_settings
from model_assets.settling import publish_settled
from model_assets.source_assets import source_assets
from model_assets.sources import SOURCES
from model_assets.sql_assets import sql_asset_checks, sql_assets
from model_assets.sql_models import load_models
from model_assets.starting import sensor as starting
from model_assets.upkeep import jobs as upkeep

warnings.filterwarnings("ignore", category=dg.BetaWarning)

SETTINGS = read_settings()
MODELS = load_models()
HISTORY = [["history", name] for name in SOURCES]
RAW = [["raw", name] for name in SOURCES]
#: what the SQL models read -> the assets that write it
WRITTEN_BY = {
    "history.listing": HISTORY,
    "history.price": HISTORY,
    "history.score": HISTORY,
    "history.mention": HISTORY,
    "ops.popularity": HISTORY,
    "history.link": [["identity", "link"]],
    "history.score_link": [["identity", "score_link"]],
    "history.mention_link": [["identity", "mention_link"]],
    "ops.identity_correction": [["identity", "link"]],
    "ops.held_change": [["gate", "held_change"]],
    "ops.held_verdict": [["gate", "held_change"]],
    "ops.observation": HISTORY,
    "ops.quarantine": HISTORY,
    "ops.sync_run": HISTORY,
    "ops.source": HISTORY,
    "raw.payload": RAW,
    "access.policy": [["access", "policy"]],
    "access.decision": [["access", "decision"]],
}

defs = dg.Definitions(
    assets=[
        *(asset for source in SOURCES.values() for asset in source_assets(source)),
        automation.policy,
        settled_assets.link,
        settled_assets.score_link,
        settled_assets.mention_link,
        settled_assets.held_change,
        settled_assets.decision,
        *sql_assets(MODELS, WRITTEN_BY, lambda connection: publish_settled(connection, MODELS)),
    ],
    asset_checks=[
        *(automation.freshness_check(source) for source in SOURCES.values()),
        settled_assets.most_listings_are_resolved,
        settled_assets.most_scores_are_of_known_models,
        settled_assets.most_names_in_mentions_are_clear,
        settled_assets.audit_is_whole,
        settled_assets.no_change_is_held,
        settled_assets.sources_do_not_contradict_themselves,
        upkeep.database_has_room,
        *sql_asset_checks(MODELS),
    ],
    jobs=[automation.sync, automation.check_freshness, upkeep.purge_job, starting.dry_run, inbox_sensor.inbox_job, people_spoke.settle_job],
    schedules=automation.schedules(SETTINGS),
    sensors=[
        *automation.sensors(SETTINGS),
        *alerts.SENSORS,
        starting.sync_requests,
        webhooks_sent,
        inbox_sensor.inbox_watch,
        people_spoke.people_spoke,
    ],
    resources={"postgres": Postgres(), "feeds": Feeds()},
    executor=executor(SETTINGS),
)
