"""Payloads that were handed over in SQL (access.sync_openrouter_models) are loaded like any other: recorded, audited, merged, settled."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Row, text

from model_assets import pipeline
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import ModelAssetsError, SourceBusy
from model_assets.ledger import observations
from model_assets.settling import settle
from model_assets.sources import SOURCES

WAITING = "select inbox_id, source, received_at from ops.inbox where status = 'queued' order by inbox_id"
BODY = "select body from ops.inbox where inbox_id = :inbox_id"
ENDED = """
update ops.inbox set status = :status, message = :message, ended_at = clock_timestamp()
where inbox_id = :inbox_id and status = 'queued' returning inbox_id, source, models, received_at, status, message
"""


def load_inbox(url: str, policy_file: Path, progress: Callable[[str], None] = lambda _: None) -> list[dict[str, object]]:
    """Load what waits in ops.inbox, in the order in which it came, then settle. Returns the rows that were ended, with what became of each.

    One whose source another sync holds goes on waiting. What the gate refuses is kept in raw, for a person to accept.
    """
    with connect(url) as connection:
        waiting = connection.execute(text(WAITING)).all()
    ended = []
    for row in waiting:
        try:
            status, message = "loaded", _load(url, row)
        except SourceBusy:
            continue
        except ModelAssetsError as error:
            status, message = "refused", str(error)
        with connect(url) as connection:
            said = {"inbox_id": row.inbox_id, "status": status, "message": message}
            ended += [dict(one) for one in connection.execute(text(ENDED), said).mappings()]
    if ended:
        settle(url, policy_file, progress)
    return ended


def _load(url: str, row: Row[tuple[object, ...]]) -> str:
    """Load one; returns what came of it in words."""
    source = SOURCES[row.source]
    with attempt(url, source.name, row.received_at.date(), f"inbox {row.inbox_id}") as held:
        with connect(url) as connection:
            body: str = connection.execute(text(BODY), {"inbox_id": row.inbox_id}).scalar_one()
            # not the address of the feed: what is asked of that next time must not depend on this
            kept = observations.record(
                connection, source.name, row.received_at, body.encode(), url="access.sync_openrouter_models", origin="live"
            )
        audited = pipeline.load(url, source, kept, held)
    tally = held.tally
    return f"{audited.outcome}: {tally.added} added, {tally.changed} changed, {tally.closed} closed, {tally.quarantined} quarantined"
