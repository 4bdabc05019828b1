"""Held changes in the database: a function of the ledger, of the links, and of people's words; computed anew when one of them moved."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, text

from model_assets.errors import ModelAssetsError
from model_assets.gate.events import ledger_events
from model_assets.gate.models import comparable
from model_assets.gate.replay import Replay
from model_assets.gate.types import Held, PriceKey, Word
from model_assets.identity.link import Link
from model_assets.ledger.derived import is_current, keep_inputs, replace_differing
from model_assets.sources.base import as_json

NAME = "ops.held_change"
#: what a source says of a price that it does not name any more
GONE = "gone"
#: what is served before there is a good value
UNKNOWN = "unknown"
COLUMNS = (
    "held_id", "source", "key_id", "digest", "changed_at", *PriceKey._fields, "kind", "from_state", "from_amount", "to_state", "to_amount",
    "reasons", "evidence", "held", "outcome", "ended_by", "ended_why",
)  # fmt: skip
WORDS = "select source, key_id, digest, changed_at, verdict, decided_at, decided_by, why from ops.held_verdict order by verdict_id"
# an observation that changed no price matters only to what still has to prove itself
MOVED = """
select coalesce((select sum(hashtextextended(key_id || digest::text || seen::text, 0)::numeric) from history.price), 0)::text,
       coalesce((select sum(hashtextextended(key_id || seen::text || offer, 0)::numeric) from history.link), 0)::text,
       case when exists (select from ops.held_change where outcome = 'open')
            then (select max(observed_at) || ' ' || count(*) from ops.observation where verdict = 'accepted') end
"""
# what a source says of a price is no longer what it began to say at changed_at
OVER = """
exists (select from history.price where key_id = held_change.key_id and (lower(seen) > changed_at or upper(seen) > changed_at))
"""
CHANGE = f"select *, {OVER} as over from ops.held_change where held_id = :id"
# an observation may be some minutes ahead of the database's clock: a word on it comes after it all the same
KEEP = """
insert into ops.held_verdict (held_id, source, key_id, digest, changed_at, verdict, why, decided_by, decided_at)
select held_id, source, key_id, digest, changed_at, :verdict, :why, :by, greatest(clock_timestamp(), changed_at + interval '1 microsecond')
from ops.held_change where held_id = :id
"""
LINKS = f"select {', '.join(Link._fields)} from history.link where upper(seen) is null"


class NothingToDecide(ModelAssetsError):
    """A change that is over: its source took it back, or says something else by now."""


def refresh_held(connection: Connection) -> int:
    """Judge every change of the ledger in order of time, and write what is held otherwise than before. Where nothing moved, nothing is read.

    Returns how many rows were written or taken out. In the transaction of `connection`, one process at a time.
    """
    words = [Word(*row) for row in connection.execute(text(WORDS))]
    inputs = _inputs(connection, words)
    if is_current(connection, NAME, inputs):
        return 0
    links = [Link._make(row) for row in connection.execute(text(LINKS))]
    models = {link[:3]: comparable(link) for link in links}
    sellers = {(link.source, link.provider): link.sold_by for link in links}
    replay = Replay(
        words,
        lambda source, provider, listed_id: models.get((source, provider, listed_id)),
        lambda source, provider: sellers.get((source, provider), provider),
    )
    replay.run(ledger_events(connection))
    written = replace_differing(connection, NAME, ("held_id",), COLUMNS, _rows(replay))
    connection.execute(text("analyze ops.held_change, ops.observation"))
    keep_inputs(connection, NAME, _inputs(connection, words))
    return written


def say_word(connection: Connection, held_id: str, verdict: str, *, why: str, by: str) -> Row[tuple[object, ...]]:
    """Keep a person's verdict (see keep_word), and bring what is held up to it. Returns the change as it stands then."""
    refresh_held(connection)  # a day loaded meanwhile may have ended the claim
    keep_word(connection, held_id, verdict, why=why, by=by)
    refresh_held(connection)
    return connection.execute(text("select * from ops.held_change where held_id = :id"), {"id": held_id}).one()


