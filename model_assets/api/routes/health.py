"""Whether the API lives, whether it is ready, and its metrics."""

import ipaddress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field

from model_assets.api.callers import BEARER, bearer, identify, require_secret, secret_matches, unauthenticated
from model_assets.api.errors import RETRY_AFTER, Problem, documented
from model_assets.api.metrics import CONTENT_TYPE
from model_assets.api.ready import FINE

router = APIRouter(tags=["health"])


def _version() -> str:
    try:
        return version("model-assets")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


VERSION = _version()
#: what a proxy adds: who asks is then somebody else than who is connected
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


class Health(BaseModel):
    """That the process answers."""

    status: Literal["healthy"] = "healthy"
    version: str = Field(examples=["0.1.0"])
    timestamp: datetime


class Ready(BaseModel):
    """That everything is there which the API needs."""

    ready: Literal[True] = True
    parts: dict[str, str] = Field(examples=[{"database": "ok", "revision": "ok", "published": "ok", "daemon": "ok"}])
    timestamp: datetime


class Wanted(BaseModel):
    """What readiness is asked for."""

    model_config = ConfigDict(extra="forbid")
    without_daemon: bool = Field(default=False, description="where only cron syncs: Dagster's daemon need not run")


@router.get("/health", summary="Whether the process answers")
@router.get("/healthz", summary="Whether the process answers")
async def health() -> Health:
    """Always 200 while the process lives, also without a database: what restarts a process that does not answer asks here."""
    return Health(version=VERSION, timestamp=datetime.now(UTC))


@router.get("/readyz", summary="Whether it can do its work", responses=documented(503))
def ready(request: Request, wanted: Annotated[Wanted, Query()]) -> Ready:
    """200 if the database answers, is at this version's revision and has something published, and Dagster's daemon beats; else 503, with each part
    and what is wrong with it in `details`. What sends requests only to processes that can answer them asks here."""
    parts = dict(request.app.state.parts.readiness.parts())
    if wanted.without_daemon:
        parts.pop("daemon", None)
    wrong = {name: said for name, said in parts.items() if said != FINE}
    if wrong:
        said = "; ".join(f"{name}: {what}" for name, what in wrong.items())
        raise Problem(503, None, f"Not ready. {said}", details=parts, headers={"Retry-After": str(RETRY_AFTER)})
    return Ready(parts=parts, timestamp=datetime.now(UTC))


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus's text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 403),
    },
)
def metrics(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Response:
    """Syncs, durations, last successes, ages, rows, quarantine, held changes, disputes, what is stuck or not published yet, and times to answer.
    For this machine itself, not through a proxy; from elsewhere with ADMIN_KEY or an admin's token. API_METRICS_PORT serves them on a port of their own.
    """
    if not _is_local(request):
        _let_in(request)
    return Response(request.app.state.parts.metrics.text(), headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})


def _is_local(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _let_in(request: Request) -> None:
    """Raises Problem unless the caller has the admin's key or an admin's token."""
    key = request.app.state.parts.settings.admin_key
    given = bearer(request.headers.get("authorization"))
    if secret_matches(given, key):
        require_secret(request, given, key)  # counted as any other
    elif (caller := identify(request)).tier != "admin":
        raise Problem(403, None, "This is for admins.") if caller.authenticated else unauthenticated()
