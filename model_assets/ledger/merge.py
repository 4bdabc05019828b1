"""The merge: an observation at `t` may change the ledger only in `[t, next)`, `next` being the first later observation that speaks of the key.

For each key that differs, that span is taken away from the claims that touch it, the new claim is put there, and neighbours that say the
same are joined; by range operators, in one statement per relation. So the ledger is a function of the set of accepted observations, in
whatever order they come.
"""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text

from model_assets.contracts import Popularity
from model_assets.database import wait_in_line
from model_assets.ledger.changes import version_of
from model_assets.ledger.claims import RELATIONS, Relation
from model_assets.ledger.observations import COUNTS, Observation
from model_assets.ledger.staging import Staged, forget
from model_assets.sources.base import as_json


class LedgerMoved(Exception):
    """The source's ledger is not the one the change set was compared with: compare again, then merge."""


def lock_source(connection: Connection, source: str) -> int:
    """Hold a source until the transaction ends: merges of one source come one after the other. Returns the version of its ledger."""
    wait_in_line(connection, "pg_advisory_xact_lock(hashtext('model_assets.source'), hashtext(:source))", {"source": source})
    connection.execute(text("insert into ops.source (source) values (:source) on conflict do nothing"), {"source": source})
    return version_of(connection, source)


def merge(
    connection: Connection,
    staged: Staged,
    fence: Callable[[Connection], None],
    decided_by: str = "gate",
    reasons: Iterable[str] = (),
) -> None:
    """Apply a staged change set in the transaction of `connection`: whole or not at all.

    `fence` is called last and raises where this run may not commit any more (it was cancelled, or another one replaced it).
    Raises LedgerMoved where the ledger moved since the comparison, or the change set is gone: a server that crashed empties `staged`.
    """
    observation = staged.observation
    version = lock_source(connection, observation.source)
    kept = text("select true from staged.change_set where change_set_id = :id for update")
    if version != staged.ledger_version or not connection.execute(kept, {"id": staged.change_set_id}).scalar():
        raise LedgerMoved(observation.label)
    _apply(connection, staged)
    _keep_popularity(connection, staged)
    keep_verdict(connection, staged, "accepted", reasons, decided_by)
    fence(connection)


def retract(connection: Connection, staged: Staged, reasons: Iterable[str], counted: Observation | None = None) -> None:
    """Apply a staged retraction, in the transaction that holds the source: the observation is refused, and what was known of it is kept.

    With `counted` the source's counters become those that are staged, which are that observation's.
    """
    observation = staged.observation
    _apply(connection, staged)
    connection.execute(
        text(
            "update ops.observation set verdict = 'refused', reasons = :reasons, judged_at = now()"
            " where source = :source and observed_at = :at and sha256 = :sha256"
        ),
        {"reasons": as_json(list(reasons)), "source": observation.source, "at": observation.observed_at, "sha256": observation.sha256},
    )
    if counted:
        _put_popularity(connection, staged, counted)
    forget(connection, staged)


def _apply(connection: Connection, staged: Staged) -> None:
    if staged.added or staged.changed or staged.closed:
        for relation in RELATIONS:
            _merge_relation(connection, relation, staged)
    connection.execute(
        text("update ops.source set ledger_version = ledger_version + 1 where source = :source"), {"source": staged.observation.source}
    )


def _keep_popularity(connection: Connection, staged: Staged) -> None:
    """Put the counters of the payload in place of the source's earlier ones, unless a later observation spoke since."""
    observation = staged.observation
    at = {"source": observation.source, "at": observation.observed_at, "sha256": observation.sha256, "id": staged.change_set_id}
    later, counted, again = connection.execute(
        text(
            "select exists (select from ops.observation where source = :source and observed_at > :at and verdict = 'accepted'),"
            " exists (select from staged.popularity where change_set_id = :id),"
            " (select sha256 = :sha256 from ops.observation where source = :source and observed_at < :at and verdict = 'accepted'"
            "  order by observed_at desc limit 1)"
        ),
        at,
    ).one()
    if later:
        return
    if again and not counted:  # the bytes of the look before, which are not read twice: they count the same
        connection.execute(text("update ops.popularity set observed_at = :at where source = :source"), at)
    else:
        _put_popularity(connection, staged, observation)


def _put_popularity(connection: Connection, staged: Staged, counted: Observation) -> None:
    """Make the source's counters those that are staged, as an observation counted them."""
    columns = ", ".join(Popularity._fields)
    at = {"source": counted.source, "at": counted.observed_at, "id": staged.change_set_id}
    connection.execute(text("delete from ops.popularity where source = :source"), at)
    connection.execute(
        text(
            f"insert into ops.popularity (source, observed_at, {columns})"
            f" select distinct on (collection, entry) :source, :at, {columns} from staged.popularity where change_set_id = :id"
            # of an entry that is listed twice the higher counters: rows of a table have no order
            " order by collection, entry, downloads desc nulls last, likes desc nulls last, points desc nulls last, comments desc nulls last"
        ),
        at,
    )


