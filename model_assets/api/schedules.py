"""The schedules as jobs: what runs by itself, and when next."""

from datetime import UTC, datetime
from typing import Any

from model_assets.schedule.calendar import next_time
from model_assets.settings import Settings


def jobs(settings: Settings) -> list[dict[str, Any]]:
    """`id`, `name`, `next_run_time` (null while it is off) of each, as the environment sets them."""
    night = settings.model_sync_schedule if settings.model_sync_enabled else None
    prices = settings.pricing_cron if settings.pricing_sync_enabled else None
    return [
        _job("every_night", "Sync of all sources", night),
        _job("hf_litert_sync", "HuggingFace LiteRT Model Sync, with every_night", night),
        _job("prices_every_few_hours", "Sync of the sources of prices", prices),
        _job("freshness_every_hour", "How old each source is", "20 * * * *" if settings.model_sync_enabled else None),
        _job("purge_every_night", "Old records are taken away", "40 3 * * *"),
    ]


def _job(name: str, title: str, schedule: str | None) -> dict[str, Any]:
    due = next_time(schedule, datetime.now(UTC)) if schedule else None
    return {"id": name, "name": title, "next_run_time": due and f"{due:%Y-%m-%dT%H:%M:%SZ}"}
