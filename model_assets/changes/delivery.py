"""Sending changes to subscribers: in order, at least once, a message at a time for each; what fails is tried again, less and less often.

Nobody waits for a subscriber: no transaction is open while one is asked, each answer has a deadline, those that work come before those that
failed, and all of it ends when the time for it is over. What goes wrong with us at one subscriber counts as a failure of that one alone.
"""

import json
import logging
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from model_assets.access.visibility import widened
from model_assets.changes.feed import Asked, Cursor, read_page
from model_assets.changes.signing import message_id, signed
from model_assets.database import connect
from model_assets.errors import FetchFailed
from model_assets.fetching.http import LONGEST_WAIT
from model_assets.fetching.post import post

LOG = logging.getLogger(__name__)
SECONDS = 10.0  # that one subscriber may take to answer
BUDGET = 30.0  # seconds after which no further message is begun
BATCH = 100  # changes in a message
SIDE_BY_SIDE = 8
LONGEST_FAILURE = "7 days"

DUE = """
select webhook_id from ops.webhook
where active and next_try_at <= clock_timestamp() and position < (select coalesce(max(change_id), 0) from catalog.change)
order by attempts > 0, next_try_at
limit 1000
"""
#: taken by one sender at a time: for a minute, which is longer than a message takes, or until the sender says what became of it
TAKE = """
update ops.webhook set next_try_at = clock_timestamp() + interval '1 minute'
where webhook_id = :id and active and next_try_at <= clock_timestamp()
returning *, (select secret from ops.webhook_secret as own where own.webhook_id = webhook.webhook_id) as secret,
    coalesce((select tier from access.profile where profile.user_id = webhook.user_id), 'free') as tier,
    (select max(change_id) from catalog.change) as head
"""
#: unless it was replayed meanwhile, and begins elsewhere now
_AS_IT_WAS = "where webhook_id = :id and position = :position and replays = :replays"
SKIPPED = f"update ops.webhook set position = :until, batch_until = null, next_try_at = clock_timestamp() {_AS_IT_WAS}"
ARRIVED = f"""
update ops.webhook
set position = :until, batch_until = null, attempts = 0, failing_since = null, next_try_at = clock_timestamp(),
    last_delivered_at = clock_timestamp(), last_status = :status, last_error = null
{_AS_IT_WAS}
"""
#: half a minute, then twice as long each time, up to an hour; a little apart, so that not all come back at once
_FAILING = f"""
update ops.webhook
set attempts = attempts + 1, batch_until = coalesce(:until, batch_until), last_status = :status, last_error = :error,
    failing_since = coalesce(failing_since, clock_timestamp()),
    next_try_at = clock_timestamp() + greatest(
        least(interval '30 seconds' * power(2, least(attempts, 10)), interval '1 hour') * (1 + random() / 4),
        make_interval(secs => least(coalesce(:wait, 0), {LONGEST_WAIT}))
    ),
    active = active and not (:gone or coalesce(failing_since, now()) < clock_timestamp() - interval '{LONGEST_FAILURE}'),
    ended_because = case
        when :gone then 'the address answered 410: it wants no more'
        when failing_since < clock_timestamp() - interval '{LONGEST_FAILURE}' then 'nothing arrived for {LONGEST_FAILURE}; at last: ' || :error
    end
"""
FAILED = f"{_FAILING} {_AS_IT_WAS}"
#: by us, at whatever point
BROKEN = f"{_FAILING} where webhook_id = :id and active"


@dataclass(frozen=True)
class Sent:
    """What became of a message: how many changes it told, and why it did not arrive (null: it did)."""

    webhook_id: uuid.UUID
    changes: int
    error: str | None = None


@dataclass(frozen=True)
class Sender:
    """How messages are sent. `catalogue_tier`: what everybody sees; `seconds` for one message, `budget` for beginning them."""

    url: str
    catalogue_tier: str = "free"
    allow_loopback: bool = False
    seconds: float = SECONDS
    budget: float = BUDGET


