"""Asking for a sync: which sources are meant, the row that says so, and waiting for its end without holding a connection or a thread."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from fastapi import Request as HttpRequest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from model_assets.api.database import again
from model_assets.api.errors import Problem, not_found
from model_assets.errors import DatabaseDown
from model_assets.sources import SOURCES, of_kind
from model_assets.starting.requests import AlreadyRunning, CoolingDown, Request, StartRefused, expire, read_request, request_sync

LOG = logging.getLogger(__name__)
LOOK_EVERY = 0.5  # seconds between two looks at a request that somebody waits for
Body = Callable[[Request], dict[str, Any]]


def all_sources() -> list[str]:
    """Those that are read as things are set."""
    return [name for name, source in SOURCES.items() if source.why_off() is None]


def price_sources() -> list[str]:
    """Those that are read for prices."""
    return [name for name in of_kind("prices") if SOURCES[name].why_off() is None]


def named_sources(given: Sequence[str]) -> list[str]:
    """The sources of these names, however their letters are cased; names may be separated by commas. Raises Problem: 404 for one that is none,
    409 for one that is off."""
    names = [name.strip() for words in given for name in words.split(",") if name.strip()]
    if not names:
        return all_sources()
    return list(dict.fromkeys(one_source(name) for name in names))


def one_source(given: str) -> str:
    """The source of this name. Raises Problem as `named_sources` does."""
    name = given.strip().lower()
    if name not in SOURCES:
        raise not_found("source", given)
    if why := SOURCES[name].why_off():
        raise Problem(409, "SOURCE_OFF", f"{name} is off: {why}")
    return name


async def start(http: HttpRequest, sources: Sequence[str], asked_by: str, body: Body, *, wait: int = 0, dry_run: bool = False) -> Response:
    """Ask for a sync and answer when it has ended, or after `wait` seconds: 200 where all of it worked, 202 where it goes on, 502 where a source
    failed. `body` makes the fields that the address promises. Once it is asked for, a database that is busy or away ends no wait: the answer says
    what was seen last."""
    found = await run_in_threadpool(_ask, http, sources, asked_by, dry_run)
    give_up = time.monotonic() + wait
    while found.is_open and (left := give_up - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_EVERY, left))
        found = await run_in_threadpool(_look_again, http, found)
    return answer(found, body(found))


def answer(found: Request, body: Mapping[str, Any]) -> Response:
    """The request as an answer: its fields, and the headers that scripts read."""
    headers = {"X-Sync-Log-ID": found.request_id, "X-Models-Processed": str(found.total("listings")), "Cache-Control": "no-store"}
    if found.is_open or found.status == "completed":
        return JSONResponse(dict(body), 202 if found.is_open else 200, headers)
    raise Problem(502, "SYNC_FAILED", "; ".join(found.errors), details=found.errors, headers=headers, extra=dict(body))


def said(found: Request) -> str:
    """The request in a sentence."""
    if found.status == "queued":
        return f"Queued as {found.request_id}. Dagster starts it within seconds where its daemon runs; if it stays queued, /readyz says what is wrong."
    if found.is_open:
        done = sum(part.finished_at is not None for part in found.parts)
        return f"Sync {found.request_id} goes on: {done} of {len(found.parts)} sources have ended."
    if found.errors:
        return "; ".join(found.errors)
    counts = ", ".join(f"{found.total(name)} {name}" for name in ("created", "updated", "vanished", "skipped"))
    return f"{'Looked at' if found.dry_run else 'Synced'} {len(found.parts)} sources: {found.total('listings')} models; {counts}."


def request_of(http: HttpRequest, request_id: str) -> Request:
    """The request of that id as it is now. Raises Problem: 404."""

    def once() -> Request | None:
        with http.app.state.parts.database.writing("sync request") as connection:
            expire(connection)
            return read_request(connection, request_id)

    found = again(once)
    if found is None:
        raise not_found("sync", request_id)
    return found


def _look_again(http: HttpRequest, known: Request) -> Request:
    """The request as it is now; as it was known where the database is busy or away."""
    try:
        with http.app.state.parts.database.reading() as connection:
            return read_request(connection, known.request_id) or known
    except (OperationalError, PoolTimeout, DatabaseDown) as error:
        LOG.info("sync %s is waited for and could not be looked at: %s", known.request_id, " ".join(str(error).split())[:200])
        return known


def _ask(http: HttpRequest, sources: Sequence[str], asked_by: str, dry_run: bool) -> Request:
    parts = http.app.state.parts
    pause = timedelta(minutes=parts.settings.model_sync_cooldown_minutes)
    route = http.scope["route"].path  # never the path itself: it may hold a key

    def once() -> Request:
        with parts.database.writing(asked_by, http.scope.get("request_id", "")) as connection:
            return request_sync(connection, sources, asked_by=asked_by, via=f"{http.method} {route}", cooldown=pause, dry_run=dry_run)

    try:
        return again(once)
    except StartRefused as refused:
        raise _as_problem(refused) from None


def _as_problem(refused: StartRefused) -> Problem:
    """409 or 429. The request that is in the way is named where scripts look for one they started: they may follow it to its end."""
    headers = {"Retry-After": str(refused.seconds)}
    if isinstance(refused, CoolingDown):
        headers["X-RateLimit-Reset"] = str(int(time.time()) + refused.seconds)
    status, code = (409, "ALREADY_RUNNING") if isinstance(refused, AlreadyRunning) else (429, "COOLING_DOWN")
    extra: dict[str, Any] = {"success": False, "retryAfter": refused.seconds}
    if refused.request_id:
        extra["sync_id"] = refused.request_id
    return Problem(status, code, str(refused), details=refused.request_id, headers=headers, extra=extra)
