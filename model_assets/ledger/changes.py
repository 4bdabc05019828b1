"""The change set: what merging an observation would do to the ledger.

It is found by comparing digests: those of the payload's rows with those of the claims that hold at the instant. Rows that hold already
are never sent, never validated again, never written.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from model_assets.contracts import Reject
from model_assets.ledger.claims import RELATIONS, Relation, Row, key_id
from model_assets.ledger.observations import Counts, Observation
from model_assets.paged import DIGEST_BYTES, PagedRows, digest_all
from model_assets.sources.base import ORIGINAL_LIMIT, Parsed, as_json

_PACKED = struct.Struct(f">{DIGEST_BYTES}sq")
#: (relation, rows) -> {index of a broken row: why}
Contract = Callable[[Relation, Sequence[Row]], dict[int, str]]
#: how many rows are judged at once
ROWS_AT_ONCE = 1_000


class Opened(Mapping[int, tuple[bytes, Row]]):
    """key -> (digest, row) of claims that would open; the rows stay where they are, which may be packed."""

    def __init__(self, rows: Sequence[Row], places: dict[int, tuple[bytes, int]]) -> None:
        self._rows, self._places = rows, places

    def __getitem__(self, key: int) -> tuple[bytes, Row]:
        digest, place = self._places[key]
        return digest, self._rows[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def digests(self) -> dict[bytes, int]:
        """digest -> key, without looking at a row."""
        return {digest: key for key, (digest, _) in self._places.items()}


@dataclass
class Part:
    """One relation's share of a change set. A key that closes and opens (or is restored) is a changed claim.

    `restored`: keys that get back what held just before the instant, because a payload that spoke of them is replaced by one that does not.
    """

    opened: Opened = field(default_factory=lambda: Opened((), {}))
    closing: set[int] = field(default_factory=set)
    restored: set[int] = field(default_factory=set)

    @property
    def changed(self) -> int:
        """How many keys have a claim before and after."""
        return len(self.closing & (self.opened.keys() | self.restored))

    @property
    def added(self) -> int:
        """How many keys get a claim and had none."""
        return len(self.opened) + len(self.restored) - self.changed


@dataclass
class ChangeSet:
    """What an observation changes, compared with the ledger at `ledger_version`.

    `spoken`: the keys of which the payload speaks although their whole entry is in doubt.
    """

    observation: Observation
    ledger_version: int
    parts: dict[str, Part]
    rejects: list[tuple[Reject, int | None]]
    counts: Counts
    spoken: set[int] = field(default_factory=set)

    @property
    def added(self) -> int:
        """Claims with a key that had none."""
        return sum(part.added for part in self.parts.values())

    @property
    def changed(self) -> int:
        """Claims that another one of the same key follows."""
        return sum(part.changed for part in self.parts.values())

    @property
    def closed(self) -> int:
        """Claims that end without a successor."""
        return sum(len(part.closing) - part.changed for part in self.parts.values())

    @property
    def empty(self) -> bool:
        """Whether the ledger says all of it already."""
        return not (self.added or self.changed or self.closed)


def version_of(connection: Connection, source: str) -> int:
    """The version of a source's ledger; 0 where nothing was merged yet."""
    return connection.execute(text("select ledger_version from ops.source where source = :source"), {"source": source}).scalar() or 0


def compare(
    connection: Connection,
    observation: Observation,
    parsed: Parsed,
    contract: Contract,
    ledger_version: int | None = None,
    pending: Sequence[ChangeSet] = (),
) -> ChangeSet:
    """Compare a parsed payload with the claims that hold at its instant. Writes nothing.

    `ledger_version` is the version it is compared with, where the caller looked before (left out: the present one). `pending` are change sets
    of just before, with nothing accepted since, that will be merged first: what they do counts as done.

    `contract` judges the rows that differ. A row that breaks it, a row whose key occurs twice with different values, and whatever the
    source's file rejected say nothing about their keys: what held goes on. `rejects` names each with the key it concerns (null: all keys
    of its entry).
    """
    version = version_of(connection, observation.source) if ledger_version is None else ledger_version
    rejects: list[tuple[Reject, int | None]] = [(reject, _key_of(observation.source, reject)) for reject in parsed.rejects]
    parts = {}
    counts = {}
    spoken: set[int] = set()
    rows_of: dict[str, Sequence[Row]] = {
        "listing": parsed.all_listings,
        "price": parsed.prices,
        "score": parsed.scores,
        "mention": parsed.mentions,
    }
    for relation in RELATIONS:
        rows = rows_of[relation.name]
        digests = rows.digests() if isinstance(rows, PagedRows) else digest_all(rows)
        present = {digest: place for place, digest in enumerate(digests)}
        counts[relation.name] = len(present)
        held = held_at(connection, relation, observation.source, observation.observed_at)
        for earlier in pending:
            held = _after(held, earlier.parts[relation.name])
        speaks = _spoken(observation.source, relation, rows, rejects)
        spoken |= speaks
        parts[relation.name] = _compare_relation(connection, observation, relation, rows, present, held, rejects, contract, speaks)
    return ChangeSet(observation, version, parts, rejects, Counts(*(counts[relation.name] for relation in RELATIONS)), spoken)


