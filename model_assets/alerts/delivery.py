"""Delivering: what is due goes to each channel in one message, apart from whatever raised it; what fails is tried again, less and less often."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, text

from model_assets.alerts import sender
from model_assets.alerts.channels import Channel
from model_assets.alerts.message import Message, message
from model_assets.alerts.outbox import without_secrets
from model_assets.database import connect

SECONDS = 15.0  # that one message may take
KEPT_TRYING = "7 days"
NEWCOMER = "1 day"  # what a channel that was never used before is told of the past

# committed before anything is sent, so that two senders do not wait for each other here
ENQUEUE = f"""
insert into ops.alert_delivery (alert_id, channel)
select alert_id, :channel
from ops.alert
cross join (select min(alert_id) as first from ops.alert_delivery where channel = :channel) as known
where raised_at > now() - case when known.first is null then interval '{NEWCOMER}' else interval '{KEPT_TRYING}' end
    and alert_id > coalesce(known.first, 0)
on conflict do nothing
"""
#: all that waits for a channel as soon as any of it is due: so that what waited goes out together once the channel is up again
DUE = f"""
select alert.*, delivery.attempts
from ops.alert_delivery as delivery
join ops.alert using (alert_id)
where channel = :channel and delivered_at is null and raised_at > now() - interval '{KEPT_TRYING}'
    and exists (
        select from ops.alert_delivery as other join ops.alert as late using (alert_id)
        where other.channel = :channel and other.delivered_at is null and other.next_try_at <= now()
            and late.raised_at > now() - interval '{KEPT_TRYING}'
    )
order by alert_id
for update of delivery skip locked
"""
DELIVERED = """
update ops.alert_delivery set delivered_at = clock_timestamp(), attempts = attempts + 1, last_error = null
where channel = :channel and alert_id = any(:ids)
"""
#: half a minute, then twice as long each time, up to an hour
FAILED = """
update ops.alert_delivery
set attempts = attempts + 1, last_error = :error,
    next_try_at = clock_timestamp() + least(interval '30 seconds' * power(2, least(attempts, 10)), interval '1 hour')
where channel = :channel and alert_id = any(:ids)
"""


@dataclass(frozen=True)
class Delivery:
    """What became of a channel's message: how many alerts it told, and why it did not arrive (null: it did)."""

    channel: Channel
    alerts: int
    error: str | None = None


def deliver(url: str, to: Sequence[Channel], base: str, seconds: float = SECONDS) -> list[Delivery]:
    """Send what is due, to all channels side by side. Returns a Delivery for each channel, with 0 alerts where nothing was due.

    An alert is taken by one sender at a time, who holds its row until the message has arrived or not; so each arrives once, unless a process
    dies between the answer of a server and the commit. `base` is the address of Dagster's UI, `seconds` what one message may take.
    """
    if not to:
        return []
    with ThreadPoolExecutor(max_workers=min(len(to), 8)) as pool:
        tried = [pool.submit(_deliver, url, channel, base, seconds) for channel in to]
    return [each.result() for each in tried]  # whatever is wrong with one channel, all others were sent to


def _deliver(url: str, channel: Channel, base: str, seconds: float) -> Delivery:
    with connect(url) as connection:
        connection.execute(text(ENQUEUE), {"channel": channel.id})
    with connect(url) as connection:
        due = connection.execute(text(DUE), {"channel": channel.id}).all()
        if not due:
            return Delivery(channel, 0)
        error = send(channel, message(due, base), seconds)
        _keep(connection, channel, [row.alert_id for row in due], error)
    return Delivery(channel, len(due), error)


def _keep(connection: Connection, channel: Channel, ids: Sequence[int], error: str | None) -> None:
    connection.execute(
        text(FAILED if error else DELIVERED), {"channel": channel.id, "ids": list(ids), **({"error": error} if error else {})}
    )


def send(channel: Channel, words: Message, seconds: float = SECONDS) -> str | None:
    """Send a message now. Returns why it did not arrive, without the address's secrets; null where it did."""
    if channel.problem:
        return channel.problem
    asked = {"url": channel.url, "title": words.title, "body": words.body, "severity": words.severity, "seconds": seconds}
    try:
        # -P: the folder of the file is not where modules are looked for
        command = [sys.executable, "-P", str(Path(sender.__file__))]
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=seconds + 5, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:.0f} seconds"
    if done.returncode:  # what it wrote may hold the address
        return f"the sending process ended with {done.returncode} ({_last_word(done.stderr)})"
    answer: dict[str, Any] = json.loads(done.stdout)
    return None if answer["error"] is None else without_address(answer["error"], channel.url)


def _last_word(stderr: str) -> str:
    """The class of the exception in a traceback, and nothing of its message."""
    found = re.findall(r"^([A-Za-z_.]+(?:Error|Exception|Interrupt|Exit))\b", stderr, re.MULTILINE)
    return found[-1] if found else "no reason"


def without_address(words: str, url: str) -> str:
    """`words` without any part of an address that may be a secret: user, password, path, parameters."""
    parts = urlsplit(url)
    pieces = {
        url,
        *re.split(r"[/?&=:@]", parts.netloc.rpartition("@")[0]),
        *re.split(r"[/?&=+:]", f"{parts.path}/{parts.query}/{parts.fragment}"),
    }
    for piece in sorted({form for one in pieces for form in (one, unquote(one))}, key=len, reverse=True):
        if len(piece) >= 4:
            words = words.replace(piece, "***")
    return without_secrets(" ".join(words.split()))[:300]
