"""The policy file: rules that say which tier may use which listings. The views of `access` apply them; an empty policy allows nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import psycopg
import yaml
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from model_assets.access.audit import BY_POLICY, speaking
from model_assets.contracts import LIFECYCLES, STATES
from model_assets.errors import SettingsError
from model_assets.ledger.staging import storable
from model_assets.sources.licences import CLASSES

FILE = Path(__file__).with_name("policy.yml")
TIERS = ("free", "pro", "enterprise")
_LISTS = {
    "providers": None, "authors": None, "states": STATES, "lifecycles": LIFECYCLES, "licences": None, "licence_classes": CLASSES,
    "modalities": None,
}  # fmt: skip
_BOUNDS = ("max_input_usd_per_mtok", "max_output_usd_per_mtok")
MOST_DIGITS = 30  # of a bound, before its point or after it


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
    licences: tuple[str, ...] | None = None
    licence_classes: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    max_input_usd_per_mtok: Decimal | None = None
    max_output_usd_per_mtok: Decimal | None = None
    note: str | None = None


@dataclass(frozen=True)
class Policy:
    """What a policy file says: its rules, and after how long a new model is admitted without a person (None: never)."""

    rules: tuple[Rule, ...] = ()
    activate_new_after: timedelta | None = None


class _NoKeyTwice(yaml.SafeLoader):
    """YAML that refuses a key written twice; otherwise the last would win, and a rule be wider than it reads."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in names[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is written twice", key.start_mark)
        return super().construct_mapping(node, deep)


COLUMNS = tuple(column.name for column in fields(Rule))


def load_policy(path: Path = FILE) -> Policy:
    """What a policy file says, its rules in its order. Raises SettingsError with the file, the rule's number and what to do."""
    try:
        said = path.read_text(encoding="utf-8")
    except OSError as missing:
        raise SettingsError(f"{path} cannot be read: {missing.strerror}. Name the policy file, or restore it.") from None
    except UnicodeDecodeError as broken:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(broken).split())}") from None
    return read_policy(said, str(path))


def read_policy(said: str, where: str) -> Policy:
    """What the text of a policy file says. Raises SettingsError, beginning with `where`."""
    try:
        document = yaml.load(said, Loader=_NoKeyTwice)  # noqa: S506, a SafeLoader
    except yaml.YAMLError as broken:
        raise SettingsError(f"{where} is not YAML: {' '.join(str(broken).split())}") from None
    except ValueError as odd:  # a date that is in no calendar, a number of thousands of digits
        raise SettingsError(f"{where}: a value cannot be read: {odd}. If a text is meant, put it in quotes.") from None
    except RecursionError:
        raise SettingsError(f"{where} is nested too deeply. A list of rules, each of `key: value` lines, is expected.") from None
    if not isinstance(document, dict) or not {"rules"} <= set(document) <= {"rules", "new_models"}:
        raise SettingsError(f"{where}: `rules:` and a list below it is expected, and beside it nothing but `new_models:`.")
    rules = document["rules"] or []
    if not isinstance(rules, list):
        raise SettingsError(f"{where}: `rules` should be a list. Begin each rule with `- tier: ...`.")
    numbered = tuple(_rule(found, position, f"{where}: rule {position}") for position, found in enumerate(rules, start=1))
    return Policy(numbered, _activation(document["new_models"], f"{where}: new_models") if "new_models" in document else None)


def store_policy(connection: Connection, policy: Policy, actor: str = BY_POLICY, why: str = "", request_id: str = "") -> bool:
    """Put a policy in the place of the one that is stored; false, and nothing written, where it is the same. One row of the audit tells of it.

    In the transaction of `connection`, one at a time. Raises SettingsError where Postgres does not understand a rule's regular expression.
    """
    connection.execute(text("lock table access.policy in share row exclusive mode"))
    if stored_policy(connection) == policy:
        return False
    check_patterns(connection, policy)
    with speaking(connection, actor, why, request_id):
        replace_rules(connection, policy)
    return True


