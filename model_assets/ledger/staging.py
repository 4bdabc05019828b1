"""Change sets under audit, kept in `staged` between the comparison and the merge."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from psycopg import sql
from sqlalchemy import Connection, text

from model_assets.contracts import Popularity, Reject
from model_assets.ledger.changes import ChangeSet, Part
from model_assets.ledger.claims import LISTING, RELATIONS, Relation
from model_assets.ledger.observations import COUNTS, Counts, Judged, Observation
from model_assets.sources.base import Parsed, as_json

NEVER_NULL_TEXT = {
    *("provider", "listed_id", "meter", "service_tier", "time_window", "region", "detail", "currency", "state", "extra"),
    *("benchmark", "model", "version", "split", "metric", "harness", "effort", "variant", "runner", "run", "unit"),
    *("feed", "item", "kind"),
}


@dataclass(frozen=True)
class Staged:
    """A change set in `staged`: its id, the observation, the version it was compared with, and what it would do."""

    change_set_id: int
    observation: Observation
    ledger_version: int
    added: int
    changed: int
    closed: int
    counts: Counts
    rejected: int


def stage(connection: Connection, changes: ChangeSet, parsed: Parsed) -> Staged:
    """Keep a change set in place of an earlier one for the same source and instant."""
    observation = changes.observation
    staged = _new_change_set(
        connection, observation, changes.ledger_version, (changes.added, changes.changed, changes.closed), changes.counts, len(changes.rejects), parsed,
        changes.spoken,
    )  # fmt: skip
    for relation in RELATIONS:
        part = changes.parts[relation.name]
        _copy_opened(connection, relation, staged.change_set_id, part)
        if part.restored:
            _stage_restored(connection, relation, staged.change_set_id, observation, part)
        if part.closing:
            connection.execute(
                text("insert into staged.closing (change_set_id, relation, key_id) select :id, :relation, unnest(cast(:keys as bigint[]))"),
                {"id": staged.change_set_id, "relation": relation.name, "keys": list(part.closing)},
            )
    _stage_rejects(connection, staged.change_set_id, changes.rejects)
    _stage_popularity(connection, staged.change_set_id, parsed.all_popularity)
    return staged


def stage_seen_again(connection: Connection, observation: Observation, before: Judged, ledger_version: int) -> Staged:
    """Keep an empty change set for a payload equal to the nearest earlier accepted one: it says what is held already, and doubts the same."""
    earlier = {"source": observation.source, "at": before.observation.observed_at, "sha256": before.observation.sha256}
    staged = _new_change_set(connection, observation, ledger_version, (0, 0, 0), before.counts, before.rejected, Parsed())
    connection.execute(
        text(
            "update staged.change_set set price_values = o.price_values, unmapped = o.unmapped, drift = o.drift, oddities = o.oddities,"
            " spoken = o.spoken"
            " from ops.observation o where change_set_id = :id and o.source = :source and o.observed_at = :at and o.sha256 = :sha256"
        ),
        earlier | {"id": staged.change_set_id},
    )
    if before.rejected:
        connection.execute(
            text(
                "insert into staged.reject (change_set_id, relation, key_id, provider, listed_id, reason, original)"
                " select :id, relation, key_id, provider, listed_id, reason, original from ops.quarantine"
                " where source = :source and observed_at = :at and sha256 = :sha256"
            ),
            earlier | {"id": staged.change_set_id},
        )
    return staged


def staged_for(connection: Connection, observation: Observation) -> Staged | None:
    """The change set kept for an observation; null where there is none."""
    row = connection.execute(
        text(
            "select change_set_id, ledger_version, added, changed, closed,"
            f" (select count(*) from staged.reject r where r.change_set_id = c.change_set_id), {COUNTS}"
            " from staged.change_set c where source = :source and observed_at = :at and sha256 = :sha256"
        ),
        {"source": observation.source, "at": observation.observed_at, "sha256": observation.sha256},
    ).one_or_none()
    if row is None:
        return None
    change_set_id, version, added, changed, closed, rejected, *counts = row
    return Staged(change_set_id, observation, version, added, changed, closed, Counts(*counts), rejected)


def forget(connection: Connection, staged: Staged) -> None:
    """Drop a change set that was merged or refused."""
    connection.execute(text("delete from staged.change_set where change_set_id = :id"), {"id": staged.change_set_id})


def _new_change_set(
    connection: Connection,
    observation: Observation,
    ledger_version: int,
    moves: tuple[int, int, int],
    counts: Counts,
    rejected: int,
    parsed: Parsed,
    spoken: Iterable[int] = (),
) -> Staged:
    at = {"source": observation.source, "at": observation.observed_at}
    connection.execute(text("delete from staged.change_set where source = :source and observed_at = :at"), at)
    added, changed, closed = moves
    change_set_id: int = connection.execute(
        text(
            "insert into staged.change_set (source, observed_at, sha256, ledger_version, added, changed, closed,"
            f" {COUNTS}, price_values, unmapped, drift, oddities, spoken)"
            " values (:source, :at, :sha256, :version, :added, :changed, :closed, :listings, :prices, :scores, :mentions,"
            " :price_values, :unmapped, :drift, :oddities, :spoken) returning change_set_id"
        ),
        at
        | {
            "sha256": observation.sha256, "version": ledger_version, "added": added, "changed": changed, "closed": closed,
            **counts._asdict(), "price_values": parsed.price_values, "unmapped": as_json(parsed.unmapped),
            "drift": as_json(parsed.drift), "oddities": len(parsed.oddities), "spoken": list(spoken),
        },
    ).scalar_one()  # fmt: skip
    return Staged(change_set_id, observation, ledger_version, added, changed, closed, counts, rejected)


def _copy_opened(connection: Connection, relation: Relation, change_set_id: int, part: Part) -> None:
    """Send the opened claims by COPY. The csv module writes a None and an empty text alike: empty, which is null except in the columns
    that are never null (and no nullable text is ever empty)."""
    if not part.opened:
        return
    never_null = [sql.Identifier(name) for name in relation.columns if name in NEVER_NULL_TEXT]
    into = sql.SQL("copy staged.{} ({}) from stdin (format csv, force_not_null ({}))").format(
        sql.Identifier(relation.name),
        sql.SQL(", ").join(map(sql.Identifier, ("change_set_id", "key_id", "digest", *relation.columns))),
        sql.SQL(", ").join(never_null),
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(into) as copy:
        claims = iter(part.opened.items())
        while chunk := list(islice(claims, 5000)):
            lines = io.StringIO()
            if relation is LISTING:
                rows = ((change_set_id, key, f"\\x{digest.hex()}", *map(_csv_value, row)) for key, (digest, row) in chunk)
            else:
                rows = ((change_set_id, key, f"\\x{digest.hex()}", *row) for key, (digest, row) in chunk)
            csv.writer(lines).writerows(rows)
            copy.write(lines.getvalue())


def _csv_value(value: object) -> object:
    return _array(value) if isinstance(value, tuple) else value


@lru_cache(maxsize=4096)
def _array(words: tuple[str, ...]) -> str:
    """A text array as Postgres writes it, each element quoted."""
    return "{" + ",".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "}"


def _stage_restored(connection: Connection, relation: Relation, change_set_id: int, observation: Observation, part: Part) -> None:
    connection.execute(
        text(
            f"insert into staged.{relation.name} (change_set_id, key_id, digest, {relation.column_list})"
            f" select :id, key_id, digest, {relation.column_list} from history.{relation.name}"
            " where key_id = any(:keys) and lower(seen) < :at and (upper(seen) is null or upper(seen) >= :at)"
        ),
        {"id": change_set_id, "keys": list(part.restored), "at": observation.observed_at},
    )


def _stage_rejects(connection: Connection, change_set_id: int, rejects: list[tuple[Reject, int | None]]) -> None:
    if not rejects:
        return
    connection.execute(
        text(
            "insert into staged.reject (change_set_id, relation, key_id, provider, listed_id, reason, original)"
            " values (:id, :relation, :key_id, :provider, :listed_id, :reason, :original)"
        ),
        [
            {
                "id": change_set_id, "relation": reject.relation, "key_id": key, "provider": storable(reject.provider),
                "listed_id": storable(reject.listed_id), "reason": storable(reject.reason), "original": storable(reject.original),
            }
            for reject, key in rejects
        ],
    )  # fmt: skip


def _stage_popularity(connection: Connection, change_set_id: int, seen: Sequence[Popularity]) -> None:
    if not seen:
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = ", ".join(Popularity._fields)
    into = f"copy staged.popularity (change_set_id, {columns}) from stdin (format csv)"
    with driver.cursor() as cursor, cursor.copy(into.encode()) as copy:
        rows = iter(seen)
        while chunk := list(islice(rows, 5000)):
            lines = io.StringIO()
            csv.writer(lines).writerows((change_set_id, *row) for row in chunk)
            copy.write(lines.getvalue())


def storable(found: str | None) -> str | None:
    """A text as Postgres can keep it: what it cannot (NUL, lone surrogates) is written as an escape."""
    if found is None or found.isprintable():
        return found
    return found.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
