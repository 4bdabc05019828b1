"""Raw payloads: recorded once per content, found again by source and instant."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from model_assets.upkeep.disk import require_room

FUTURE_LIMIT = timedelta(minutes=5)


@dataclass(frozen=True)
class Observation:
    """A source returned these bytes (by their SHA-256) at this instant."""

    source: str
    observed_at: datetime
    sha256: bytes

    @property
    def label(self) -> str:
        """The observation in words, for messages: `openrouter 2026-01-16T00:10Z`."""
        return f"{self.source} {instant_text(self.observed_at)}"


class Counts(NamedTuple):
    """How many rows of each relation a payload holds, in the order of `claims.RELATIONS`."""

    listings: int = 0
    prices: int = 0
    scores: int = 0
    mentions: int = 0

    @property
    def entries(self) -> int:
        """How many things a payload lists: models; where it lists none, scores; or else mentions."""
        return self.listings or self.scores or self.mentions

    @property
    def rows(self) -> int:
        """How many rows in all."""
        return sum(self)


#: the counts as columns of `ops.observation` and `staged.change_set`
COUNTS = ", ".join(Counts._fields)


@dataclass(frozen=True)
class Judged:
    """An observation that the gate judged, with the counts it was judged by."""

    observation: Observation
    verdict: str
    counts: Counts
    rejected: int


def instant_text(at: datetime) -> str:
    """An instant as people write it here: `2026-01-16T00:10Z`, with seconds only where there are any."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ" if not at.second else "%Y-%m-%dT%H:%M:%SZ")


def record(
    connection: Connection,
    source: str,
    observed_at: datetime,
    body: bytes,
    *,
    url: str,
    origin: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    compressed: bytes | None = None,
) -> Observation:
    """Keep a payload; bytes that are there already are not kept twice, and recording the same observation again changes nothing.

    `compressed` is the gzip of `body` where the caller has it. Raises ValueError where `observed_at` has no zone or lies ahead of the
    database's clock by more than five minutes: such an instant would end claims that still hold. Raises NoRoom where the disk has none for it.
    """
    require_room(connection.engine.url, len(body))
    if observed_at.tzinfo is None:
        raise ValueError(f"the instant {observed_at} has no time zone")
    digest = sha256(body).digest()
    now, known = connection.execute(text("select now(), exists (select from raw.body where sha256 = :sha256)"), {"sha256": digest}).one()
    if observed_at > now + FUTURE_LIMIT:
        raise ValueError(
            f"{instant_text(observed_at)} is ahead of the database's clock ({instant_text(now)}); correct the clock or the file's name"
        )
    if not known:
        connection.execute(
            text("insert into raw.body (sha256, bytes, gzip) values (:sha256, :bytes, :gzip) on conflict do nothing"),
            {"sha256": digest, "bytes": len(body), "gzip": compressed or gzip.compress(body, 0 if body.startswith(b"PK") else 6, mtime=0)},
        )
    connection.execute(
        text(
            "insert into raw.payload (source, observed_at, sha256, url, status, headers, origin)"
            " values (:source, :observed_at, :sha256, :url, :status, :headers, :origin) on conflict do nothing"
        ),
        {
            "source": source, "observed_at": observed_at, "sha256": digest, "url": url, "status": status,
            "headers": json.dumps(dict(headers or {})), "origin": origin,
        },
    )  # fmt: skip
    return Observation(source, observed_at, digest)


def body_of(connection: Connection, digest: bytes) -> bytes:
    """The payload with this SHA-256. Raises LookupError where it is not kept."""
    stored = connection.execute(text("select gzip from raw.body where sha256 = :sha256"), {"sha256": digest}).scalar()
    if stored is None:
        raise LookupError(f"no payload with SHA-256 {digest.hex()} in raw.body")
    return gzip.decompress(stored)


def on_day(connection: Connection, source: str, day: date) -> list[Observation]:
    """The source's observations of a UTC day, in order of time; where an instant has several payloads, the one recorded last."""
    start = datetime.combine(day, time(), UTC)
    rows = connection.execute(
        text(
            "select distinct on (observed_at) observed_at, sha256 from raw.payload"
            " where source = :source and observed_at >= :start and observed_at < :end order by observed_at, recorded_at desc, sha256 desc"
        ),
        {"source": source, "start": start, "end": start + timedelta(days=1)},
    )
    return [Observation(source, at, digest) for at, digest in rows]


def latest_validators(connection: Connection, source: str, url: str) -> tuple[str | None, str | None, bytes] | None:
    """(ETag, Last-Modified, SHA-256) of the source's newest live payload from `url`, for a conditional request; null without one."""
    row = connection.execute(
        text(
            "select headers->>'etag', headers->>'last-modified', sha256 from raw.payload"
            " where source = :source and url = :url and origin = 'live' order by observed_at desc limit 1"
        ),
        {"source": source, "url": url},
    ).one_or_none()
    return (row[0], row[1], row[2]) if row and (row[0] or row[1]) else None


def latest_live(connection: Connection, source: str) -> bytes | None:
    """The newest payload that was fetched from a source; null without one."""
    digest = connection.execute(
        text("select sha256 from raw.payload where source = :source and origin = 'live' order by observed_at desc limit 1"),
        {"source": source},
    ).scalar()
    return None if digest is None else body_of(connection, digest)


def nearest_earlier_accepted(connection: Connection, source: str, before: datetime) -> Judged | None:
    """The source's last accepted observation before an instant: what a payload's size is compared with."""
    row = connection.execute(
        text(
            f"select observed_at, sha256, verdict, rejected, {COUNTS} from ops.observation"
            " where source = :source and observed_at < :before and verdict = 'accepted' order by observed_at desc limit 1"
        ),
        {"source": source, "before": before},
    ).one_or_none()
    return _judged(source, row) if row else None


def judged_by_the_gate_after(connection: Connection, source: str, after: datetime) -> list[Judged]:
    """The later observations whose verdict is the gate's own and may depend on what was accepted before them, in order of time: of each
    instant the accepted payload or, where none is, the refused one that was recorded last."""
    found = connection.execute(
        text(
            f"""
            select observed_at, sha256, verdict, rejected, {COUNTS} from (
                select distinct on (observed_at) * from ops.observation join raw.payload using (source, observed_at, sha256)
                where source = :source and observed_at > :after and verdict in ('accepted', 'refused')
                order by observed_at, verdict, recorded_at desc) as last
            where decided_by = 'gate' and listings + scores + mentions > 0 order by observed_at
            """
        ),
        {"source": source, "after": after},
    )
    return [_judged(source, row) for row in found]


def _judged(source: str, row: Sequence[Any]) -> Judged:
    observed_at, digest, verdict, rejected, *counts = row
    return Judged(Observation(source, observed_at, digest), verdict, Counts(*counts), rejected)
