"""The oracle: the ledger as a plain replay of the payloads that were accepted says it must be, without a database."""

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import psycopg

from model_assets.ledger.claims import RELATIONS, Relation, Row, key_id
from model_assets.paged import DIGEST_BYTES, digest_all
from model_assets.sources import SOURCES
from model_assets.sources.base import Parsed

_ROW = struct.Struct(f">q{DIGEST_BYTES}s")
#: relation, key, digest, first and last instant
Claim = tuple[str, int, bytes, datetime, datetime | None]
Entry = tuple[str | None, str | None]


@dataclass(frozen=True)
class Said:
    """What one payload says, relation by relation: packed (key, digest), keys in doubt, entries in doubt as a whole."""

    rows: dict[str, bytes]
    doubted: dict[str, frozenset[int]]
    entries: dict[str, frozenset[Entry]]


class Oracle:
    """Reads the accepted payloads as they come, and replays them in order of time."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, bytes], Said] = {}
        self._entry_of: dict[int, Entry] = {}

    def read(self, connection: psycopg.Connection) -> int:
        """Read the accepted payloads that were not read yet; returns how many."""
        found = connection.execute("select distinct source, sha256 from ops.observation where verdict = 'accepted'").fetchall()
        new = [one for one in found if one not in self._said]
        for source, digest in new:
            [(packed,)] = connection.execute("select gzip from raw.body where sha256 = %s", [digest]).fetchall()
            body = gzip.decompress(packed)
            assert sha256(body).digest() == digest, "raw holds the very bytes"
            self._said[source, digest] = self._read(source, SOURCES[source].rows(body))
        return len(new)

    def _read(self, source: str, parsed: Parsed) -> Said:
        rows_of: dict[str, Sequence[Row]] = {
            "listing": list(parsed.all_listings),
            "price": parsed.prices,
            "score": parsed.scores,
            "mention": parsed.mentions,
        }
        rows, doubted, entries = {}, {}, {}
        for relation in RELATIONS:
            said: dict[int, bytes] = {}
            doubt = {key_id(source, relation, one.row) for one in parsed.rejects if one.row is not None and one.relation == relation.name}
            for row, digest in zip(rows_of[relation.name], digest_all(rows_of[relation.name]), strict=True):
                key = self._key(source, relation, row)
                if said.setdefault(key, digest) != digest:
                    doubt.add(key)
            rows[relation.name] = b"".join(_ROW.pack(key, digest) for key, digest in said.items() if key not in doubt)
            doubted[relation.name] = frozenset(doubt)
            entries[relation.name] = frozenset(
                (one.provider, one.listed_id) for one in parsed.rejects if one.row is None and one.relation in ("listing", relation.name)
            )
        return Said(rows, doubted, entries)

    def _key(self, source: str, relation: Relation, row: Row) -> int:
        key = key_id(source, relation, row)
        self._entry_of[key] = (str(row[0]), str(row[1]))
        return key

    def claims(self, source: str, accepted: list[tuple[datetime, bytes]]) -> set[Claim]:
        """All claims that a source's accepted observations make."""
        found: set[Claim] = set()
        for relation in RELATIONS:
            now: dict[int, tuple[bytes, datetime]] = {}
            for at, payload in sorted(accepted):
                said = self._said[source, payload]
                rows = dict(_ROW.iter_unpack(said.rows[relation.name]))
                silent, doubted = said.entries[relation.name], said.doubted[relation.name]
                for key in [*now]:
                    digest, since = now[key]
                    if key in rows and rows[key] == digest:
                        continue
                    if key in rows or not (key in doubted or self._in(key, silent)):
                        found.add((relation.name, key, digest, since, at))
                        del now[key]
                for key, digest in rows.items():
                    now.setdefault(key, (digest, at))
            found |= {(relation.name, key, digest, since, None) for key, (digest, since) in now.items()}
        return found

    def _in(self, key: int, entries: frozenset[Entry]) -> bool:
        provider, listed_id = self._entry_of[key]
        return bool(entries) and bool(entries & {(provider, listed_id), (provider, None), (None, listed_id), (None, None)})

    def differences(self, connection: psycopg.Connection) -> tuple[int, list[str]]:
        """(how many claims were compared, what differs between the replay and the ledger), of all sources."""
        self.read(connection)
        compared, wrong = 0, []
        accepted: dict[str, list[tuple[datetime, bytes]]] = {}
        for source, at, payload in connection.execute("select source, observed_at, sha256 from ops.observation where verdict = 'accepted'"):
            accepted.setdefault(source, []).append((at, payload))
        for source, observations in accepted.items():
            expected, held = self.claims(source, observations), ledger(connection, source)
            compared += len(expected)
            if expected != held:
                example = min(expected ^ held, key=lambda one: one[3])
                wrong.append(
                    f"{source}: {len(expected - held)} claims of the replay are not in the ledger, {len(held - expected)} of the ledger not in the"
                    f" replay; the first is {example[0]} {self._entry_of.get(example[1])} at {example[3]}"
                )
        return compared, wrong


def ledger(connection: psycopg.Connection, source: str) -> set[Claim]:
    """All claims of a source that the ledger holds."""
    return {
        (relation.name, key, bytes(digest), since, until)
        for relation in RELATIONS
        for key, digest, since, until in connection.execute(
            f"select key_id, digest, lower(seen), upper(seen) from history.{relation.name} where source = %s".encode(), [source]
        )
    }