def keep_verdict(connection: Connection, staged: Staged, verdict: str, reasons: Iterable[str], decided_by: str) -> None:
    """Keep the verdict on a staged payload and what of it goes to quarantine, and forget its change set.

    An accepted payload replaces the one that was accepted before at its instant.
    """
    observation = staged.observation
    key = {"source": observation.source, "at": observation.observed_at, "sha256": observation.sha256, "id": staged.change_set_id}
    if verdict == "accepted":
        connection.execute(
            text(
                "update ops.observation set verdict = 'replaced'"
                " where source = :source and observed_at = :at and sha256 <> :sha256 and verdict = 'accepted'"
            ),
            key,
        )
    connection.execute(
        text(
            f"""
            insert into ops.observation (source, observed_at, sha256, verdict, reasons, decided_by, {COUNTS}, rejected,
                                         price_values, unmapped, drift, oddities, spoken)
            select source, observed_at, sha256, :verdict, :reasons, :decided_by, {COUNTS}, :rejected,
                   price_values, unmapped, drift, oddities, spoken
            from staged.change_set where change_set_id = :id
            on conflict (source, observed_at, sha256) do update set
                verdict = excluded.verdict, reasons = excluded.reasons, decided_by = excluded.decided_by, judged_at = now(),
                listings = excluded.listings, prices = excluded.prices, scores = excluded.scores, mentions = excluded.mentions,
                rejected = excluded.rejected,
                price_values = excluded.price_values, unmapped = excluded.unmapped, drift = excluded.drift, oddities = excluded.oddities,
                spoken = excluded.spoken
            """
        ),
        key | {"verdict": verdict, "reasons": as_json(list(reasons)), "decided_by": decided_by, "rejected": staged.rejected},
    )
    connection.execute(text("delete from ops.quarantine where source = :source and observed_at = :at and sha256 = :sha256"), key)
    if staged.rejected:
        connection.execute(
            text(
                "insert into ops.quarantine (source, observed_at, sha256, relation, key_id, provider, listed_id, reason, original)"
                " select :source, :at, :sha256, relation, key_id, provider, listed_id, reason, original"
                " from staged.reject where change_set_id = :id"
            ),
            key,
        )
    forget(connection, staged)


def _merge_relation(connection: Connection, relation: Relation, staged: Staged) -> None:
    observation = staged.observation
    at = {"source": observation.source, "at": observation.observed_at, "id": staged.change_set_id, "relation": relation.name}
    empty, later, doubts = connection.execute(
        text(
            f"""
            select not exists (select from history.{relation.name} where source = :source),
                   (select min(observed_at) from ops.observation where source = :source and observed_at > :at and verdict = 'accepted'),
                   exists (select from ops.quarantine where source = :source and observed_at > :at)
            """
        ),
        at,
    ).one()
    if empty and not doubts:  # a first load: nothing to cut or to join; in the order of keys, which the constraint's index likes
        columns = relation.column_list
        connection.execute(
            text(
                f"insert into history.{relation.name} (source, key_id, seen, digest, {columns})"
                f" select :source, key_id, tstzrange(:at, cast(:later as timestamptz)), digest, {columns} from staged.{relation.name}"
                " where change_set_id = :id"
            ),
            at | {"later": later},
        )
    else:
        connection.execute(text(_merge_statement(relation, doubts)), at | {"later": later})


def _merge_statement(relation: Relation, doubts: bool) -> str:
    """One statement: cut the span out of the claims that touch it, put the new claims there, join neighbours that say the same."""
    name, columns = relation.name, relation.column_list
    collection, entry = relation.entry
    until = "cast(:later as timestamptz)"
    if doubts:  # some later observation does not speak of every key: find, for each key, the first that does
        until = f"""
            (select min(o.observed_at) from ops.observation o
             where o.source = :source and o.observed_at > :at and o.verdict = 'accepted'
               and not exists (
                   select from ops.quarantine q
                   where q.source = o.source and q.observed_at = o.observed_at and q.sha256 = o.sha256
                     and (q.key_id = touched.key_id
                          or (q.key_id is null and touched.key_id <> all(o.spoken)
                              and coalesce(q.provider, touched.{collection}) = touched.{collection}
                              and coalesce(q.listed_id, touched.{entry}) = touched.{entry}
                              and q.relation in ('listing', '{name}')))))"""
    return f"""
        with touched as (
            select distinct on (key_id) key_id, {collection}, {entry} from (
                select key_id, {collection}, {entry} from staged.{name} where change_set_id = :id
                union all
                select key_id, h.{collection}, h.{entry} from staged.closing c join history.{name} h using (key_id)
                where c.change_set_id = :id and c.relation = :relation
            ) as keys
        ), spans as materialized (
            select key_id, tstzrange(cast(:at as timestamptz), {until}) as span from touched
        ), cut as (
            delete from history.{name} h using spans s
            where h.key_id = s.key_id and (h.seen && s.span or h.seen -|- s.span)
            returning h.*, s.span
        ), pieces as (
            select key_id, digest, {columns}, unnest(tstzmultirange(seen) - tstzmultirange(span)) as seen from cut
            union all
            select s.key_id, n.digest, {columns}, s.span from spans s join staged.{name} n on n.change_set_id = :id and n.key_id = s.key_id
        ), joined as (
            select key_id, digest, unnest(range_agg(seen)) as seen from pieces group by key_id, digest
        )
        insert into history.{name} (source, key_id, seen, digest, {columns})
        select distinct on (j.key_id, j.seen) :source, j.key_id, j.seen, j.digest, {", ".join(f"p.{column}" for column in relation.columns)}
        from joined j join pieces p on p.key_id = j.key_id and p.digest = j.digest
        order by j.key_id, j.seen
    """
