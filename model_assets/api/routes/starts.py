"""Starting a sync, under every address that scripts know. Each answers with the fields that its script reads; all go through `api/starts.py`."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from model_assets.answers import syncs
from model_assets.api import start_bodies as bodies
from model_assets.api.errors import Problem, documented
from model_assets.api.parameters import SIGNED, no_body
from model_assets.api.starters import by_program, by_schedule, holder_of_path_key, person
from model_assets.api.starts import all_sources, named_sources, one_source, price_sources, request_of, start

router = APIRouter(tags=["starting a sync"], responses=documented(401), dependencies=[Depends(no_body)])

Wait = Annotated[
    int | None, Query(ge=0, le=300, description="seconds to wait for the end; unless given, as the address's own scripts expect it")
]
DryRun = Annotated[bool, Query(description="look, compare with the ledger, and write nothing")]
Person = Annotated[str, Depends(person)]
Sources = Annotated[list[str] | None, Query(description="sources, separated by commas or given again; all that are on unless named")]

ENDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "It ended, and all of it worked.", "content": {"application/json": {"schema": {"type": "object"}}}},
    202: {
        "description": "It is queued, or goes on; its status is under /admin/pricing/sync/{key}/status/{sync_id} and /v1/admin/sync/{sync_id}.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
#: one at a time per source: 409 with the id of what runs; and a pause after each: 429. A source that failed: 502
START = {**ENDED, **documented(403, 404, 409, 429, 502, 503)}


def waited(http: Request, wait: int | None) -> int:
    """How long to wait at an address whose scripts want the finished result."""
    return http.app.state.parts.settings.model_sync_wait_seconds if wait is None else wait


def unless_switched_off(http: Request) -> None:
    """For addresses that schedules call. Raises Problem: 503 while MODEL_SYNC_ENABLED is false."""
    if not http.app.state.parts.settings.model_sync_enabled:
        raise Problem(503, "SYNC_DISABLED", "MODEL_SYNC_ENABLED is false: no sync is started on a schedule. A person may still start one.")


async def _previous(http: Request) -> dict[str, Any] | None:
    """The last attempt that ended before this start."""

    def read() -> dict[str, Any] | None:
        with http.app.state.parts.database.reading() as connection:
            return syncs.previous(connection)

    return await run_in_threadpool(read)


# --- Gatewayz ---


@router.post("/admin/model-sync/all", responses=START)
@router.post("/admin/model-sync/incremental", responses=START)
async def sync_all(http: Request, who: Person, providers: Sources = None, dry_run: DryRun = False, wait: Wait = None) -> Response:
    """Sync all sources, or those of `providers`; `success`, `message` and `details.total_models_synced` when it has ended. Each sync reads all, and
    writes what changed."""
    return await start(http, named_sources(providers or []), who, bodies.detailed, wait=waited(http, wait), dry_run=dry_run)


@router.post("/admin/model-sync/full", responses=START)
@router.post("/admin/model-sync/providers-only", responses=START)
async def sync_full(http: Request, who: Person, dry_run: DryRun = False, wait: Wait = None) -> Response:
    """The same of all sources. Providers come with their models."""
    return await start(http, all_sources(), who, bodies.detailed, wait=waited(http, wait), dry_run=dry_run)


@router.post("/admin/model-sync/trigger", responses=START)
async def sync_in_the_background(http: Request, who: Person, dry_run: DryRun = False, wait: Wait = 0) -> Response:
    """The same, answered at once."""
    return await start(http, all_sources(), who, bodies.detailed, wait=wait or 0, dry_run=dry_run)


@router.post("/admin/model-sync/provider/{source}", responses=START)
async def sync_one(http: Request, who: Person, source: str, dry_run: DryRun = False, wait: Wait = None) -> Response:
    """Sync one source. A dry run says in `details.results[].changes` what would change."""
    return await start(http, [one_source(source)], who, bodies.detailed, wait=waited(http, wait), dry_run=dry_run)


@router.delete("/admin/model-sync/flush-models", status_code=410, responses=documented(403, 410))
@router.delete("/admin/model-sync/flush-providers", status_code=410, responses=documented(403, 410))
@router.post("/admin/model-sync/reset-and-resync", status_code=410, responses=documented(403, 410))
async def flush(who: Person, confirm: Annotated[str | None, Query(description="not looked at")] = None) -> Response:
    """Always 410: the ledger is a memory, and nothing of it is deleted."""
    raise Problem(
        410,
        "NOT_DELETED",
        "Nothing is deleted here: what a source no longer lists ends by itself, and stays answerable for the past. Sync instead.",
    )


@router.post("/admin/pricing/sync/{key}", responses=START)
async def sync_prices(http: Request, who: Annotated[str, Depends(holder_of_path_key)], dry_run: DryRun = False, wait: Wait = 0) -> Response:
    """Sync the sources of prices; `sync_id` at once. The key is ADMIN_KEY; a header is a better place for it."""
    return await start(http, price_sources(), who, bodies.polled, wait=wait or 0, dry_run=dry_run)


@router.get(
    "/admin/pricing/sync/{key}/status/{sync_id}", responses={200: ENDED[200], **documented(404)}, dependencies=[Depends(holder_of_path_key)]
)
async def price_sync_status(http: Request, sync_id: str) -> dict[str, Any]:
    """`status`: queued, running, completed, failed."""
    return bodies.polled(await run_in_threadpool(request_of, http, sync_id))


# --- OpenRouter model access ---


@router.post("/api/admin/sync-models", responses=START)
async def sync_models(http: Request, who: Person, sources: Sources = None, dry_run: DryRun = False, wait: Wait = None) -> Response:
    """Sync, and answer with the sync log and the one before; headers X-Sync-Log-ID, X-Models-Processed, X-Response-Time."""
    body = partial(bodies.logged, previous=await _previous(http))
    return await start(http, named_sources(sources or []), who, body, wait=waited(http, wait), dry_run=dry_run)


@router.post(SIGNED, responses=START)
async def sync_for_a_program(
    http: Request, who: Annotated[str, Depends(by_program)], sources: Sources = None, dry_run: DryRun = False, wait: Wait = None
) -> Response:
    """The same for a program: CRON_SECRET as bearer token, or the body's HMAC-SHA256 by it, in hex, in X-Signature; with X-Timestamp (seconds since
    1970) that of the timestamp, a dot and the body, which counts for five minutes. 503 while MODEL_SYNC_ENABLED is false."""
    unless_switched_off(http)
    body = partial(bodies.logged, previous=await _previous(http))
    return await start(http, named_sources(sources or []), who, body, wait=waited(http, wait), dry_run=dry_run)


def not_by_head(*methods: str) -> Any:
    """For an address whose GET starts something: HEAD, which is GET everywhere else, does not. Raises Problem, 405, with the methods there are."""

    async def refuse(http: Request) -> None:
        if http.scope.get("is_head"):
            said = "HEAD is for looking, and GET starts a sync here. GET /admin/model-sync/health tells how syncs go."
            raise Problem(405, None, said, headers={"Allow": ", ".join(methods)})

    return Depends(refuse)


@router.post("/api/cron/sync-models", responses=START)
@router.get("/api/cron/sync-models", responses=START, dependencies=[not_by_head("GET", "POST")])
@router.get("/api/cron/models/sync", responses=START, dependencies=[not_by_head("GET")])
async def sync_on_schedule(
    http: Request, who: Annotated[str, Depends(by_schedule)], sources: Sources = None, wait: Wait = None
) -> Response:
    """The same for a service that calls on a schedule, with CRON_SECRET as bearer token. 503 while MODEL_SYNC_ENABLED is false."""
    unless_switched_off(http)
    body = partial(bodies.scheduled, previous=await _previous(http))
    return await start(http, named_sources(sources or []), who, body, wait=waited(http, wait))


# --- Pocket AI, Model Lens ---


@router.post("/sync/huggingface/litert", responses=START)
async def sync_litert(http: Request, who: Person, wait: Wait = None) -> Response:
    """Sync the models of Hugging Face; `status`, `created`, `updated`, `skipped`, `message` when it has ended."""
    return await start(http, [one_source("huggingface")], who, bodies.counted, wait=waited(http, wait))


@router.post("/v1/admin/sync", responses=START)
async def sync_in_an_envelope(http: Request, who: Person, sources: Sources = None, dry_run: DryRun = False, wait: Wait = 0) -> Response:
    """Sync; 202 with `data.syncId` at once."""
    return await start(http, named_sources(sources or []), who, bodies.enveloped, wait=wait or 0, dry_run=dry_run)


@router.get("/v1/admin/sync/{sync_id}", responses={200: ENDED[200], **documented(403, 404)})
async def sync_by_id(http: Request, who: Person, sync_id: str) -> dict[str, Any]:
    """One sync that was asked for, with a line per source."""
    return bodies.detailed(await run_in_threadpool(request_of, http, sync_id))
