"""SQL models: each file `<schema>/<name>.sql` is one relation. Its leading comment describes it, `{{ ref("schema.name") }}` is its lineage.

    -- Models anyone may call at no charge. Grain: one row per listing.
    -- materialized: table          (left out: a view)
    -- index: (source, listed_id)   (tables only, as many as wanted)
    select source, listed_id from {{ ref("catalog.price") }}

A file that goes on with `create function` is a function. `schema.yml` beside the files describes columns and says what must hold of them.
Views and functions are made anew when their text changed; a table is filled by `deploy` once, and after that by `refresh`.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg
import yaml
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.exc import DBAPIError

from model_assets.errors import ModelAssetsError, SettingsError

FOLDER = Path(__file__).resolve().parent.parent / "dbt_like_sql"
#: what the migrations make, and SQL models may build on
BASE_RELATIONS = frozenset(
    {
        *("history.listing", "history.price", "access.policy", "raw.payload", "raw.body"),
        *("ops.source", "ops.observation", "ops.quarantine", "ops.sync_run"),
    }
)
SAMPLE = 10
_FORMAT = 1  # raise it when the same text must be deployed in another way
_LOCK = 0x53514C
_REF = re.compile(r"""\{\{\s*ref\(\s*(["'])(.*?)\1\s*\)\s*\}\}""")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_CONFIG = re.compile(r"(materialized|index)\s*:\s*(.*)")


@dataclass(frozen=True)
class ColumnTest:
    """One claim about a relation's rows: `not_null`, `unique`, `accepted_values` or `relationships`. `where` says which line claims it."""

    model: str
    kind: str
    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    to: str = ""
    field: str = ""
    severity: str = "error"
    where: str = ""

    @property
    def name(self) -> str:
        """The claim as a name: `amount_is_not_null`; for a compound key `rows_are_unique`."""
        if len(self.columns) > 1:
            return "rows_are_unique"
        ends = {"not_null": "is_not_null", "unique": "is_unique", "accepted_values": "is_an_accepted_value"}
        return f"{self.columns[0]}_{ends.get(self.kind) or 'is_in_' + self.to.replace('.', '_')}"

    @property
    def description(self) -> str:
        """The claim as a sentence."""
        said = {
            "not_null": "is never null",
            "unique": "no two rows share it",
            "accepted_values": f"is one of {', '.join(self.values)}",
            "relationships": f"is found in {self.to}.{self.field}",
        }
        return f"{', '.join(self.columns)}: {said[self.kind]}."


@dataclass(frozen=True)
class TestResult:
    """How many rows (for `unique`: keys) break a claim, and the first of them."""

    __test__ = False  # pytest, this is not one of yours
    failing: int
    sample: list[dict[str, Any]]


@dataclass(frozen=True)
class SqlModel:
    """One relation, as its file and its entry in schema.yml describe it. `kind` is view, table or function."""

    key: str
    kind: str
    description: str
    template: str
    refs: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[ColumnTest, ...] = ()
    path: Path = Path()

    @property
    def schema(self) -> str:
        return self.key.split(".")[0]

    @property
    def name(self) -> str:
        return self.key.split(".")[1]

    @property
    def sql(self) -> str:
        """The statement or query with every `ref` replaced by the relation's name."""
        return _REF.sub(lambda match: match[2], self.template)

    @cached_property
    def sha256(self) -> str:
        """Of everything that `deploy` brings into the database."""
        deployed = (_FORMAT, self.kind, self.sql, self.description, sorted(self.columns.items()), self.indexes)
        return hashlib.sha256(repr(deployed).encode()).hexdigest()


# --- reading the files ---


def load_models(folder: Path = FOLDER, base: Collection[str] = BASE_RELATIONS) -> dict[str, SqlModel]:
    """Every model in `<folder>/<schema>/*.sql`, each after those it builds on.

    Raises SettingsError, naming the file, where one has no description, refers to a relation that neither a file nor `base` provides, names
    a relation without `ref`, is part of a circle, or where schema.yml says something that cannot be used.
    """
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}. SQL models are read from it; name the folder that holds dbt_like_sql.")
    found = {model.key: model for path in sorted(folder.glob("*/*.sql")) for model in [_read_model(path)]}
    for model in found.values():
        _check_refs(model, found, base)
    for path in sorted(folder.glob("*/schema.yml")):
        for model in _read_docs(path, found, base):
            found[model.key] = model
    return _in_order(found)


def _read_model(path: Path) -> SqlModel:
    key = f"{path.parent.name}.{path.stem}"
    if not (_NAME.fullmatch(path.parent.name) and _NAME.fullmatch(path.stem)):
        raise SettingsError(f"{path}: a relation's name is of lower-case letters, digits and _. Rename the folder or file.")
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    said, materialized, indexes = [], "view", []
    for line in (line.lstrip("-").strip() for line in lines[:length]):
        config = _CONFIG.fullmatch(line)
        if config is None:
            said.append(line)
        elif config[1] == "materialized":
            materialized = config[2].strip()
        else:
            indexes.append(tuple(column.strip() for column in config[2].strip().strip("()").split(",")))
    template = "\n".join(lines[length:]).strip().rstrip(";").rstrip()
    kind = "function" if re.match(r"create\s+function\b", template, re.IGNORECASE) else materialized
    model = SqlModel(key, kind, " ".join(said).strip(), template, _refs(path, template), tuple(indexes), path=path)
    _check_file(model)
    return model


def _check_file(model: SqlModel) -> None:
    path = model.path
    if not model.description:
        raise SettingsError(f"{path}: no description. Begin the file with a comment (-- ...) that says what one row is.")
    if not model.template:
        raise SettingsError(f"{path}: nothing but a comment. Write the query below it.")
    if model.kind not in ("view", "table", "function"):
        raise SettingsError(f"{path}: materialized: {model.kind}? Write view or table.")
    if model.indexes and model.kind != "table":
        raise SettingsError(f"{path}: a {model.kind} can have no index. Add `-- materialized: table` or take the index out.")
    for column in (column for index in model.indexes for column in index):
        if not _NAME.fullmatch(column):
            raise SettingsError(f"{path}: index on {column!r}? Write `-- index: (column, column)`.")
    if model.kind == "function" and not re.match(rf"create\s+function\s+{re.escape(model.key)}\s*\(", model.template, re.IGNORECASE):
        raise SettingsError(f"{path}: the function made here must be {model.key}, as the file is named.")


def _refs(path: Path, template: str) -> tuple[str, ...]:
    refs = tuple(dict.fromkeys(match[2] for match in _REF.finditer(template)))
    odd = [ref for ref in refs if not re.fullmatch(rf"{_NAME.pattern}\.{_NAME.pattern}", ref)]
    rest = _REF.sub("", template)
    if odd or "{{" in rest or "{%" in rest:
        found = odd[0] if odd else rest[rest.index("{{" if "{{" in rest else "{%") :][:40]
        raise SettingsError(f'{path}: {found!r} is not understood. The only thing in braces is {{{{ ref("schema.name") }}}}.')
    return refs


def _check_refs(model: SqlModel, models: Mapping[str, SqlModel], base: Collection[str]) -> None:
    known = {*models, *base}
    if model.key in base:
        raise SettingsError(f"{model.path}: {model.key} is already made by the migrations. Give the model another name.")
    for ref in model.refs:
        if ref not in known:
            names = ", ".join(sorted(known))
            raise SettingsError(f"{model.path}: ref to {ref}, which is neither a file here nor a base relation. Known: {names}.")
    code = re.sub(r"--[^\n]*|'[^']*'", "", _REF.sub(" ", model.template))
    bare = re.search(r"\b(?:from|join)\s+([a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)", code, re.IGNORECASE)
    if bare and (name := bare[1].lower()) in known:
        raise SettingsError(f'{model.path}: {name} is named without ref. Write {{{{ ref("{name}") }}}}, or its lineage is lost.')


def _in_order(models: Mapping[str, SqlModel]) -> dict[str, SqlModel]:
    graph = {key: [ref for ref in model.refs if ref in models] for key, model in models.items()}
    try:
        return {key: models[key] for key in TopologicalSorter(graph).static_order()}
    except CycleError as circle:
        keys = " -> ".join(reversed(circle.args[1]))
        raise SettingsError(f"SQL models in a circle: {keys}. One of them has to stop referring to the next.") from None


# --- reading schema.yml ---


def _read_docs(path: Path, models: Mapping[str, SqlModel], base: Collection[str]) -> Iterator[SqlModel]:
    """The models of one schema.yml, with their columns and tests."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as broken:
        raise SettingsError(f"{path}: not YAML: {' '.join(str(broken).split())}") from None
    entries = _keys(document, f"{path}", {"models"}).get("models") or {}
    for name, entry in _keys(entries, f"{path}: models").items():
        model = models.get(f"{path.parent.name}.{name}")
        if model is None:
            raise SettingsError(f"{path}: {name}: there is no {path.parent.name}/{name}.sql. Rename the entry or take it out.")
        if model.kind == "function":
            raise SettingsError(f"{path}: {name} is a function: describe its columns in the comment of its file.")
        yield _with_docs(model, _keys(entry, f"{path}: {name}", {"unique", "columns"}), f"{path}: {name}", {*models, *base})


def _with_docs(model: SqlModel, said: Mapping[str, Any], where: str, known: Collection[str]) -> SqlModel:
    columns, tests = {}, []
    if "unique" in said:
        tests.append(_parse_grain(model, said["unique"], f"{where}.unique"))
    for column, about in _keys(said.get("columns") or {}, f"{where}.columns").items():
        place = f"{where}.columns.{column}"
        if not _NAME.fullmatch(column):
            raise SettingsError(f"{place}: a column's name is of lower-case letters, digits and _.")
        described = _keys(about, place, {"description", "tests"})
        columns[column] = " ".join(str(described.get("description") or "").split())
        if not columns[column]:
            raise SettingsError(f"{place}: no description. Say what the value is, with its unit.")
        listed = described.get("tests") or []
        if not isinstance(listed, list):
            raise SettingsError(f"{place}.tests: a list is expected, such as [not_null].")
        tests += [_parse_test(model, column, found, f"{place}.tests", known) for found in listed]
    names = [test.name for test in tests]
    for twice in (name for name in names if names.count(name) > 1):
        raise SettingsError(f"{where}: the test {twice} is written twice. Take one out.")
    return replace(model, columns=columns, tests=tuple(tests))


def _parse_grain(model: SqlModel, found: object, where: str) -> ColumnTest:
    """`unique: [a, b]` of a whole model, or `unique: {columns: [a, b], severity: warn}`."""
    said = {"columns": found} if isinstance(found, list) else _keys(found, where, {"columns", "severity"})
    columns = _texts(said.get("columns"), where)
    return ColumnTest(model.key, "unique", columns, severity=_severity(said.get("severity", "error"), where), where=where)


def _parse_test(model: SqlModel, column: str, found: object, where: str, known: Collection[str]) -> ColumnTest:
    """One test: its name alone, or `{name: arguments}` and beside it, perhaps, `severity: warn`."""
    said = {found: None} if isinstance(found, str) else dict(_keys(found, where))
    severity = _severity(said.pop("severity", "error"), where)
    if len(said) != 1:
        raise SettingsError(f"{where}: one test per entry is expected, and {sorted(said)} was found. Make a list of them.")
    [(kind, about)] = said.items()
    test = ColumnTest(model.key, kind, (column,), severity=severity, where=where)
    if kind in ("not_null", "unique") and not about:
        return test
    if kind == "accepted_values":
        return replace(test, values=_texts(about, where))
    if kind == "relationships":
        target = _keys(about, where, {"to", "field"})
        if target.get("to") not in known or not _NAME.fullmatch(str(target.get("field"))):
            form = "{to: schema.name, field: column} with a relation that exists"
            raise SettingsError(f"{where}: relationships to {dict(target)}? Write {form}.")
        return replace(test, to=str(target["to"]), field=str(target["field"]))
    understood = "not_null, unique, accepted_values: [...] or relationships: {to: schema.name, field: column}"
    raise SettingsError(f"{where}: unknown test {kind!r}{f' with {about!r}' if about else ''}. Use {understood}.")


def _severity(found: object, where: str) -> str:
    if found not in ("error", "warn"):
        raise SettingsError(f"{where}: severity: {found}? Write warn, or leave it out for error.")
    return str(found)


def _keys(found: object, where: str, allowed: Collection[str] = ()) -> Mapping[str, Any]:
    """`found` if it is a YAML mapping with no other keys than those allowed (any, if none are named)."""
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise SettingsError(f"{where}: `key: value` lines are expected, and {found!r} was found.")
    for key in found if allowed else ():
        if key not in allowed:
            raise SettingsError(f"{where}: unknown key {key!r}. Known: {', '.join(sorted(allowed))}.")
    return found


def _texts(found: object, where: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise SettingsError(f"{where}: a list of texts is expected, not {found!r}. Put quotes around words like yes, no and null.")
    return tuple(found)


# --- bringing the models into the database ---


def deploy(connection: Connection, models: Mapping[str, SqlModel]) -> list[str]:
    """Make every relation that is not as its file says, and all that is built on it; drop those whose file is gone. Returns what was made.

    All in the transaction of `connection`, one process at a time; where nothing changed it takes no lock, writes nothing. Grants survive.
    Raises ModelAssetsError where something that is not a SQL model is in the way.
    """
    if not _stale(connection, models):
        return []
    _lock(connection, "pg_advisory_xact_lock")
    stale = _stale(connection, models)
    there = _relations(connection)
    grants = {key: _grants(connection, key, there[key]) for key in stale if key in there}
    _drop(connection, [key for key in [*reversed([*models]), *sorted(stale - models.keys())] if key in stale and key in there], there)
    connection.execute(text("delete from ops.sql_model where key = any(:keys)"), {"keys": sorted(stale)})
    made = [model for key, model in models.items() if key in stale]
    for model in made:
        _make(connection, model, grants.get(model.key, []) if there.get(model.key) == model.kind else [])
    return [model.key for model in made]


def refresh(connection: Connection, model: SqlModel) -> int:
    """Fill a table anew; returns its rows. Readers see the old rows until the transaction of `connection` commits, then the new ones.

    The new table is built beside the old one and takes over its name, grants and comments. Where someone's view hangs on the table (a view
    follows a table, not its name), the rows are replaced in place instead. Only a repeatable-read transaction that began before the swap
    and reads the table for the first time after it finds no rows there.
    """
    if model.kind != "table":
        raise ModelAssetsError(f"{model.key} is a {model.kind}: it is always current. Only a table can be refreshed.")
    _lock(connection, "pg_advisory_xact_lock_shared")
    connection.execute(text("select pg_advisory_xact_lock(:lock, hashtext(:key))"), {"lock": _LOCK, "key": model.key})
    if _relations(connection).get(model.key) != "table":
        raise ModelAssetsError(f"There is no table {model.key} yet. Run `model-assets migrate`, which makes the SQL models.")
    built = f"{model.key}__new"
    rows = _fill(connection, model, built)
    grants = _grants(connection, model.key, "table")
    try:
        with connection.begin_nested():
            _run(connection, f"drop table {model.key}")
            _run(connection, f"alter table {built} rename to {model.name}")
    except DBAPIError as refused:
        if not isinstance(refused.orig, psycopg.errors.DependentObjectsStillExist):
            raise
        _run(connection, f"delete from {model.key}; insert into {model.key} select * from {built}; drop table {built}")
        return rows
    _finish_table(connection, model, grants)
    return rows


def _stale(connection: Connection, models: Mapping[str, SqlModel]) -> set[str]:
    """What is changed, missing or left over, and all that is built on it."""
    deployed = {row.key: row.sha256 for row in connection.execute(text("select key, sha256 from ops.sql_model"))}
    there = _relations(connection)
    stale = {key for key, model in models.items() if deployed.get(key) != model.sha256 or there.get(key) != model.kind}
    for key in stale & there.keys() - deployed.keys():
        raise ModelAssetsError(f"{key} is there already and was not made from SQL models. Rename or drop it, or rename {models[key].path}.")
    for key, model in models.items():
        if not stale.isdisjoint(model.refs):
            stale.add(key)
    return stale | (deployed.keys() - models.keys())


_RELATIONS = text("""
    select nspname || '.' || relname as key, case relkind when 'v' then 'view' when 'r' then 'table' else 'other' end as kind
    from pg_class join pg_namespace as schema on schema.oid = relnamespace where relkind in ('v', 'r', 'm', 'p', 'f')
    union all
    select nspname || '.' || proname, 'function' from pg_proc join pg_namespace as schema on schema.oid = pronamespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'
""")


def _relations(connection: Connection) -> dict[str, str]:
    return {row.key: row.kind for row in connection.execute(_RELATIONS)}


def _drop(connection: Connection, keys: Sequence[str], kinds: Mapping[str, str]) -> None:
    """Drop them all, whatever hangs on what: as older files said, which may not be the order of today's."""
    left, refused = list(keys), None
    while left:
        kept = []
        for key in left:
            try:
                with connection.begin_nested():
                    for name in _signatures(connection, key) if kinds[key] == "function" else [key]:
                        _run(connection, f"drop {kinds[key]} {name}")
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
        _run(connection, f"alter table {model.key}__new rename to {model.name}")
        _finish_table(connection, model, grants)
    else:
        _run(connection, model.sql if model.kind == "function" else f"create view {model.key} as\n{model.sql}")
        _describe(connection, model, grants)
    record = text("insert into ops.sql_model (key, sha256) values (:key, :sha256)")
    connection.execute(record, {"key": model.key, "sha256": model.sha256})


def _fill(connection: Connection, model: SqlModel, relation: str) -> int:
    rows = _run(connection, f"create table {relation} as\n{model.sql}").rowcount
    for number, columns in enumerate(model.indexes):
        _run(connection, f"create index {model.name}__new_{number} on {relation} ({', '.join(map(_quoted, columns))})")
    _run(connection, f"analyze {relation}")
    return rows


def _finish_table(connection: Connection, model: SqlModel, grants: Sequence[str]) -> None:
    for number, columns in enumerate(model.indexes):
        named = f"{model.name}_by_{'_'.join(columns)}"[:60]
        _run(connection, f"alter index {model.schema}.{model.name}__new_{number} rename to {named}_{number}")
    _describe(connection, model, grants)


def _describe(connection: Connection, model: SqlModel, grants: Sequence[str]) -> None:
    """Comments and grants; the same place finds a described column that the relation does not have."""
    names = _signatures(connection, model.key) if model.kind == "function" else [model.key]
    comments = [f"comment on {model.kind} {name} is {_literal(model.description)}" for name in names]
    comments += [f"comment on column {model.key}.{_quoted(column)} is {_literal(said)}" for column, said in model.columns.items()]
    if model.kind != "function":
        _check_columns(connection, model)
    for statement in [*comments, *grants]:
        _run(connection, statement)


def _check_columns(connection: Connection, model: SqlModel) -> None:
    have = relation_columns(connection, [model.key])[model.key]
    named = [(column, f"columns.{column}") for column in model.columns]
    named += [(column, test.name) for test in model.tests for column in test.columns]
    for column, where in named:
        if column not in have:
            place = f"{model.path.parent / 'schema.yml'}: {model.name}.{where}"
            raise SettingsError(f"{place}: {model.key} has no column {column}. It has {', '.join(have)}.")


def _grants(connection: Connection, key: str, kind: str) -> list[str]:
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


def _signatures(connection: Connection, key: str) -> list[str]:
    found = text("""select oid::regprocedure::text from pg_proc
                    where proname = split_part(:key, '.', 2) and pronamespace = split_part(:key, '.', 1)::regnamespace""")
    return list(connection.scalars(found, {"key": key}))


def _lock(connection: Connection, function: str) -> None:
    connection.execute(text(f"select {function}(:lock)"), {"lock": _LOCK})


def _run(connection: Connection, statement: str) -> CursorResult[Any]:
    """A statement as it is written: `%` and `:name` in it mean nothing to the driver."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(said: str) -> str:
    return "'" + said.replace("'", "''") + "'"


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


# --- tests ---


def run_test(connection: Connection, test: ColumnTest) -> TestResult:
    """Count what breaks the claim. Null breaks `not_null` only; in a compound `unique`, null is a value like any other.

    Raises SettingsError where the relation or a column of it does not exist.
    """
    columns = ", ".join(map(_quoted, test.columns))
    row = f"select * from {test.model} as tested where "
    failing = {
        "not_null": f"{row} {columns} is null",
        "unique": f"select {columns}, count(*) as rows from {test.model} {'' if len(test.columns) > 1 else f'where {columns} is not null'} "
        f"group by {columns} having count(*) > 1",
        "accepted_values": f"{row} {columns} is not null and {columns}::text <> all(:values)",
        "relationships": f"{row} {columns} is not null "
        f"and not exists (select from {test.to} as target where target.{_quoted(test.field)} = tested.{columns})",
    }[test.kind]
    bound = {"values": list(test.values)} if test.kind == "accepted_values" else {}
    try:
        with connection.begin_nested():
            count, sample = count_and_sample(connection, failing, SAMPLE, bound)
            return TestResult(count, sample)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedTable):
            raise
        found = f"{test.name} cannot be tested: {error.orig.diag.message_primary}"
        raise SettingsError(f"{test.where}: {found}. Mend the entry, or run `model-assets migrate`.") from None


def count_and_sample(
    connection: Connection, query: str, limit: int, bound: Mapping[str, Any] | None = None
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a query has, and the first of them."""
    # materialized: planned for the sake of a limit, a query that finds nothing can take a hundred times longer
    counted = f"with held as materialized ({query}) select *, (select count(*) from held) as all_of_them from held limit {limit}"
    rows = [dict(row) for row in connection.execute(text(counted), bound or {}).mappings()]
    counts = [row.pop("all_of_them") for row in rows]
    return (counts[0] if counts else 0), rows


# --- column lineage ---

Lineage = dict[str, list[tuple[str, str]]]


def column_lineage(model: SqlModel, models: Mapping[str, SqlModel], base_columns: Mapping[str, Iterable[str]]) -> Lineage:
    """For each column of a model, the (relation, column) pairs of the relations it refers to that make its value. Functions have none.

    `base_columns` are the columns of the base relations; those of other models follow from their text.
    """
    return {} if model.kind == "function" else _lineage(model, models, base_columns, {})


def _lineage(
    model: SqlModel, models: Mapping[str, SqlModel], base_columns: Mapping[str, Iterable[str]], known: dict[str, Lineage]
) -> Lineage:
    from sqlglot import exp  # takes a third of a second to load, and only lineage needs it
    from sqlglot.lineage import lineage

    if model.key in known:
        return known[model.key]
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for ref in model.refs:
        above = models.get(ref)
        columns = _lineage(above, models, base_columns, known) if above and above.kind != "function" else base_columns.get(ref, ())
        schema.setdefault(ref.split(".")[0], {})[ref.split(".")[1]] = dict.fromkeys(columns, "text")
    found: Lineage = {}
    for column, node in lineage(None, model.sql, schema, dialect="postgres").items():
        leaves = [(leaf.source, leaf.name) for leaf in node.walk() if not leaf.downstream]
        pairs = {(f"{table.db}.{table.name}", name.rsplit(".", 1)[-1].strip('"')) for table, name in leaves if isinstance(table, exp.Table)}
        found[column] = sorted(pair for pair in pairs if pair[0] in model.refs)
    known[model.key] = found
    return found
