"""How syncs are doing, for those who start them: status, statistics, history, the schedules."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from model_assets.answers import syncs
from model_assets.api.errors import documented
from model_assets.api.schedules import jobs
from model_assets.api.start_bodies import utc
from model_assets.api.starters import person
from model_assets.api.starts import all_sources
from model_assets.sources import SOURCES
from model_assets.upkeep.heartbeats import daemon

router = APIRouter(tags=["starting a sync"], responses=documented(401, 403), dependencies=[Depends(person)])
MINUTE = 60_000  # ms


@router.get("/admin/model-sync/providers")
def providers() -> dict[str, Any]:
    """The sources that can be synced as things are set, and why the others cannot."""
    names = sorted(all_sources())
    return {"providers": names, "count": len(names), "off": {name: why for name, one in SOURCES.items() if (why := one.why_off())}}


@router.get("/admin/model-sync/status")
def status(http: Request) -> dict[str, Any]:
    """`models.stats.total_active` is how many listings there are now, over all providers."""
    with http.app.state.parts.database.reading() as connection:
        found, previous = syncs.counted(connection), syncs.previous(connection)
    active = found["listings"] - found["retired"]
    names = sorted(all_sources())
    return {
        "models": {
            "stats": {"total": found["listings"], "total_active": active, "deprecated": found["deprecated"], "retired": found["retired"]}
        },
        "providers": {"in_database": found["providers"], "with_fetch_functions": len(names), "stats": {"total": found["providers"]}},
        "fetchable_providers": names,
        "last_sync": previous,
    }


@router.get("/admin/model-sync/health")
def health(http: Request) -> dict[str, Any]:
    """Whether syncs succeed: the last seven days, and since when none did."""
    settings = http.app.state.parts.settings
    with http.app.state.parts.database.reading() as connection:
        week, error = syncs.week(connection), syncs.last_error(connection)
    healthy = week["last_success"] is not None and week["success_rate"] >= 95
    why = "Healthy" if healthy else error or "No sync succeeded in the last seven days. POST /admin/model-sync/all starts one."
    return {
        "is_healthy": healthy, "health_reason": why, "enabled": settings.model_sync_enabled, "is_running": week["running"],
        "last_success_time": week["last_success"], "success_rate": week["success_rate"], "total_runs": week["total"],
        "successful_runs": week["succeeded"], "failed_runs": week["failed"], "last_error": error,
    }  # fmt: skip


@router.get("/api/admin/sync-models")
def sync_models_status(http: Request) -> dict[str, Any]:
    """The last sync, the statistics of seven days, and the pause between two starts."""
    minutes = http.app.state.parts.settings.model_sync_cooldown_minutes
    with http.app.state.parts.database.reading() as connection:
        week, last, error, found = (
            syncs.week(connection),
            syncs.previous(connection),
            syncs.last_error(connection),
            syncs.counted(connection),
        )
    none = {"lastSyncAt": None, "lastSyncStatus": None, "lastSyncDuration": None}
    current = {"isRunning": week["running"], **(last or none), "totalModels": found["listings"], "errorMessage": error}
    statistics = {
        "period": "7 days", "totalSyncs": week["total"], "successfulSyncs": week["succeeded"], "failedSyncs": week["failed"],
        "successRate": week["success_rate"], "averageDuration": week["average_ms"], "lastSuccessfulSync": week["last_success"],
    }  # fmt: skip
    cooldown = {"enabled": minutes > 0, "durationMs": minutes * MINUTE, "durationMinutes": minutes}
    return {"success": True, "data": {"currentStatus": current, "statistics": statistics, "cooldown": cooldown}}


@router.get("/v1/admin/sync/history")
def history(
    http: Request, limit: Annotated[int, Query(ge=1, le=100)] = 10, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> dict[str, Any]:
    """Attempts to sync a source, newest first, whoever started them."""
    with http.app.state.parts.database.reading() as connection:
        rows, total = syncs.history(connection, limit, offset)
    return {"data": rows, "meta": {"total": total, "limit": limit, "offset": offset}, "timestamp": utc(datetime.now(UTC))}


@router.get("/admin/scheduler/status")
def scheduler(http: Request) -> dict[str, Any]:
    """Whether Dagster's daemon runs, and when each schedule is due, as the environment sets them."""
    parts = http.app.state.parts
    found = daemon(parts.settings, parts.database.url)
    return {"running": found is not None and bool(found.heartbeat_ages) and not found.dead, "jobs": jobs(parts.settings)}