def _compare_relation(
    connection: Connection,
    observation: Observation,
    relation: Relation,
    rows: Sequence[Row],
    present: dict[bytes, int],
    held: dict[bytes, int],
    rejects: list[tuple[Reject, int | None]],
    contract: Contract,
    spoken: set[int],
) -> Part:
    new = [(digest, place) for digest, place in present.items() if digest not in held]
    gone = {key for digest, key in held.items() if digest not in present}
    going_on = set(held.values()) - gone if new else set()
    opened = _unambiguous(observation.source, relation, rows, new, going_on, rejects, contract)
    unspoken = _unspoken(connection, relation, rejects, gone, spoken)
    restored, ended = _replaced(connection, observation, relation, rejects, spoken)
    return Part(opened, (gone - unspoken) | ended, restored)


def _unambiguous(
    source: str,
    relation: Relation,
    rows: Sequence[Row],
    new: list[tuple[bytes, int]],
    going_on: set[int],
    rejects: list[tuple[Reject, int | None]],
    contract: Contract,
) -> Opened:
    """The rows that would open a claim: those that keep the contract and are alone in speaking of their key. `going_on` are the keys of
    which the payload says what is held already."""
    in_doubt = {key for reject, key in rejects if key is not None and reject.relation == relation.name}
    opened: dict[int, tuple[bytes, int]] = {}
    twice: dict[int, list[int]] = {}
    for start in range(0, len(new), ROWS_AT_ONCE):
        chunk = [(digest, place, rows[place]) for digest, place in new[start : start + ROWS_AT_ONCE]]
        broken = contract(relation, [row for _, _, row in chunk])
        for index, (digest, place, row) in enumerate(chunk):
            key = key_id(source, relation, row)
            if index in broken:
                rejects.append((_reject(relation, row, broken[index]), key))
                in_doubt.add(key)
            elif key in opened or key in going_on:
                twice.setdefault(key, [opened[key][1]] if key in opened else []).append(place)
            else:
                opened[key] = (digest, place)
    for key, places in twice.items():
        opened.pop(key, None)
        rejects.extend((_reject(relation, rows[place], "the payload says two different things of one key"), key) for place in places)
    for key in in_doubt & opened.keys():
        rejects.append((_reject(relation, rows[opened.pop(key)[1]], "another row of the same key is broken"), key))
    return Opened(rows, opened)


def _reject(relation: Relation, row: Row, reason: str) -> Reject:
    original = as_json(dict(zip(relation.columns, row, strict=True)))[:ORIGINAL_LIMIT]
    return Reject(relation.name, str(row[0]), str(row[1]), reason, original, row)  # type: ignore[arg-type]


def _key_of(source: str, reject: Reject) -> int | None:
    if reject.row is None:
        return None
    relation = next(relation for relation in RELATIONS if relation.name == reject.relation)
    return key_id(source, relation, reject.row)


def _entries_in_doubt(relation: Relation, rejects: Iterable[tuple[Reject, int | None]]) -> dict[str, list[str | None]]:
    """The entries that are in doubt as a whole, as columns for `unnest`; a null id stands for all of its provider, a null provider for any."""
    entries = {
        (reject.provider, reject.listed_id) for reject, key in rejects if key is None and reject.relation in ("listing", relation.name)
    }
    return {"providers": [provider for provider, _ in entries], "ids": [listed_id for _, listed_id in entries]}


def _spoken(source: str, relation: Relation, rows: Sequence[Row], rejects: Iterable[tuple[Reject, int | None]]) -> set[int]:
    """The keys of the rows that belong to entries in doubt as a whole."""
    entries = _entries_in_doubt(relation, rejects)
    in_doubt = set(zip(entries["providers"], entries["ids"], strict=True))
    if not in_doubt:
        return set()
    everything = (None, None) in in_doubt
    return {
        key_id(source, relation, row)
        for row in rows
        if everything or not in_doubt.isdisjoint({(row[0], row[1]), (row[0], None), (None, row[1])})
    }


