"""Rows and checksums of all tables of a database, equal on any server that holds the same values."""

import psycopg
from psycopg import sql

from model_assets.backup.manifest import TableSum
from model_assets.database import plain

#: how values are written as text, whatever the server's own settings are
WRITTEN = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c xmloption=content"
    " -c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=60s -c jit=off"
)
# Unlogged tables hold work in progress (change sets under audit), which is not backed up; an extension's tables are the extension's to fill.
TABLES = """
select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relkind = 'r' and relpersistence = 'p' and nspname <> 'information_schema' and nspname not like 'pg\\_%'
  and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
order by 1, 2
"""
# Sums of the two halves of every row's digest: the order of rows does not matter, and nothing is sorted or kept in memory.
SUM = """
select count(*), coalesce(sum(('x' || left(digest, 16))::bit(64)::bigint), 0), coalesce(sum(('x' || right(digest, 16))::bit(64)::bigint), 0)
from (select md5(of_backup::text) as digest from {} of_backup) as digests
"""


def connect(url: str) -> psycopg.Connection:
    """A connection in which values are written the same way on every server."""
    return psycopg.connect(plain(url), options=WRITTEN, application_name="model-assets backup", connect_timeout=10)


def table_sums(connection: psycopg.Connection) -> dict[str, TableSum]:
    """schema.table -> its rows and their checksum, as the connection's snapshot sees them."""
    found = {}
    for schema, name in connection.execute(TABLES).fetchall():
        row = connection.execute(sql.SQL(SUM).format(sql.Identifier(schema, name))).fetchone()
        assert row is not None
        rows, *halves = row
        found[f"{schema}.{name}"] = TableSum(rows, "".join(f"{int(half) % 2**64:016x}" for half in halves))
    return found


def differences(expected: dict[str, TableSum], found: dict[str, TableSum]) -> dict[str, str]:
    """schema.table -> what is there instead of what was expected, of each table that is not as expected."""
    said = {}
    for name in sorted(expected.keys() | found.keys()):
        wanted, there = expected.get(name), found.get(name)
        if wanted is None or there is None:
            said[name] = "is missing" if there is None else "is not in the manifest"
        elif wanted.rows != there.rows:
            said[name] = f"has {there.rows:,} rows instead of {wanted.rows:,}"
        elif wanted != there:
            said[name] = f"has other values in its {there.rows:,} rows"
    return said