def keep_word(connection: Connection, held_id: str, verdict: str, *, why: str, by: str) -> None:
    """Keep a person's verdict (release or reject) on a held or released change. It counts from the next time that what is held is refreshed.

    Raises ModelAssetsError where no change has that id; NothingToDecide where its source does not say that any more.
    """
    found = connection.execute(text(CHANGE), {"id": held_id}).one_or_none()
    if found is None:
        raise ModelAssetsError(f"no held change has the id {held_id!r}. `model-assets held --all` lists them.")
    if found.over or found.outcome == "withdrawn":
        what = f"{found.provider}/{found.listed_id}, {found.meter} {' -> '.join(before_and_after(found._asdict()))}"
        ended = found.ended_why if found.outcome == "withdrawn" else f"{found.source} does not say that any more"
        raise NothingToDecide(
            f"{held_id} ({found.source}: {what}) is over: {ended}. "
            "There is nothing left to decide; `model-assets held` lists what is held now."
        )
    connection.execute(text(KEEP), {"id": held_id, "verdict": verdict, "why": why, "by": by})


def before_and_after(change: Mapping[str, Any]) -> tuple[str, str]:
    """The last good value and the new one of a held change: the amount, or the state where there is none."""
    return _amount_or_state(change["from_amount"], change["from_state"]), _amount_or_state(change["to_amount"], change["to_state"])


def _amount_or_state(amount: Decimal | str | None, state: str) -> str:
    return state if amount is None else f"{Decimal(amount):f}"


def rules_version() -> str:
    """A digest of the rules: with other ones, every change is judged anew."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _inputs(connection: Connection, words: list[Word]) -> str:
    moved = connection.execute(text(MOVED)).one()
    return hashlib.sha256(as_json([rules_version(), [list(word) for word in words], list(moved)]).encode()).hexdigest()


def _rows(replay: Replay) -> Iterator[tuple[object, ...]]:
    for one in replay.helds:
        yield (
            one.held_id, one.source, one.key_id, one.digest or b"", one.changed_at, *one.key, _kind(one), one.from_state or UNKNOWN, one.from_amount,
            one.to_state or GONE, one.to_amount, as_json(list(one.reasons)), as_json(dict(one.evidence)), _held(one), one.outcome,
            one.ended_by or None, one.ended_why or None,
        )  # fmt: skip


def _kind(one: Held) -> str:
    """A first price that others contradict a hundred-fold is judged by what follows it, and served as unknown until somebody confirms it."""
    return "held" if one.from_state in (None, UNKNOWN) and one.evidence.get("kinds") == ["first price"] else one.kind


def _held(one: Held) -> str:
    """Knowledge time as Postgres writes a range. Only a release ends a hold: what its source took back before was never proven. One that was
    released in the very instant in which it began is kept as an instant.

    One that was rejected after a release is held from its beginning: that it was believed for a while is in no range, since a question about
    that while deserves the value that people stand by."""
    until = one.held_until if one.outcome == "released" else None
    if until is None:
        return f'["{one.held_from.isoformat()}",)'
    return f'["{one.held_from.isoformat()}","{until.isoformat()}"{"]" if until <= one.held_from else ")"}'


def held(connection: Connection, *, everything: bool, limit: int, since: datetime | None = None) -> list[dict[str, object]]:
    """The changes that are held or marked now; with `everything` those of the past as well, newest first."""
    rows = connection.execute(
        text(
            "select held_change.*, link.model, link.sold_by from ops.held_change"
            " left join history.link using (source, provider, listed_id)"
            " where (link.seen is null or upper(link.seen) is null)"
            f" and (:everything or outcome = 'open' or outcome = 'rejected' and not {OVER})"
            " and (cast(:since as timestamptz) is null or changed_at >= :since)"
            " order by changed_at desc, source, held_change.provider, held_change.listed_id, meter limit :limit"
        ),
        {"everything": everything, "since": since, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]
