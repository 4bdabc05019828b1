"""Webhooks: what changed, sent to an address of a user's own, signed, in order, and again from any place."""

import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from model_assets.api.callers import Caller, User
from model_assets.api.errors import Problem, documented, not_found
from model_assets.api.routes.changes import asking, known_types
from model_assets.changes.feed import read_cursor
from model_assets.changes.signing import shown
from model_assets.changes.subscribers import replay, subscribe, unsubscribe, webhook, webhooks

router = APIRouter(prefix="/api/v1/webhooks", tags=["changes"], responses=documented(401))
CURSOR = "next_cursor of /api/v1/changes, or the cursor of a message"


class Wanted(BaseModel):
    """Where to send what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2000, description="https, a public host", examples=["https://example.com/hooks/models"])
    types: list[str] | None = Field(default=None, min_length=1, max_length=30, description="only these changes; null: all")
    from_cursor: str | None = Field(
        default=None, max_length=100, description=f"begin after this: {CURSOR}; null: with what comes from now on"
    )


class Shown(BaseModel):
    """A webhook and how sending to it goes."""

    webhook_id: uuid.UUID
    url: str
    types: list[str] | None
    active: bool
    ended_because: str | None = Field(description="why nothing is sent any more; a replay begins anew")
    created_at: datetime
    attempts: int = Field(description="how often the message that is next was tried in vain")
    failing_since: datetime | None
    next_try_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_delivered_at: datetime | None


class Made(Shown):
    """A new webhook, with what signs its messages."""

    secret: str = Field(description="told this once", examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw3nq0zl4aL2s="])


class Webhooks(BaseModel):
    """A user's webhooks."""

    webhooks: list[Shown]


@router.post("", status_code=201, response_model=Made, responses=documented(400, 422))
def create(request: Request, caller: User, wanted: Wanted) -> dict[str, Any]:
    """Have changes sent. Messages are signed as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature); answer with 2xx."""
    types = None if wanted.types is None else known_types(wanted.types)
    loopback = request.app.state.parts.settings.api_webhook_loopback
    with asking(), _writing(request, caller) as connection:
        after = read_cursor(wanted.from_cursor) if wanted.from_cursor else None
        made, secret = subscribe(connection, _id(caller), wanted.url, types, after, allow_loopback=loopback)
    return asdict(made) | {"secret": shown(secret)}


@router.get("", response_model=Webhooks)
def mine(request: Request, caller: User) -> dict[str, Any]:
    """Your webhooks."""
    with _writing(request, caller) as connection:
        return {"webhooks": [asdict(one) for one in webhooks(connection, _id(caller))]}


@router.get("/{webhook_id}", response_model=Shown, responses=documented(404))
def one(request: Request, caller: User, webhook_id: uuid.UUID) -> dict[str, Any]:
    """One of yours."""
    with _writing(request, caller) as connection:
        found = webhook(connection, _id(caller), webhook_id)
    if found is None:
        raise not_found("webhook", str(webhook_id))
    return asdict(found)


@router.delete("/{webhook_id}", status_code=204, responses=documented(404))
def delete(request: Request, caller: User, webhook_id: uuid.UUID) -> None:
    """Send nothing there any more."""
    with _writing(request, caller) as connection:
        if not unsubscribe(connection, _id(caller), webhook_id):
            raise not_found("webhook", str(webhook_id))


@router.post("/{webhook_id}/replay", status_code=202, response_model=Shown, responses=documented(400, 404))
def again(
    request: Request,
    caller: User,
    webhook_id: uuid.UUID,
    from_cursor: Annotated[
        str | None, Query(max_length=100, description=f"begin after this: {CURSOR}; without it with the first change")
    ] = None,
) -> dict[str, Any]:
    """Send what came after a cursor once more, with new message ids; also where the webhook had ended."""
    with asking(), _writing(request, caller) as connection:
        found = replay(connection, _id(caller), webhook_id, read_cursor(from_cursor) if from_cursor else None)
    if found is None:
        raise not_found("webhook", str(webhook_id))
    return asdict(found)


def _writing(request: Request, caller: Caller) -> Any:
    """A transaction of the role that may read secrets and write webhooks: who only reads the catalogue may do neither."""
    return request.app.state.parts.database.writing(_id(caller), request.scope.get("request_id", ""))


def _id(caller: Caller) -> str:
    """The user's id, which everybody has who came through `User`."""
    if caller.user_id is None:
        raise Problem(401, None, "This needs a token.")
    return caller.user_id
