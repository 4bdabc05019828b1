"""Why a price is served: from the number back to the bytes of the payload that said so."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain
from model_assets.answers.prices import SERVED, in_words
from model_assets.errors import BadPayload, ModelAssetsError
from model_assets.ledger.claims import PRICE, key_id
from model_assets.ledger.observations import body_of
from model_assets.sources import SOURCES
from model_assets.sources.base import as_json

CLAIM_OF = "select * from history.price where key_id = :key_id and seen @> least(cast(:at as timestamptz), cast(:known as timestamptz))"
LAST_CLAIM_OF = "select * from history.price where key_id = :key_id order by lower(seen) desc limit 1"
RIVALS = """
select source, provider, listed_id, state, amount, currency, seen_since, held
from catalog.listing_price_as_of(cast(:at as timestamptz), cast(:known as timestamptz), cast(:ids as text[])) as claim
join history.link as link using (source, provider, listed_id)
where link.seen @> cast(:at as timestamptz) and link.offer = :offer and claim.meter = :meter and claim.service_tier = :service_tier
  and claim.prompt_above_tokens = :prompt_above_tokens and claim.time_window is not distinct from :time_window
  and claim.detail is not distinct from :detail and claim.currency = :currency
  and coalesce(claim.region, nullif(link.region, '')) is not distinct from :region
