"""The outbox: alerts are put in at one place, each once; and ended when what they tell of is over."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from model_assets.ledger.staging import storable

LONGEST = 2000
#: the password of an address, and values that are named as what nobody else may read
_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+@"), "***@"),
    (re.compile(r"(?i)((?:token|secret|password|passwd|api[_-]?key|authorization|credential)s?[\"']?\s*[=:]\s*[\"']?)(?:bearer\s+)?[^\s&\"',;]+"), r"\1***"),
    (re.compile(r"(https://(?:hooks\.slack\.com|discord(?:app)?\.com)/)\S+"), r"\1***"),
)  # fmt: skip


@dataclass(frozen=True)
class Alert:
    """What people are told. `key` says what happened, so that it is told once; `link` is a path in Dagster's UI."""

    kind: str
    key: str
    severity: str  # error, warning, info
    title: str
    text: str
    what_to_do: str
    link: str
    happened_at: datetime
    source: str | None = None
    lasting: bool = False  # it ends, and is told again should it come back


def without_secrets(words: str) -> str:
    """`words` in at most 2,000 characters, without the passwords and tokens that a message from elsewhere may hold."""
    words = words[: 10 * LONGEST]  # a whole page of a server that answers with one is nothing to search
    for pattern, shown in _SECRETS:
        words = pattern.sub(shown, words)
    return str(storable(words[:LONGEST]))


def raise_alert(connection: Connection, alert: Alert) -> bool:
    """Put an alert into the outbox, unless it is told of already. Returns whether it is new."""
    row = asdict(alert) | {name: without_secrets(getattr(alert, name)) for name in ("title", "text", "what_to_do")}
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    added = connection.execute(
        text(f"insert into ops.alert ({names}) values ({values}) on conflict (key) where ended_at is null do nothing returning alert_id"),
        row,
    )
    return added.scalar() is not None


def end(connection: Connection, key: str, at: datetime, said: str) -> bool:
    """End the open lasting alert of this key, if it began before `at`, and tell that it is over. Returns whether there was one."""
    ended = connection.execute(
        text("update ops.alert set ended_at = :at where key = :key and lasting and ended_at is null and happened_at <= :at returning *"),
        {"key": key, "at": at},
    ).one_or_none()
    if ended is None:
        return False
    over = Alert(
        "over", f"over:{ended.alert_id}", "info", f"Over: {ended.title}", f"{said} It had begun at {ended.happened_at:%Y-%m-%d %H:%M} UTC.",
        "Nothing.", ended.link, at, ended.source,
    )  # fmt: skip
    return raise_alert(connection, over)


def clock(connection: Connection) -> datetime:
    """The time it is for the database, which wrote the books."""
    return connection.execute(text("select clock_timestamp()")).scalar_one()


def open_keys(connection: Connection, prefix: str) -> set[str]:
    """The keys of the alerts that are open, of those that begin with `prefix`."""
    query = text("select key from ops.alert where ended_at is null and starts_with(key, :prefix)")
    return set(connection.scalars(query, {"prefix": prefix}))


def position(connection: Connection, name: str) -> tuple[str, datetime] | None:
    """(How far `name` was read, since when it is read), held for this transaction; null where it never was."""
    query = text("select position, since from ops.alert_watch where name = :name for update")
    row = connection.execute(query, {"name": name}).one_or_none()
    return None if row is None else (row.position, row.since)


def move(connection: Connection, name: str, position: str) -> None:
    """Keep how far `name` was read, in the transaction that raises what was found: so nothing is told twice, or never."""
    connection.execute(
        text(
            "insert into ops.alert_watch (name, position) values (:name, :position) on conflict (name) do update set position = excluded.position"
        ),
        {"name": name, "position": position},
    )


def newest(connection: Connection, limit: int) -> Sequence[dict[str, Any]]:
    """The newest alerts, each with how many channels it reached, how many it waits for, and what the last of these said."""
    query = text(
        "select alert_id, kind, severity, title, text, what_to_do, link, source, happened_at, raised_at, ended_at,"
        " lasting and ended_at is null as open, told.delivered, told.waiting, told.last_error from ops.alert left join lateral ("
        "  select count(delivered_at) as delivered, count(*) filter (where delivered_at is null) as waiting,"
        "   max(last_error) filter (where delivered_at is null) as last_error"
        "  from ops.alert_delivery where alert_delivery.alert_id = alert.alert_id"
        " ) as told on true order by alert_id desc limit :limit"
    )
    return [dict(row) for row in connection.execute(query, {"limit": limit}).mappings()]
