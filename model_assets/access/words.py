"""What people say of models: a word counts before the policy's until it is taken back or its time is over, and no sync touches it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from model_assets.access.audit import speaking
from model_assets.errors import ModelAssetsError

STATUSES = ("new", "active", "disabled")
#: more at once would keep others from the audit for too long
MOST_AT_ONCE = 500


class _Unsaid(Enum):
    UNSAID = "unsaid"


UNSAID: Final = _Unsaid.UNSAID
Unsaid = Literal[_Unsaid.UNSAID]


@dataclass(frozen=True)
class Word:
    """What is said of one model. UNSAID leaves a part as it is, None takes back what was said of it: then the policy counts again.

    Limits are requests of a user per day and per month. `until` is the end of all that is said of the model, None: no end.
    """

    status: str | Unsaid | None = UNSAID
    is_free: bool | Unsaid | None = UNSAID
    is_pro: bool | Unsaid | None = UNSAID
    is_enterprise: bool | Unsaid | None = UNSAID
    daily_limit: int | Unsaid | None = UNSAID
    monthly_limit: int | Unsaid | None = UNSAID
    note: str | Unsaid | None = UNSAID
    until: datetime | Unsaid | None = UNSAID

    def said(self) -> dict[str, Any]:
        """What is given, by its column in access.decision."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {_COLUMNS[name]: value for name, value in given.items() if value is not UNSAID}


_COLUMNS = {
    "status": "said_status",
    "is_free": "said_free",
    "is_pro": "said_pro",
    "is_enterprise": "said_enterprise",
    "daily_limit": "daily_limit",
    "monthly_limit": "monthly_limit",
    "note": "note",
    "until": "decided_until",
}
SAID = [column for column in _COLUMNS.values() if column != "decided_until"]


@dataclass(frozen=True)
class Trouble:
    """Why one of the changes cannot be made: `code` is unknown_model, version_conflict, named_twice or bad_value. `place` counts from 0."""

    place: int
    model_id: str
    code: str
    message: str


class WordsRefused(ModelAssetsError):
    """None of the changes was made; `troubles` says which ones cannot be, and why."""

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        more = f" And {len(troubles) - 1} more." if len(troubles) > 1 else ""
        super().__init__(f"Nothing was changed. {troubles[0].message}{more}")
        self.troubles = tuple(troubles)


def change(
    connection: Connection, words: Sequence[tuple[str, Word, int | None]], actor: str, why: str = "", request_id: str = ""
) -> list[dict[str, Any]]:
    """Write what people say of models: (model id, word, the version it was said of, or None for any). Returns their rows of access.model_access.

    All of it or nothing, in the transaction of `connection`; what is said already writes nothing. Raises WordsRefused.
    """
    with speaking(connection, actor, why, request_id):
        found = connection.execute(
            text("select * from access.decision where model_id = any(:ids) order by model_id for update"),
            {"ids": [word[0] for word in words]},
        ).mappings()
        now = {row["model_id"]: _current(dict(row)) for row in found}
        if troubles := _troubles(connection, words, now):
            raise WordsRefused(troubles)
        for model_id, word, _ in words:
            _write(connection, now[model_id], word.said(), actor)
    rows = connection.execute(text("select * from access.model_access where model_id = any(:ids)"), {"ids": list(now)}).mappings()
    by_id = {row["model_id"]: dict(row) for row in rows}
    return [by_id[model_id] for model_id, _, _ in words]


def nearest(connection: Connection, model_id: str, count: int = 3) -> list[str]:
    """The models whose ids come nearest to one that is not known."""
    known = list(connection.scalars(text("select model_id from access.decision order by 1")))
    same_end = [one for one in known if one.rpartition("/")[2] == model_id.rpartition("/")[2]]
    return list(dict.fromkeys([*same_end, *get_close_matches(model_id, known, count)]))[:count]