def check_patterns(connection: Connection, policy: Policy) -> None:
    """Raises SettingsError where Postgres does not understand a rule's regular expression."""
    for rule in policy.rules:
        _try_regex(connection, rule)


def replace_rules(connection: Connection, policy: Policy, places: Callable[[str], str] = str) -> None:
    """Write a policy over the one that is there. `places` says in a statement which tables are meant, where it is not these."""
    connection.execute(text(places("delete from access.policy")))
    if policy.rules:
        values = ", ".join(f":{column}" for column in COLUMNS)
        insert = text(places(f"insert into access.policy ({', '.join(COLUMNS)}) values ({values})"))
        connection.execute(insert, [_to_row(rule) for rule in policy.rules])
    connection.execute(text(places(_SETTING)), {"after": policy.activate_new_after})


def stored_policy(connection: Connection) -> Policy:
    """The policy that counts now."""
    rows = connection.execute(text(f"select {', '.join(COLUMNS)} from access.policy order by position")).mappings()
    after = connection.execute(text("select activate_new_after from access.policy_setting")).scalar_one()
    return Policy(tuple(_from_row(row) for row in rows), after)


_SETTING = """
update access.policy_setting set activate_new_after = :after, rules = (
    select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(rule) - 'loaded_at') order by rule.position), '[]') from access.policy as rule
)
"""


def _activation(found: object, where: str) -> timedelta | None:
    days = found.get("activate_after_days") if isinstance(found, dict) and set(found) == {"activate_after_days"} else None
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36500:
        raise SettingsError(
            f"{where}: `activate_after_days:` and a number of days, 0 or more, is expected, not {found!r}. Or leave it out."
        )
    return timedelta(days=days)


def _rule(found: object, position: int, where: str) -> Rule:
    if not isinstance(found, dict):
        raise SettingsError(f"{where}: `key: value` lines are expected, and {found!r} was found. Begin the rule with `- tier: ...`.")
    for key in found:
        if key not in COLUMNS or key == "position":
            known = ", ".join(column for column in COLUMNS if column != "position")
            raise SettingsError(f"{where}: unknown key {key!r}. Known: {known}.")
        if found[key] is None:
            raise SettingsError(f"{where}: {key}: nothing stands behind it. Write a value, or take the line out.")
        if any(isinstance(one, str) and storable(one) != one for one in (found[key] if isinstance(found[key], list) else [found[key]])):
            raise SettingsError(f"{where}: {key}: it holds a character that cannot be stored: NUL, or half of a pair. Take it out.")
    conditions: dict[str, Any] = {
        **{key: _list(found[key], key, allowed, where) for key, allowed in _LISTS.items() if key in found},
        **{key: _bound(found[key], key, where) for key in _BOUNDS if key in found},
        **({"ids": _regex(found["ids"], where)} if "ids" in found else {}),
    }
    effect = _one_of(found.get("effect"), "effect", ("allow", "deny"), where)
    if "licences" in conditions:
        conditions["licences"] = tuple(licence.lower() for licence in conditions["licences"])
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
    if amount is None or not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > MOST_DIGITS:
        raise SettingsError(f"{where}: {key}: a number of USD, 0 or more, is expected, not {found!r:.100}. Mend it, or leave it out.")
    return amount


def _regex(found: object, where: str) -> str:
    try:
        return re.compile(found).pattern if isinstance(found, str) else _no_regex(found, "it is no text", where)
    except (re.error, OverflowError) as broken:
        return _no_regex(found, str(broken), where)
    except RecursionError:
        return _no_regex(found, "it is nested too deeply", where)


def _no_regex(found: object, why: str, where: str) -> str:
    raise SettingsError(
        f"{where}: ids: {found!r:.200} is not a regular expression: {why}. A character such as ( or * is written \\( or \\*."
    )


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
