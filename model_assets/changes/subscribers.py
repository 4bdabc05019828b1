"""Subscribers: addresses that a user has changes sent to, each with a place in the order of changes up to which it has them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from model_assets.changes.feed import Cursor, position_of
from model_assets.changes.signing import new_secret
from model_assets.errors import FetchFailed, ModelAssetsError
from model_assets.fetching.post import check_address

MOST = 10  # of one user

#: what its owner may read: never the secret
_FIELDS = (
    "webhook_id, url, types, active, ended_because, created_at, attempts, failing_since, case when attempts > 0 then next_try_at end as next_try_at,"
    " last_status, last_error, last_delivered_at"
)
_HEAD = "(select coalesce(max(change_id), 0) from catalog.change)"


@dataclass(frozen=True)
class Webhook:
    """A subscriber as its owner sees it; `failing_since` and what follows tell how sending goes."""

    webhook_id: uuid.UUID
    url: str
    types: list[str] | None
    active: bool
    ended_because: str | None
    created_at: datetime
    attempts: int
    failing_since: datetime | None
    next_try_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_delivered_at: datetime | None


def subscribe(
    connection: Connection,
    user_id: str,
    url: str,
    types: Sequence[str] | None,
    after: Cursor | None = None,
    *,
    allow_loopback: bool = False,
) -> tuple[Webhook, bytes]:
    """A new subscriber, who is sent what comes from now on, or what came after a cursor; and its secret, which is not told again.

    Raises ModelAssetsError where nothing would be sent to the address or the user has as many as one may have, BadCursor.
    """
    try:
        check_address(url, allow_loopback=allow_loopback)
    except FetchFailed as refused:
        raise ModelAssetsError(f"The address {refused}. Use an https URL of a public host.") from None
    # two at once are in a line: the count holds for both
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('model_assets.webhook ' || :user, 0))"), {"user": user_id})
    if (count := len(webhooks(connection, user_id))) >= MOST:
        raise ModelAssetsError(f"There are {count} webhooks already, which is as many as a user may have. Delete one first.")
    position = None if after is None else position_of(connection, after)
    secret = new_secret()
    made = connection.execute(
        text(
            "insert into ops.webhook (user_id, url, types, position) values (:user, :url, :types,"
            f" coalesce(cast(:position as bigint), {_HEAD})) returning {_FIELDS}"
        ),
        {"user": user_id, "url": url, "types": None if types is None else list(types), "position": position},
    )
    found = _webhook(made.mappings().one())
    keep = text("insert into ops.webhook_secret (webhook_id, secret) values (:id, :secret)")
    connection.execute(keep, {"id": found.webhook_id, "secret": secret})
    return found, secret


def webhooks(connection: Connection, user_id: str) -> list[Webhook]:
    """A user's subscribers, the oldest first."""
    query = text(f"select {_FIELDS} from ops.webhook where user_id = :user order by created_at, webhook_id")
    return [_webhook(row) for row in connection.execute(query, {"user": user_id}).mappings()]


def webhook(connection: Connection, user_id: str, webhook_id: uuid.UUID) -> Webhook | None:
    """One of a user's; null where there is none, or where it is another's."""
    return next((one for one in webhooks(connection, user_id) if one.webhook_id == webhook_id), None)


def unsubscribe(connection: Connection, user_id: str, webhook_id: uuid.UUID) -> bool:
    """End it; false where there is none of this user's."""
    query = text("delete from ops.webhook where webhook_id = :id and user_id = :user")
    return bool(connection.execute(query, {"id": webhook_id, "user": user_id}).rowcount)


def replay(connection: Connection, user_id: str, webhook_id: uuid.UUID, after: Cursor | None) -> Webhook | None:
    """Send everything after a cursor (null: from the first change on) again, at once; one that had ended begins anew. Null where there is none
    of this user's. Raises BadCursor."""
    position = 0 if after is None else position_of(connection, after)
    found = connection.execute(
        text(
            "update ops.webhook set position = :position, replays = replays + 1, batch_until = null, attempts = 0, failing_since = null,"
            " next_try_at = now(), active = true, ended_because = null, last_error = null"
            f" where webhook_id = :id and user_id = :user returning {_FIELDS}"
        ),
        {"id": webhook_id, "user": user_id, "position": position},
    )
    row = found.mappings().one_or_none()
    return None if row is None else _webhook(row)


def _webhook(row: Any) -> Webhook:
    return Webhook(**row)
