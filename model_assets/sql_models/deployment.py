"""Bringing the models into the database: what differs from its file is made anew, a table is filled anew when asked."""

from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from model_assets.database import wait_in_line
from model_assets.errors import ModelAssetsError, SettingsError
from model_assets.sql_models.model import SqlModel
from model_assets.sql_models.relations import grants_of, literal, quoted, relation_columns, relation_kinds, run, signatures

LOCK = 0x53514C


def deploy(connection: Connection, models: Mapping[str, SqlModel]) -> list[str]:
    """Make every relation that is not as its file says, and all that is built on it; drop those whose file is gone. Returns what was made.

    All in the transaction of `connection`, one process at a time; where nothing changed it takes no lock, writes nothing. Grants survive.
    Raises ModelAssetsError where something that is not a SQL model is in the way.
    """
    if not _stale(connection, models):
        return []
    _lock(connection, "pg_advisory_xact_lock")
    stale = _stale(connection, models)
    there = relation_kinds(connection)
    grants = {key: grants_of(connection, key, there[key]) for key in stale if key in there}
    _drop(connection, [key for key in [*reversed([*models]), *sorted(stale - models.keys())] if key in stale and key in there], there)
    connection.execute(text("delete from ops.sql_model where key = any(:keys)"), {"keys": sorted(stale)})
    made = [model for key, model in models.items() if key in stale]
    for model in made:
        _make(connection, model, grants.get(model.key, []) if there.get(model.key) == model.kind else [])
    connection.execute(text("insert into ops.move (relation) values ('SQL models')"))  # what is served may read differently now
    return [model.key for model in made]


def refresh(connection: Connection, model: SqlModel, only: tuple[str, Sequence[str]] | None = None) -> int:
    """Bring a table up to its query, writing only rows that differ; returns how many rows were written or taken out. `only` (column, values):
    no others than the rows that have one of these values there.

    Readers see the old rows until the transaction of `connection` commits, then the new ones, and never wait. Two rows are the same where all
    their columns are.
    """
    if model.kind != "table":
        raise ModelAssetsError(f"{model.key} is a {model.kind}: it is always current. Only a table can be refreshed.")
    _lock(connection, "pg_advisory_xact_lock_shared")
    wait_in_line(connection, "pg_advisory_xact_lock(:lock, hashtext(:key))", {"lock": LOCK, "key": model.key})
    if relation_kinds(connection).get(model.key) != "table":
        raise ModelAssetsError(f"There is no table {model.key} yet. Run `model-assets migrate`, which makes the SQL models.")
    built, among, query = f"{model.schema}_{model.name}__new", "true", model.sql
    if only is not None:  # with the values in it, so that the planner can count them
        values = f"array[{', '.join(map(literal, only[1]))}]::text[]"
        among, query = f"{quoted(only[0])} = any({values})", model.sql_of_few(values)
    run(connection, f"create temp table {built} on commit drop as select * from (\n{query}\n) as made where {among}")
    run(connection, f"analyze {built}")
    # rows are compared by hash: where a table counts as empty a loop would be chosen, which reads it again for each row that comes into it
    run(connection, "set local enable_nestloop = off")
    gone = run(
        connection, f"delete from {model.key} as old where {among} and not exists (select from {built} as new where new = old)"
    ).rowcount
    come = run(
        connection,
        f"insert into {model.key} select new.* from {built} as new where not exists (select from {model.key} as old where {among} and old = new)",
    ).rowcount
    run(connection, "reset enable_nestloop")
    run(connection, f"drop table {built}")
    if gone + come and only is None:
        run(connection, f"analyze {model.key}")
    return gone + come


def _stale(connection: Connection, models: Mapping[str, SqlModel]) -> set[str]:
    """What is changed, missing or left over, and all that is built on it."""
    deployed = {row.key: row.sha256 for row in connection.execute(text("select key, sha256 from ops.sql_model"))}
    there = relation_kinds(connection)
    stale = {key for key, model in models.items() if deployed.get(key) != model.sha256 or there.get(key) != model.kind}
    for key in stale & there.keys() - deployed.keys():
        raise ModelAssetsError(f"{key} is there already and was not made from SQL models. Rename or drop it, or rename {models[key].path}.")
    for key, model in models.items():
        if not stale.isdisjoint(model.refs):
            stale.add(key)
    return stale | (deployed.keys() - models.keys())


def _drop(connection: Connection, keys: Sequence[str], kinds: Mapping[str, str]) -> None:
    """Drop them all, whatever hangs on what: as older files said, which may not be the order of today's."""
    left, refused = list(keys), None
    while left:
        kept = []
        for key in left:
            try:
                with connection.begin_nested():
                    for name in signatures(connection, key) if kinds[key] == "function" else [key]:
                        run(connection, f"drop {kinds[key]} {name}")
            except DBAPIError as error:
                if not isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
                    raise
                kept.append(key)
                refused = error.orig
        if kept == left:
            hangs = refused.diag.message_detail if refused else ""
            raise ModelAssetsError(f"{left[0]} has to be made anew, but {hangs}. Drop that, deploy, and make it again.")
        left = kept


def _make(connection: Connection, model: SqlModel, grants: Sequence[str]) -> None:
    if model.kind == "table":
        _fill(connection, model, f"{model.key}__new")
        run(connection, f"alter table {model.key}__new rename to {model.name}")
        _finish_table(connection, model, grants)
    else:
        run(connection, model.sql if model.kind == "function" else f"create view {model.key} as\n{model.sql}")
        _describe(connection, model, grants)
    record = text("insert into ops.sql_model (key, sha256) values (:key, :sha256)")
    connection.execute(record, {"key": model.key, "sha256": model.sha256})


def _fill(connection: Connection, model: SqlModel, relation: str) -> int:
    rows = run(connection, f"create table {relation} as\n{model.sql}").rowcount
    for number, columns in enumerate(model.indexes):
        run(connection, f"create index {model.name}__new_{number} on {relation} ({', '.join(map(quoted, columns))})")
    run(connection, f"analyze {relation}")
    return rows


def _finish_table(connection: Connection, model: SqlModel, grants: Sequence[str]) -> None:
    for number, columns in enumerate(model.indexes):
        named = f"{model.name}_by_{'_'.join(columns)}"[:60]
        run(connection, f"alter index {model.schema}.{model.name}__new_{number} rename to {named}_{number}")
    _describe(connection, model, grants)


def _describe(connection: Connection, model: SqlModel, grants: Sequence[str]) -> None:
    """Comments and grants; the same place finds a described column that the relation does not have."""
    names = signatures(connection, model.key) if model.kind == "function" else [model.key]
    comments = [f"comment on {model.kind} {name} is {literal(model.description)}" for name in names]
    comments += [f"comment on column {model.key}.{quoted(column)} is {literal(said)}" for column, said in model.columns.items()]
    if model.kind != "function":
        _check_columns(connection, model)
    for statement in [*comments, *grants]:
        run(connection, statement)


def _check_columns(connection: Connection, model: SqlModel) -> None:
    have = relation_columns(connection, [model.key])[model.key]
    named = [(column, f"columns.{column}") for column in model.columns]
    named += [(column, test.name) for test in model.tests for column in test.columns]
    for column, where in named:
        if column not in have:
            place = f"{model.path.parent / 'schema.yml'}: {model.name}.{where}"
            raise SettingsError(f"{place}: {model.key} has no column {column}. It has {', '.join(have)}.")


def _lock(connection: Connection, function: str) -> None:
    wait_in_line(connection, f"{function}(:lock)", {"lock": LOCK})
