"""What an answer to a start holds, in the words of the system whose scripts read it."""

from datetime import UTC, datetime
from typing import Any

from model_assets.api.starts import said
from model_assets.starting.requests import Part, Request


def utc(at: datetime | None) -> str | None:
    """An instant as text."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(found: Request) -> int:
    """How long a request has taken so far, or took."""
    return int(((found.finished_at or datetime.now(UTC)) - found.asked_at).total_seconds() * 1000)


def detailed(found: Request) -> dict[str, Any]:
    """`success`, `message`, `sync_id`, `status`, and `details` with `total_models_synced` and a line per source."""
    return {
        "success": found.status == "completed",
        "message": said(found),
        "sync_id": found.request_id,
        "status": found.status,
        "details": {
            "sync_id": found.request_id,
            "status": found.status,
            "dry_run": found.dry_run,
            "providers_processed": sum(part.finished_at is not None for part in found.parts),
            "total_models_synced": found.total("listings"),
            "models_added": found.total("created"),
            "models_updated": found.total("updated"),
            "models_vanished": found.total("vanished"),
            "models_skipped": found.total("skipped"),
            "duration_ms": milliseconds(found),
            "errors": found.errors,
            "results": [_of_source(part) for part in found.parts],
        },
    }


def _of_source(part: Part) -> dict[str, Any]:
    return {
        "provider": part.source,
        "success": part.status == "completed",
        "status": part.status,
        "models_synced": part.result.get("listings", 0),
        "prices": part.result.get("prices", 0),
        "run_id": part.run_id,
        "started_at": utc(part.started_at),
        "finished_at": utc(part.finished_at),
        "error": part.message,
        **({"changes": part.result["changes"]} if "changes" in part.result else {}),
    }


def logged(found: Request, previous: dict[str, Any] | None) -> dict[str, Any]:
    """`success`, `message`, `data` as a sync log, and `previousSync`."""
    return {
        "success": found.status == "completed",
        "message": said(found),
        "data": {
            "syncLogId": found.request_id,
            "status": found.status,
            "totalProcessed": found.total("listings"),
            "modelsAdded": found.total("created"),
            "modelsUpdated": found.total("updated"),
            "modelsMarkedInactive": found.total("vanished"),
            "durationMs": milliseconds(found),
            "errors": found.errors,
            "triggeredBy": found.asked_by,
            "triggeredAt": utc(found.asked_at),
        },
        "previousSync": previous,
    }


def scheduled(found: Request, previous: dict[str, Any] | None) -> dict[str, Any]:
    """The same for a service that calls on a schedule: with `timestamp`, and `sync_result` as a handler of its own would hand it on."""
    return {**logged(found, previous), "timestamp": utc(datetime.now(UTC)), "sync_result": detailed(found)}


def counted(found: Request) -> dict[str, Any]:
    """`status` (success, failed, or running), `created`, `updated`, `skipped` and `message`."""
    word = "running" if found.is_open else "success" if found.status == "completed" else "failed"
    counts = {name: found.total(name) for name in ("created", "updated", "skipped")}
    done = f"Successfully synced LiteRT models. Created: {counts['created']}, Updated: {counts['updated']}, Skipped: {counts['skipped']}"
    return {"status": word, **counts, "message": done if word == "success" else said(found), "sync_id": found.request_id}


def enveloped(found: Request) -> dict[str, Any]:
    """`data` with the id of the sync, and `timestamp`."""
    data = {"syncId": found.request_id, "status": found.status, "startedAt": utc(found.asked_at), "message": said(found)}
    return {"data": data, "timestamp": utc(datetime.now(UTC))}


def polled(found: Request) -> dict[str, Any]:
    """`status` as a poller waits for it (queued, running, completed, failed), and what was done."""
    status = "failed" if found.status == "refused" else found.status
    return {
        "success": found.status == "completed",
        "sync_id": found.request_id,
        "status": status,
        "message": said(found),
        "started_at": utc(found.asked_at),
        "completed_at": utc(found.finished_at),
        "providers_synced": sum(part.status == "completed" for part in found.parts),
        "models_updated": found.total("created") + found.total("updated"),
        "errors": found.errors,
    }
