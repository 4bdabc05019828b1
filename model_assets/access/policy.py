"""The policy file: rules that say which tier may use which listings. The views of `access` apply them; an empty policy allows nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import psycopg
import yaml
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from model_assets.contracts import LIFECYCLES, STATES
from model_assets.errors import SettingsError

FILE = Path(__file__).with_name("policy.yml")
TIERS = ("free", "pro", "enterprise")
_LISTS = {"providers": None, "authors": None, "states": STATES, "lifecycles": LIFECYCLES}
_BOUNDS = ("max_input_usd_per_mtok", "max_output_usd_per_mtok")


@dataclass(frozen=True)
class Rule:
    """One rule; `position` is its number in the file. A condition that is None holds for every listing, an empty list for none."""

    tier: str
    position: int
    effect: str
    providers: tuple[str, ...] | None = None
    authors: tuple[str, ...] | None = None
    ids: str | None = None
    states: tuple[str, ...] | None = None
    lifecycles: tuple[str, ...] | None = None
    max_input_usd_per_mtok: Decimal | None = None
    max_output_usd_per_mtok: Decimal | None = None
    note: str | None = None


class _NoKeyTwice(yaml.SafeLoader):
    """YAML that refuses a key written twice; otherwise the last would win, and a rule be wider than it reads."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in names[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is written twice", key.start_mark)
        return super().construct_mapping(node, deep)


COLUMNS = tuple(column.name for column in fields(Rule))


def load_policy(path: Path = FILE) -> list[Rule]:
    """The rules of a policy file, in its order. Raises SettingsError with the file, the rule's number and what to do."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_NoKeyTwice)  # noqa: S506, a SafeLoader
    except OSError as missing:
        raise SettingsError(f"{path} cannot be read: {missing.strerror}. Name the policy file, or restore it.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(broken).split())}") from None
    if not isinstance(document, dict) or set(document) != {"rules"}:
        raise SettingsError(f"{path}: `rules:` and a list below it is expected, and nothing else beside it.")
    rules = document["rules"] or []
    if not isinstance(rules, list):
        raise SettingsError(f"{path}: `rules` should be a list. Begin each rule with `- tier: ...`.")
    return [_rule(found, position, f"{path}: rule {position}") for position, found in enumerate(rules, start=1)]


def store_policy(connection: Connection, rules: Sequence[Rule]) -> bool:
    """Put the rules in the place of those in access.policy; false, and nothing written, where they are the same.

    In the transaction of `connection`, one at a time. Raises SettingsError where Postgres does not understand a rule's regular expression.
    """
    connection.execute(text("lock table access.policy in share row exclusive mode"))
    rows = connection.execute(text(f"select {', '.join(COLUMNS)} from access.policy")).mappings()
    if {_from_row(row) for row in rows} == set(rules):
        return False
    for rule in rules:
        _try_regex(connection, rule)
    connection.execute(text("delete from access.policy"))
    if rules:
        values = ", ".join(f":{column}" for column in COLUMNS)
        connection.execute(text(f"insert into access.policy ({', '.join(COLUMNS)}) values ({values})"), [_to_row(rule) for rule in rules])
    return True


def _rule(found: object, position: int, where: str) -> Rule:
    if not isinstance(found, dict):
        raise SettingsError(f"{where}: `key: value` lines are expected, and {found!r} was found. Begin the rule with `- tier: ...`.")
    for key in found:
        if key not in COLUMNS or key == "position":
            known = ", ".join(column for column in COLUMNS if column != "position")
            raise SettingsError(f"{where}: unknown key {key!r}. Known: {known}.")
        if found[key] is None:
            raise SettingsError(f"{where}: {key}: nothing stands behind it. Write a value, or take the line out.")
    conditions: dict[str, Any] = {
        **{key: _list(found[key], key, allowed, where) for key, allowed in _LISTS.items() if key in found},
        **{key: _bound(found[key], key, where) for key in _BOUNDS if key in found},
        **({"ids": _regex(found["ids"], where)} if "ids" in found else {}),
    }
    effect = _one_of(found.get("effect"), "effect", ("allow", "deny"), where)
    if not conditions:
        everything = "`ids: '.*'` if it is meant for every listing"
        raise SettingsError(f"{where}: a rule without a condition would {effect} everything. Add a condition, or write {everything}.")
    note = found.get("note")
    if note is not None and not isinstance(note, str):
        raise SettingsError(f"{where}: note: a text is expected, not {note!r}. Put it in quotes.")
    return Rule(_one_of(found.get("tier"), "tier", TIERS, where), position, effect, note=note, **conditions)


def _one_of(found: object, key: str, allowed: Sequence[str], where: str) -> str:
    if found not in allowed:
        said = f"no {key}" if found is None else f"unknown {key} {found!r}"
        raise SettingsError(f"{where}: {said}. Write one of {', '.join(allowed)}.")
    return str(found)


def _list(found: object, key: str, allowed: Sequence[str] | None, where: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise SettingsError(f"{where}: {key}: a list of texts is expected, not {found!r}. Write `{key}: [one, another]`.")
    for item in found:
        if allowed is not None and item not in allowed:
            raise SettingsError(f"{where}: {key}: unknown value {item!r}. Known: {', '.join(allowed)}.")
    return tuple(found)


def _bound(found: object, key: str, where: str) -> Decimal:
    """An amount in USD; the text of a YAML number is exact, and so is the shortest text of the float it became."""
    try:
        amount = Decimal(str(found)) if isinstance(found, int | float | str) and not isinstance(found, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise SettingsError(f"{where}: {key}: a number of USD, 0 or more, is expected, not {found!r}. Mend it, or leave it out.")
    return amount


def _regex(found: object, where: str) -> str:
    try:
        return re.compile(found).pattern if isinstance(found, str) else _no_regex(found, "it is no text", where)
    except re.error as broken:
        return _no_regex(found, str(broken), where)


def _no_regex(found: object, why: str, where: str) -> str:
    raise SettingsError(f"{where}: ids: {found!r} is not a regular expression: {why}. A character such as ( or * is written \\( or \\*.")


def _try_regex(connection: Connection, rule: Rule) -> None:
    """Postgres's regular expressions are not quite Python's: ask it as well."""
    try:
        with connection.begin_nested():
            connection.execute(text("select '' ~ cast(:ids as text)"), {"ids": rule.ids})
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InvalidRegularExpression):
            raise
        _no_regex(rule.ids, f"Postgres says: {error.orig.diag.message_primary}", f"rule {rule.position} ({rule.tier})")


def _to_row(rule: Rule) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(rule).items()}


def _from_row(row: Mapping[Any, Any]) -> Rule:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Rule(**values)