order by source, provider, listed_id
"""


def why(connection: Connection, price_id: str, as_of: datetime | None = None, known_at: datetime | None = None) -> Answer:
    """All that stands behind a price: what is served and by which rule, every source's claim, the link, the gate's verdicts, the observation,
    and the payload, hashed and read again. `price_id` is the id that `price` shows, or its beginning.

    Raises ModelAssetsError where no price has that id, or several do.
    """
    at, known = as_of or datetime.now(UTC), known_at or datetime.now(UTC)
    key = _key(connection, price_id)
    claim = _claim(connection, key, at, known)
    listed = {name: claim[name] for name in ("source", "provider", "listed_id")}
    link = connection.execute(
        text("select * from history.link where source = :source and provider = :provider and listed_id = :listed_id and seen @> cast(:at as timestamptz)"),
        {**listed, "at": at},
    ).mappings().one_or_none()  # fmt: skip
    offer = link["offer"] if link else f"{claim['provider']}:?{claim['listed_id']}"
    ids = [
        claim["listed_id"],
        *connection.scalars(text("select distinct listed_id from history.link where offer = :offer"), {"offer": offer}),
    ]
    same = {name: claim[name] or None for name in ("time_window", "detail")}
    same |= {name: claim[name] for name in ("meter", "service_tier", "prompt_above_tokens", "currency")}
    same["region"] = claim["region"] or (link["region"] if link else "") or None
    served = connection.execute(
        text(SERVED.format(condition="served.offer = :offer and served.service_tier = :service_tier and served.prompt_above_tokens = :prompt_above_tokens"
             " and served.time_window is not distinct from :time_window and served.detail is not distinct from :detail"
             " and served.currency = :currency and served.region is not distinct from :region")),
        {**same, "ids": ids, "offer": offer, "at": at, "known": known, "links": None, "sellers": None},
    ).mappings().first()  # fmt: skip
    rivals = connection.execute(text(RIVALS), {**same, "ids": ids, "offer": offer, "at": at, "known": known}).mappings().all()
    return {
        "price_id": f"{key & (2**64 - 1):016x}",
        "served": _said(served) if served else None,
        "claim": plain({name: value for name, value in claim.items() if name not in ("digest", "seen")})
        | {
            "key_id": str(claim["key_id"]),
            "seen_since": plain({"at": claim["seen"].lower})["at"],
            "seen_until": plain({"at": claim["seen"].upper})["at"],
        },
        "link": _link(link),
        "claims": [plain(dict(row)) for row in rivals],
        "gate": [_doubt(row) for row in _doubts(connection, key)],
        "payload": _payload(connection, claim),
    }


def payload_bytes(connection: Connection, price_id: str, as_of: datetime | None = None, known_at: datetime | None = None) -> bytes:
    """The exact bytes of the payload that first said what is claimed then. Raises ModelAssetsError as `why` does."""
    claim = _claim(connection, _key(connection, price_id), as_of or datetime.now(UTC), known_at or datetime.now(UTC))
    return body_of(connection, _observation(connection, claim)["sha256"])


def _claim(connection: Connection, key: int, at: datetime, known: datetime) -> Any:
    """What was claimed of a price at an instant; where it was not claimed then (it states its dates, or is gone), what was claimed last."""
    then = connection.execute(text(CLAIM_OF), {"key_id": key, "at": at, "known": known}).mappings().one_or_none()
    return then or connection.execute(text(LAST_CLAIM_OF), {"key_id": key}).mappings().one()


def _key(connection: Connection, price_id: str) -> int:
    """The key of the claim whose id begins so."""
    asked = price_id.lower().removeprefix("0x")
    if not 6 <= len(asked) <= 16 or set(asked) - set("0123456789abcdef"):
        raise ModelAssetsError(
            f"{price_id!r} is no id of a price. `model-assets price MODEL` shows the ids: 16 hexadecimal digits, of which the first 6 may do."
        )
    found = connection.execute(
        text(
            "select distinct key_id, provider, listed_id, meter from history.price where lpad(to_hex(key_id), 16, '0') like :begin || '%' limit 4"
        ),
        {"begin": asked},
    ).all()
    if not found:
        raise ModelAssetsError(f"no price has an id that begins with {price_id!r}. `model-assets price MODEL` shows the ids.")
    if len(found) > 1:
        several = ", ".join(f"{row.provider}/{row.listed_id} {row.meter}" for row in found)
        raise ModelAssetsError(f"several prices have an id that begins with {price_id!r}: {several}. Give more digits.")
    return int(found[0].key_id)


def _said(row: Any) -> Answer:
    found = plain(dict(row))
    return found | {"served": in_words(found)}


def _link(row: Any) -> Answer | None:
    if row is None:
        return None
    shown = (
        "model",
        "sold_by",
        "snapshot",
        "alias",
        "variant",
        "build",
        "region",
        "derivative_of",
        "offer",
        "rule",
        "confidence",
        "evidence",
    )
    return plain({name: row[name] for name in shown})


def _doubts(connection: Connection, key: int) -> Any:
    return connection.execute(
        text(
            "select held_id, kind, changed_at, from_state, from_amount, to_state, to_amount, reasons, outcome, ended_by, ended_why,"
            " lower(held) as held_from, upper(held) as held_until from ops.held_change where key_id = :key order by changed_at"
        ),
        {"key": key},
    ).mappings()


def _doubt(row: Any) -> Answer:
    return plain(dict(row))


def _observation(connection: Connection, claim: Any) -> Any:
    return connection.execute(
        text(
            "select observed_at, sha256, url, status, origin, recorded_at, bytes from ops.observation"
            " join raw.payload using (source, observed_at, sha256) join raw.body using (sha256)"
            " where source = :source and observed_at = :at and verdict = 'accepted' limit 1"
        ),
        {"source": claim["source"], "at": claim["seen"].lower},
    ).mappings().one()  # fmt: skip


def _payload(connection: Connection, claim: Any) -> Answer:
    """The payload of the claim's first observation: its hash computed again, its entry shown, its price read again."""
    found = _observation(connection, claim)
    body = body_of(connection, found["sha256"])
    shown = plain({name: found[name] for name in ("observed_at", "url", "status", "origin", "bytes")})
    shown |= {"sha256": found["sha256"].hex(), "hash_is_right": sha256(body).digest() == found["sha256"]}
    return shown | _read_again(claim, body)


def _read_again(claim: Any, body: bytes) -> Answer:
    source = SOURCES.get(claim["source"])
    if source is None:
        return {"entry": None, "read_again": f"{claim['source']} is no source of this version"}
    try:
        decoded = source.decode(body)
        prices = source.parse(decoded).prices
    except BadPayload as error:
        return {"entry": None, "read_again": f"not readable by this version: {error}"}
    row = next((one for one in prices if key_id(source.name, PRICE, one) == claim["key_id"]), None)
    found = source.locate(decoded, claim["provider"], claim["listed_id"])
    same = row is not None and (row.state, row.amount) == (claim["state"], claim["amount"])
    said = "the same" if same else "not there" if row is None else as_json({"state": row.state, "amount": row.amount})
    where, entry = found or (None, None)
    return {"where": where, "entry": as_json(entry) if entry is not None else None, "read_again": said}
