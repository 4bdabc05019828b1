"""Where sources contradict each other, and which changes the gate doubts."""

from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain
from model_assets.answers.sellers import own_name
from model_assets.gate import held_changes

DISPUTES = """
select * from catalog.dispute
where (:everything or closed_at is null) and (cast(:model as text) is null or model = :model)
  and (cast(:provider as text) is null or provider = :provider)
order by closed_at is not null, ratio desc nulls last, difference desc, dispute_id limit :limit
"""


def disputed(claim: str, while_: str) -> str:
    """SQL: whether another source contradicts a claim within a time. `claim` is an alias with the columns of catalog.price_claim or of
    history.price, `while_` a range of instants."""
    return f"""exists (
        select from catalog.dispute join history.link using (offer)
        where link.source = {claim}.source and link.provider = {claim}.provider and link.listed_id = {claim}.listed_id
          and upper(link.seen) is null and dispute.meter = {claim}.meter and dispute.service_tier = {claim}.service_tier
          and dispute.prompt_above_tokens = {claim}.prompt_above_tokens and dispute.currency = {claim}.currency
          and coalesce(dispute.time_window, '') = coalesce({claim}.time_window, '')
          and coalesce(dispute.detail, '') = coalesce({claim}.detail, '')
          and tstzrange(dispute.opened_at, dispute.closed_at) && {while_})"""


def disputes(connection: Connection, *, model: str | None, provider: str | None, everything: bool, limit: int) -> list[Answer]:
    """Disputes between sources that are open, the largest first; with `everything` those that closed as well. `model` is a canonical id."""
    bound = {"model": model, "provider": provider and own_name(provider), "everything": everything, "limit": limit}
    found = connection.execute(text(DISPUTES), bound)
    return [plain(dict(row)) for row in found.mappings()]


def held(connection: Connection, *, everything: bool, limit: int, since: datetime | None = None) -> list[Answer]:
    """Changes that are held or unconfirmed, newest first; with `everything` those of the past as well."""
    rows = []
    for row in held_changes.held(connection, everything=everything, limit=limit, since=since):
        span = row.pop("held")
        del row["digest"]
        rows.append(plain(row) | {"held_until": plain({"at": span.upper})["at"]})  # type: ignore[attr-defined]
    return rows