_IN_DOUBT = """exists (
    select from unnest(cast(:providers as text[]), cast(:ids as text[])) as entry (provider, listed_id)
    where coalesce(entry.provider, {provider}) = {provider} and coalesce(entry.listed_id, {listed_id}) = {listed_id})"""


def _unspoken(
    connection: Connection, relation: Relation, rejects: list[tuple[Reject, int | None]], gone: set[int], spoken: set[int]
) -> set[int]:
    """Those of the `gone` keys of which the payload says nothing, because their row or entry is in doubt."""
    keys = {key for reject, key in rejects if key is not None and reject.relation == relation.name} & gone
    entries = _entries_in_doubt(relation, rejects)
    if gone and entries["providers"]:
        collection, entry = relation.entry
        in_doubt = _IN_DOUBT.format(provider=f"h.{collection}", listed_id=f"h.{entry}")
        found = connection.execute(
            text(f"select distinct key_id from history.{relation.name} h where key_id = any(:gone) and {in_doubt}"),
            entries | {"gone": list(gone)},
        )
        keys |= set(found.scalars()) - spoken
    return keys


def _replaced(
    connection: Connection, observation: Observation, relation: Relation, rejects: list[tuple[Reject, int | None]], spoken: set[int]
) -> tuple[set[int], set[int]]:
    """Keys in doubt here of which an earlier payload of the same instant spoke: those that had another claim just before, and those whose
    claim at the instant ends. A key may be in both."""
    if not rejects:
        return set(), set()
    at = {"source": observation.source, "at": observation.observed_at}
    spoke = text(
        "select 1 from ops.observation where source = :source and observed_at = :at and verdict = 'accepted' and sha256 <> :sha256"
    )
    if not connection.execute(spoke, at | {"sha256": observation.sha256}).scalar():
        return set(), set()
    collection, entry = relation.entry
    in_doubt = _IN_DOUBT.format(
        provider=f"coalesce(before.{collection}, now.{collection})", listed_id=f"coalesce(before.{entry}, now.{entry})"
    )
    doubtful = f"""(coalesce(before.key_id, now.key_id) = any(:keys)
                    or coalesce(before.key_id, now.key_id) <> all(cast(:spoken as bigint[])) and {in_doubt})"""
    return _differs_from_before(
        connection,
        observation,
        relation,
        doubtful,
        _entries_in_doubt(relation, rejects)
        | {"keys": [key for reject, key in rejects if key is not None and reject.relation == relation.name], "spoken": list(spoken)},
    )


def _differs_from_before(
    connection: Connection, observation: Observation, relation: Relation, condition: str, parameters: dict[str, Any]
) -> tuple[set[int], set[int]]:
    """(keys that held another claim just before the instant, keys that hold another one at it), among those the condition admits."""
    entry = ", ".join(relation.entry)
    found = connection.execute(
        text(
            f"""
            select coalesce(before.key_id, now.key_id), before.key_id is not null, now.key_id is not null
            from (select key_id, digest, {entry} from history.{relation.name}
                  where source = :source and lower(seen) < :at and (upper(seen) is null or upper(seen) >= :at)) as before
            full join (select key_id, digest, {entry} from history.{relation.name}
                       where source = :source and seen @> cast(:at as timestamptz)) as now using (key_id)
            where before.digest is distinct from now.digest and {condition}
            """
        ),
        {"source": observation.source, "at": observation.observed_at} | parameters,
    ).all()
    return {key for key, before, _ in found if before}, {key for key, _, now in found if now}


def retraction(connection: Connection, observation: Observation, ledger_version: int) -> ChangeSet:
    """What taking back an accepted observation would do: what held just before it goes on, as if it had never been accepted."""
    parts = {}
    for relation in RELATIONS:
        restored, ended = _differs_from_before(connection, observation, relation, "true", {})
        parts[relation.name] = Part(closing=ended, restored=restored)
    return ChangeSet(observation, ledger_version, parts, [], Counts())


def _after(held: dict[bytes, int], part: Part) -> dict[bytes, int]:
    """What holds once a change set is merged."""
    going_on = {digest: key for digest, key in held.items() if key not in part.closing}
    return going_on | part.opened.digests()


def held_at(connection: Connection, relation: Relation, source: str, at: datetime) -> dict[bytes, int]:
    """digest -> key of every claim of a source that holds at an instant. One value crosses the wire, not a row per claim."""
    packed = connection.execute(
        text(
            f"select string_agg(digest || int8send(key_id), cast('' as bytea)) from history.{relation.name}"
            " where source = :source and lower(seen) <= :at and (upper(seen) is null or upper(seen) > :at)"
        ),
        {"source": source, "at": at},
    ).scalar()
    if packed is None:
        return {}
    return dict(_PACKED.iter_unpack(packed))
