"""Reading what changed: pages of catalog.change that a tier may see, and cursors that neither skip nor repeat."""

import base64
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.access.visibility import sees, shows
from model_assets.errors import ModelAssetsError

LIMIT = 500


class BadCursor(ModelAssetsError):
    """A cursor that this ledger never gave out."""


@dataclass(frozen=True)
class Cursor:
    """After which change a page begins, and whether it goes on to newer changes or to older ones."""

    after: uuid.UUID
    to_older: bool = False

    def __str__(self) -> str:
        return ("p" if self.to_older else "n") + base64.urlsafe_b64encode(self.after.bytes).decode("ascii").rstrip("=")


@dataclass(frozen=True)
class Asked:
    """Which changes: null is any. `since` is about when something was so, not when it was recorded."""

    types: Sequence[str] | None = None
    model: str | None = None
    provider: str | None = None
    since: datetime | None = None
    limit: int = 100


def read_cursor(given: str) -> Cursor:
    """The cursor of a text. Raises BadCursor where it is none."""
    if not re.fullmatch(r"[np][A-Za-z0-9_-]{21}[AQgw]", given):  # the last of 22 characters holds two bits
        raise BadCursor("The cursor is none that was given out here. Use next_cursor of an answer as it is, or begin without one.")
    return Cursor(uuid.UUID(bytes=base64.urlsafe_b64decode(given[1:] + "==")), given[0] == "p")


def position_of(connection: Connection, cursor: Cursor) -> int:
    """The number of the change that a cursor names. Raises BadCursor where this ledger has none such."""
    found = connection.execute(text("select change_id from catalog.change where id = :id"), {"id": cursor.after}).scalar()
    if found is None:
        raise BadCursor("The cursor is of another ledger, or of one as it was before it was restored. Begin without one.")
    return int(found)


def may_see(tier: str) -> str:
    """The SQL condition on rows of catalog.change (as `change`): those of models that a tier sees in the catalogue, but of offers that are hidden
    from it, and of plans of them (`:free`) only where the tier could use that plan as well."""
    if tier == "admin":
        return "true"
    plan = (
        "exists (select from access.model_access as plan where plan.model_id = change.model_id and plan.decided_status = 'active'"
        f" and plan.is_{tier})"
    )
    return (
        "exists (select from catalog.model_card as card where card.model_id = coalesce(change.model, change.model_id)"
        f" and {sees(tier)} and (change.offer is null or {shows(tier, 'change')}) and (change.model_id = card.model_id or {plan}))"
    )


#: exact, and without the zeros of microseconds that nobody measured
_INSTANT = """rtrim(rtrim(to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'"""
_FIELDS = """
select change.change_id, change.id, json_build_object(
    'id', change.id, 'type', change.type, 'at', {at}, 'recorded_at', {recorded_at}, 'model_id', change.model_id, 'model', change.model,
    'offer', change.offer, 'provider', change.provider, 'condition', change.condition, 'before', change.before,
    'after', change.after, 'source', change.source
) as told
from catalog.change
where {sees}
    and (cast(:types as text[]) is null or change.type = any (:types))
    and (cast(:model as text) is null or :model in (change.model_id, change.model, change.offer))
    and (cast(:provider as text) is null or change.provider = :provider)
    and (cast(:since as timestamptz) is null or change.at >= :since)
"""


def _fields(tier: str) -> str:
    return _FIELDS.format(sees=may_see(tier), at=_INSTANT.format("change.at"), recorded_at=_INSTANT.format("change.recorded_at"))


_PAGE = """
with page as materialized ({fields} {bounds} order by change.change_id {direction} limit :limit + 1),
kept as (select * from page order by change_id {direction} limit :limit)
select
    (select version from catalog.published) as version,
    coalesce((select json_agg(told order by change_id {direction}) from kept), '[]')::text as changes,
    (select json_build_array(id, change_id) from kept order by change_id {opposite} limit 1) as last,
    (select count(*) > :limit from page) as more
"""


@dataclass(frozen=True)
class Page:
    """Some changes as JSON text (a list), where the next page begins (null: nothing was ever there), and whether more is there already.
    `last_id` is the number of the last of them, which nobody outside is told."""

    version: int
    changes: str
    next: Cursor | None
    more: bool
    last_id: int | None


def read_page(
    connection: Connection,
    tier: str,
    asked: Asked,
    cursor: Cursor | None = None,
    *,
    newest_first: bool = False,
    position: int | None = None,
    until: int | None = None,
) -> Page:
    """A page of what a tier may see, after the cursor; without one from the oldest on, or from the newest back. A cursor keeps its direction.
    By number, in place of a cursor: after `position`, up to `until`.

    Raises BadCursor. The last page's cursor stays good: what comes later is after it.
    """
    to_older = cursor.to_older if cursor else newest_first
    after = position_of(connection, cursor) if cursor else position
    direction, opposite = ("desc", "asc") if to_older else ("asc", "desc")
    bounds = "" if after is None else f"and change.change_id {'<' if to_older else '>'} :after"
    bounds += "" if until is None else " and change.change_id <= :until"
    numbers = {name: value for name, value in (("after", after), ("until", until)) if value is not None}
    statement = _PAGE.format(fields=_fields(tier), bounds=bounds, direction=direction, opposite=opposite)
    types = None if asked.types is None else list(asked.types)
    bound = {"types": types, "model": asked.model, "provider": asked.provider, "since": asked.since, "limit": asked.limit}
    found = connection.execute(text(statement), bound | numbers).one()
    last_id, following = (found.last[1], Cursor(uuid.UUID(found.last[0]), to_older)) if found.last else (None, cursor)
    return Page(found.version, found.changes, following, found.more, last_id)