def unknown(model_id: str, near: Sequence[str]) -> str:
    """That there is no such model, as a person is told who would decide on it."""
    hint = f"The nearest are: {', '.join(near)}." if near else "`model-assets access list` and GET /api/admin/models name those there are."
    return f"There is no model {model_id!r} to decide on. {hint}"


def _write(connection: Connection, row: dict[str, Any], said: dict[str, Any], actor: str) -> None:
    """Bring one decision to what is said; a row on which nothing is said any more is the policy's again."""
    after = row | said
    if all(after[column] is None for column in SAID):
        after |= {"decided_by": None, "decided_at": None, "decided_until": None}
    elif any(after[column] != row[column] for column in (*SAID, "decided_until")):
        after |= {"decided_by": actor, "decided_at": datetime.now(UTC)}
    columns = [*SAID, "decided_by", "decided_at", "decided_until"]
    assigned = ", ".join(f"{column} = :{column}" for column in columns)
    changed = " or ".join(f"{column} is distinct from :{column}" for column in columns)
    statement = text(f"update access.decision set {assigned} where model_id = :model_id and ({changed})")
    connection.execute(statement, {column: after[column] for column in (*columns, "model_id")})


def _current(row: dict[str, Any]) -> dict[str, Any]:
    """A decision without what counts no more: a new word does not bring it back."""
    over = row["decided_until"] is not None and row["decided_until"] <= datetime.now(UTC)
    return row | dict.fromkeys([*SAID, "decided_by", "decided_at", "decided_until"]) if over else row


def _troubles(connection: Connection, words: Sequence[tuple[str, Word, int | None]], now: dict[str, dict[str, Any]]) -> list[Trouble]:
    if len(words) > MOST_AT_ONCE:
        said = f"At most {MOST_AT_ONCE} models can be changed at once, and {len(words)} were given."
        return [Trouble(MOST_AT_ONCE, words[MOST_AT_ONCE][0], "bad_value", said)]
    troubles: list[Trouble] = []
    for place, (model_id, word, version) in enumerate(words):
        row = now.get(model_id)
        if row is None:
            # of the first only, which is the one that is told: looking takes long where there are many models, and others wait meanwhile
            near = [] if any(one.code == "unknown_model" for one in troubles) else nearest(connection, model_id)
            troubles.append(Trouble(place, model_id, "unknown_model", unknown(model_id, near)))
        elif any(model_id == other for other, _, _ in words[:place]):
            troubles.append(Trouble(place, model_id, "named_twice", f"{model_id} is named twice. Say everything of it in one place."))
        elif version is not None and row["version"] != version:
            said = f"{model_id} is at version {row['version']}, not {version}: it was changed meanwhile. Look at it again."
            troubles.append(Trouble(place, model_id, "version_conflict", said))
        elif bad := _bad(word, row):
            troubles.append(Trouble(place, model_id, "bad_value", f"{model_id}: {bad}"))
    return troubles


def _bad(word: Word, row: dict[str, Any]) -> str | None:
    """What of a word cannot be."""
    said = word.said()
    if not said:
        return "nothing is said of it. Give at least one thing to change."
    if said.get("said_status") not in (None, *STATUSES):
        return f"there is no status {said['said_status']!r}. Use one of {', '.join(STATUSES)}."
    for column in ("daily_limit", "monthly_limit"):
        limit = said.get(column)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit < 2**63):
            return f"{column} {limit!r} is not a number of requests, 0 or more. Correct it, or take it back."
    daily, monthly = said.get("daily_limit", row["daily_limit"]), said.get("monthly_limit", row["monthly_limit"])
    if None not in (daily, monthly) and daily > monthly:
        return f"{daily} requests per day are more than {monthly} per month. Correct one of them."
    until = said.get("decided_until")
    if until is not None and until <= datetime.now(UTC):
        return f"the end {until:%Y-%m-%dT%H:%MZ} is in the past. Give a later one."
    after = row | said
    if until is not None and all(after[column] is None for column in SAID):
        return "an end is given, and nothing that would end. Say what holds until then."
    return None
