"""Change sets in words: what opens, what changes from what to what, what ends."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from sqlalchemy import Connection, text

from model_assets.ledger.changes import ChangeSet, Part
from model_assets.ledger.claims import PRICE, RELATIONS, SCORE, Relation, Row
from model_assets.sources.base import as_json


@dataclass(frozen=True)
class Change:
    """One line of a change set. `before` and `after` are an amount with its state, a score, or the columns of a listing or a mention
    that changed. `provider` and `listed_id` name the entry: for a score benchmark and model, for a mention feed and item."""

    relation: str
    change: str
    provider: str
    listed_id: str
    what: str
    before: str
    after: str

    def as_dict(self) -> dict[str, str]:
        """The line as plain values, for tables and JSON."""
        return asdict(self)


def describe(connection: Connection, changes: ChangeSet, limit: int | None = None, pending: Sequence[ChangeSet] = ()) -> list[Change]:
    """The lines of a change set, prices first, changed before opened before closed; the first `limit` of them.

    `pending` are the change sets it was compared as coming after (see `changes.compare`).
    """
    lines: list[Change] = []
    for relation in reversed(RELATIONS):
        part = changes.parts[relation.name]
        changed = [key for key in part.opened if key in part.closing]
        closed = [key for key in part.closing if key not in part.opened]
        before = _rows_at(connection, relation, changes.observation.observed_at, (changed + closed)[:limit])
        for earlier in pending:
            opened = earlier.parts[relation.name].opened
            before |= {key: opened[key][1] for key in (changed + closed)[:limit] if key in opened}
        lines += [_line(relation, "changed", before.get(key), part.opened[key][1]) for key in changed[:limit]]
        lines += [_line(relation, "opened", None, row) for row in _opened(part, limit)]
        lines += [_line(relation, "closed", before.get(key), None) for key in closed[:limit] if key in before]
    return sorted(lines, key=lambda line: (line.change != "changed", line.relation != "price", line.change))[:limit]


def _opened(part: Part, limit: int | None) -> list[Row]:
    return [part.opened[key][1] for key in islice((key for key in part.opened if key not in part.closing), limit)]


def _rows_at(connection: Connection, relation: Relation, at: datetime, keys: list[int]) -> dict[int, Row]:
    if not keys:
        return {}
    found = connection.execute(
        text(
            f"select key_id, {relation.column_list} from history.{relation.name}"
            " where key_id = any(:keys) and seen @> cast(:at as timestamptz)"
        ),
        {"keys": keys, "at": at},
    )
    return {row[0]: tuple(row[1:]) for row in found}


def _line(relation: Relation, change: str, before: Row | None, after: Row | None) -> Change:
    row = after or before or ()
    named = dict(zip(relation.columns, row, strict=False))
    if relation is PRICE:
        what = " ".join(
            str(named[name]) for name in ("meter", "service_tier", "time_window", "region", "detail", "currency") if named[name]
        )
        if named["prompt_above_tokens"]:
            what += f" above {named['prompt_above_tokens']} tokens"
        if named["effective_from"]:
            what += f" from {named['effective_from']:%Y-%m-%d}"
        return Change("price", change, str(row[0]), str(row[1]), what, _amount(relation, before), _amount(relation, after))
    if relation is SCORE:
        what = " ".join(str(named[name]) for name in relation.columns[2:10] if named[name])
        return Change("score", change, str(row[0]), str(row[1]), what, _number(relation, before), _number(relation, after))
    differing = [name for name, old, new in zip(relation.columns, before or (), after or (), strict=False) if _plain(old) != _plain(new)]
    return Change(
        relation.name, change, str(row[0]), str(row[1]), ", ".join(differing),
        _values(relation, before, differing), _values(relation, after, differing),
    )  # fmt: skip


def _amount(relation: Relation, row: Row | None) -> str:
    if row is None:
        return ""
    amount, state = (row[relation.columns.index(name)] for name in ("amount", "state"))
    return decimal_text(amount) if isinstance(amount, Decimal) and amount else str(state)


def _number(relation: Relation, row: Row | None) -> str:
    value = row[relation.columns.index("value")] if row else None
    return decimal_text(value) if isinstance(value, Decimal) else ""


def _values(relation: Relation, row: Row | None, names: list[str]) -> str:
    return "; ".join(str(_plain(row[relation.columns.index(name)]))[:80] for name in names) if row else ""


def _plain(value: object) -> object:
    """Values as the database gives them back and as the source's file makes them, in one form."""
    if isinstance(value, dict):
        return as_json(value)
    return list(value) if isinstance(value, tuple) else value


def decimal_text(amount: Decimal) -> str:
    """An exact amount as text: no exponent, no trailing zeros."""
    text_of = f"{amount:f}"
    return text_of.rstrip("0").rstrip(".") if "." in text_of else text_of
