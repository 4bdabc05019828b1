"""Reading schema.yml: what the columns of the models beside it mean, and what must hold of their rows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from model_assets.errors import SettingsError
from model_assets.sql_models.claims import ColumnTest
from model_assets.sql_models.model import NAME, SqlModel

#: every command reads these files: the loader that is written in C, where it is there, takes a tenth of the time
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_docs(path: Path, models: Mapping[str, SqlModel], base: Collection[str]) -> Iterator[SqlModel]:
    """The models of one schema.yml, with their columns and tests."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _LOADER) or {}  # noqa: S506 (both are safe)
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
        if not NAME.fullmatch(column):
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
        if target.get("to") not in known or not NAME.fullmatch(str(target.get("field"))):
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