def deliver(sender: Sender) -> list[Sent]:
    """Send what is due. Each subscriber gets what its user may see at this moment; what they may not is passed over in silence."""
    ends = time.monotonic() + sender.budget
    with connect(sender.url) as connection:
        due = connection.scalars(text(DUE)).all()
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        tried = [pool.submit(_all_of, sender, webhook_id, ends) for webhook_id in due]
    return [one for each in tried for one in each.result()]


def _all_of(sender: Sender, webhook_id: uuid.UUID, ends: float) -> list[Sent]:
    """One message after the other, until there is none left, one fails, or the time is over."""
    sent: list[Sent] = []
    while time.monotonic() < ends and not (sent and sent[-1].error):
        try:
            one = _next(sender, webhook_id)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one subscriber is not wrong with the others
            one = _broken(sender, webhook_id, error)
        if one is None:
            break
        sent.append(one)
    return sent


def _next(sender: Sender, webhook_id: uuid.UUID) -> Sent | None:
    """Send the next message; null where there is none."""
    with connect(sender.url) as connection:
        taken = connection.execute(text(TAKE), {"id": webhook_id}).one_or_none()
        if taken is None:
            return None
        changes, cursor, until = _batch(connection, taken, widened(taken.tier, sender.catalogue_tier))
        as_it_was = {"id": webhook_id, "position": taken.position, "replays": taken.replays, "until": until}
        if not changes:
            connection.execute(text(SKIPPED), as_it_was)
            return None
    outcome = _try(sender, taken, _body(changes, cursor), until)
    with connect(sender.url) as connection:
        connection.execute(text(FAILED if outcome["error"] else ARRIVED), as_it_was | outcome)
    return Sent(webhook_id, len(changes), outcome["error"])


def _broken(sender: Sender, webhook_id: uuid.UUID, error: Exception) -> Sent:
    """Note that we could not send. Its own words stay out of the log, since they may hold a part of the address."""
    where = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("webhook %s could not be sent to (%s):\n%s", webhook_id, type(error).__name__, where)
    said = f"an error of ours came in between ({type(error).__name__})"
    with connect(sender.url) as connection:
        bound = {"id": webhook_id, "until": None, "status": None, "error": said, "wait": None, "gone": False}
        connection.execute(text(BROKEN), bound)
    return Sent(webhook_id, 0, said)


def _batch(connection: Connection, taken: Any, tier: str) -> tuple[list[Any], Cursor | None, int]:
    """The changes of the next message, the cursor after them, and the number up to which it goes: a message that is tried again does not grow,
    unless its user sees more by now; then what has no room in it is the next one's."""
    asked = Asked(types=taken.types, limit=BATCH)
    page = read_page(connection, tier, asked, position=taken.position, until=taken.batch_until or taken.head)
    whole = page.last_id if page.more and page.last_id else taken.batch_until or taken.head
    return json.loads(page.changes), page.next, whole


def _body(changes: list[Any], cursor: Cursor | None) -> bytes:
    return json.dumps({"type": "catalogue.changed", "data": {"changes": changes, "cursor": str(cursor)}}, ensure_ascii=False).encode()


def _try(sender: Sender, taken: Any, body: bytes, until: int, now: Callable[[], float] = time.time) -> dict[str, Any]:
    """Post a message. What became of it, without a part of the address, which may hold a secret."""
    message = message_id(taken.webhook_id, taken.replays, taken.position, until)
    headers = {"content-type": "application/json", **signed(bytes(taken.secret), message, int(now()), body)}
    try:
        answer = post(taken.url, body, headers, seconds=sender.seconds, allow_loopback=sender.allow_loopback)
    except FetchFailed as failed:
        # where a name leads inside of our network is nothing to tell
        said = "the address leads to no public host" if failed.kind == "forbidden_address" else f"it {failed}"
        return {"status": None, "error": said, "wait": None, "gone": False}
    error = None if 200 <= answer.status < 300 else f"it answered {answer.status}"
    return {"status": answer.status, "error": error, "wait": answer.retry_after, "gone": answer.status == 410}
