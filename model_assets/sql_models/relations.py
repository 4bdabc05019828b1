"""What is in the database: its relations, their columns, rows and grants; and how a statement gets there unharmed."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, text

_KINDS = text("""
    select nspname || '.' || relname as key, case relkind when 'v' then 'view' when 'r' then 'table' else 'other' end as kind
    from pg_class join pg_namespace as schema on schema.oid = relnamespace where relkind in ('v', 'r', 'm', 'p', 'f')
    union all
    select nspname || '.' || proname, 'function' from pg_proc join pg_namespace as schema on schema.oid = pronamespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'
""")


def relation_kinds(connection: Connection) -> dict[str, str]:
    """Every relation there is: a view, a table, a function, or other."""
    return {row.key: row.kind for row in connection.execute(_KINDS)}


def relation_columns(connection: Connection, relations: Collection[str]) -> dict[str, dict[str, str]]:
    """The columns of relations, in their order, each with its type."""
    found: dict[str, dict[str, str]] = {relation: {} for relation in relations}
    rows = connection.execute(
        text("""
            select nspname || '.' || relname, attname, format_type(atttypid, atttypmod)
            from pg_attribute join pg_class on pg_class.oid = attrelid join pg_namespace as schema on schema.oid = relnamespace
            where nspname || '.' || relname = any(:relations) and attnum > 0 and not attisdropped and relkind in ('r', 'v', 'm', 'p', 'f')
            order by attrelid, attnum"""),
        {"relations": sorted(relations)},
    )
    for relation, column, type_ in rows:
        found[relation][column] = type_
    return found


def count_and_sample(
    connection: Connection, query: str, limit: int, bound: Mapping[str, Any] | None = None
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a query has, and the first of them."""
    # materialized: planned for the sake of a limit, a query that finds nothing can take a hundred times longer
    counted = f"with held as materialized ({query}) select *, (select count(*) from held) as all_of_them from held limit {limit}"
    rows = [dict(row) for row in connection.execute(text(counted), bound or {}).mappings()]
    counts = [row.pop("all_of_them") for row in rows]
    return (counts[0] if counts else 0), rows


def grants_of(connection: Connection, key: str, kind: str) -> list[str]:
    """The statements that give others the rights they have now."""
    listed, rights = ("pg_proc", "proacl") if kind == "function" else ("pg_class", "relacl")
    owner, name, space = ("proowner", "proname", "pronamespace") if kind == "function" else ("relowner", "relname", "relnamespace")
    thing = f"object.oid::regprocedure::text as thing from {listed} object" if kind == "function" else f":key as thing from {listed} object"
    rows = connection.execute(
        text(f"""
            select coalesce(nullif(acl.grantee, 0)::regrole::text, 'public'), acl.privilege_type, acl.is_grantable, thing.thing
            from (select object.{owner} as owner, object.{rights} as rights, {thing}
                  where object.{name} = split_part(:key, '.', 2) and object.{space} = split_part(:key, '.', 1)::regnamespace) thing,
                 aclexplode(thing.rights) acl
            where acl.grantee <> thing.owner"""),
        {"key": key},
    )
    kept = "function" if kind == "function" else "table"
    return [f"grant {right} on {kept} {thing} to {who}{' with grant option' if again else ''}" for who, right, again, thing in rows]


def signatures(connection: Connection, key: str) -> list[str]:
    """The functions of one name, each with the types of its arguments."""
    found = text("""select oid::regprocedure::text from pg_proc
                    where proname = split_part(:key, '.', 2) and pronamespace = split_part(:key, '.', 1)::regnamespace""")
    return list(connection.scalars(found, {"key": key}))


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """A statement as it is written: `%` and `:name` in it mean nothing to the driver."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def quoted(name: str) -> str:
    return f'"{name}"'


def literal(said: str) -> str:
    return "'" + said.replace("'", "''") + "'"
