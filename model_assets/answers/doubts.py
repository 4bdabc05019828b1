"""Where sources contradict each other, and which changes the gate doubts."""

from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain
from model_assets.gate import held_changes

DISPUTES = """
select * from catalog.dispute
where (:everything or closed_at is null) and (cast(:model as text) is null or model = :model)
  and (cast(:provider as text) is null or provider = :provider)
order by closed_at is not null, ratio desc nulls last, difference desc, dispute_id limit :limit
"""


def disputes(connection: Connection, *, model: str | None, provider: str | None, everything: bool, limit: int) -> list[Answer]:
    """Disputes between sources that are open, the largest first; with `everything` those that closed as well. `model` is a canonical id."""
    found = connection.execute(text(DISPUTES), {"model": model, "provider": provider, "everything": everything, "limit": limit})
    return [plain(dict(row)) for row in found.mappings()]


def held(connection: Connection, *, everything: bool, limit: int, since: datetime | None = None) -> list[Answer]:
    """Changes that are held or unconfirmed, newest first; with `everything` those of the past as well."""
    rows = []
    for row in held_changes.held(connection, everything=everything, limit=limit, since=since):
        span = row.pop("held")
        del row["digest"]
        rows.append(plain(row) | {"held_until": plain({"at": span.upper})["at"]})  # type: ignore[attr-defined]
    return rows
