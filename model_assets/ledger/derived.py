"""Tables that are a function of the ledger and of people's words: computed whole, written only where they differ, skipped when nothing moved."""

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, text

from model_assets.database import wait_in_line

_LOCK = "pg_advisory_xact_lock(hashtext('model_assets.derived'), hashtext(:name))"


def is_current(connection: Connection, name: str, inputs: str) -> bool:
    """Whether the table was last derived from just these inputs. Holds the table's lock until the transaction ends, one process at a time."""
    wait_in_line(connection, _LOCK, {"name": name})
    return connection.execute(text("select inputs from ops.derived where name = :name"), {"name": name}).scalar() == inputs


def keep_inputs(connection: Connection, name: str, inputs: str) -> None:
    """Remember what the table was derived from."""
    connection.execute(
        text(
            "insert into ops.derived (name, inputs) values (:name, :inputs)"
            " on conflict (name) do update set inputs = excluded.inputs, derived_at = now()"
        ),
        {"name": name, "inputs": inputs},
    )


def replace_differing(
    connection: Connection, table: str, key: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> int:
    """Make a table hold just these rows: what differs is taken out and put in again, what is equal stays untouched. Returns how many rows
    were written or taken out. `key` must be unique among the rows."""
    kept = [_pack(chunk) for chunk in _chunks(rows)]  # before the COPY begins: whatever makes them may ask this very connection
    wanted = f"wanted_{table.partition('.')[2]}"
    listed = ", ".join(columns)
    connection.execute(text(f"create temp table {wanted} on commit drop as select {listed} from {table} with no data"))
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"copy {wanted} ({listed}) from stdin".encode()) as copy:
        for packed in kept:
            for row in _unpack(packed):
                copy.write_row(row)
    connection.execute(text(f"analyze {wanted}"))
    same = " and ".join(f"w.{column} is not distinct from t.{column}" for column in columns)
    on = " and ".join(f"w.{column} = t.{column}" for column in key)
    gone = connection.execute(text(f"delete from {table} t where not exists (select from {wanted} w where {on} and {same})")).rowcount
    come = connection.execute(
        text(f"insert into {table} ({listed}) select {listed} from {wanted} w where not exists (select from {table} t where {on})")
    ).rowcount
    connection.execute(text(f"drop table {wanted}"))
    return gone + come


def _chunks(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, 5_000)):
        yield chunk


def _pack(chunk: list[Sequence[object]]) -> bytes:
    """Rows as a tenth of the memory that 200,000 of them would take while they wait."""
    return zlib.compress(pickle.dumps(chunk), 1)


def _unpack(packed: bytes) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = pickle.loads(zlib.decompress(packed))  # noqa: S301  (our own, made a moment ago)
    return rows
