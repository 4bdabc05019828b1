"""The words of the gate on changes: what was said, what changed, how it was judged, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal, NamedTuple

from model_assets.ledger.claims import PRICE, key_id
from model_assets.ledger.observations import instant_text

Outcome = Literal["pass", "hold", "mark"]


class PriceKey(NamedTuple):
    """The key of a price claim within its source: the key columns of `history.price`."""

    provider: str
    listed_id: str
    meter: str = "input"
    service_tier: str = "standard"
    prompt_above_tokens: int = 0
    time_window: str = ""
    region: str = ""
    detail: str = ""
    currency: str = "USD"
    effective_from: datetime | None = None


class Listed(NamedTuple):
    """A listing of one source: what identity resolves to a model."""

    source: str
    provider: str
    listed_id: str


class Said(NamedTuple):
    """What a source says of one price from an instant on. A null `state` says that it stopped saying anything: the claim closed."""

    key: PriceKey
    state: str | None
    amount: Decimal | None
    effective_to: datetime | None = None
    digest: bytes = b""


class Event(NamedTuple):
    """An accepted observation: what differs from what the source said before. Without any difference it still says that all holds on."""

    source: str
    at: datetime
    said: list[Said]


class Change(NamedTuple):
    """A price that a source says otherwise than the last good value. A null state is an absent claim."""

    source: str
    key: PriceKey
    from_state: str | None
    from_amount: Decimal | None
    to_state: str | None
    to_amount: Decimal | None


@dataclass(frozen=True)
class Verdict:
    """How one change was judged. `score` is 0 to 1, how much speaks for a mistake; at 0.5 and above a change is held (or marked).

    `patience_hours` is how long a held value must go on being said until it counts as proven, `patience_looks` at how many more looks.
    """

    change: Change
    outcome: Outcome
    score: float = 0.0
    reasons: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)
    patience_hours: float = 0.0
    patience_looks: int = 0


class Word(NamedTuple):
    """A person's verdict on the claim of a key that a source began to make at `changed_at`."""

    source: str
    key_id: int
    digest: bytes
    changed_at: datetime
    verdict: Literal["release", "reject"]
    decided_at: datetime
    decided_by: str
    why: str


@dataclass
class Held:
    """A change that was held (the last good value goes on being served) or marked (served as unconfirmed), and how that ended.

    `held_from` and `held_until` are knowledge time; `held_until` is null while it is in force. `digest` is that of the claim, as in
    `history.price`; empty where the claim closed (`to_state` null) or where events come without digests.
    """

    source: str
    key: PriceKey
    changed_at: datetime
    kind: Literal["held", "marked"]
    from_state: str | None
    from_amount: Decimal | None
    to_state: str | None
    to_amount: Decimal | None
    reasons: tuple[str, ...]
    evidence: Mapping[str, object]
    score: float
    patience_hours: float
    patience_looks: int
    held_until: datetime | None = None
    outcome: Literal["open", "released", "rejected", "withdrawn"] = "open"
    ended_by: str = ""
    ended_why: str = ""
    digest: bytes = b""
    seen_again: int = 0

    @property
    def held_from(self) -> datetime:
        """The instant from which it was held: that of the observation that brought it."""
        return self.changed_at

    @property
    def key_id(self) -> int:
        """The integer key of the claim, as in `history.price`."""
        return key_id(self.source, PRICE, self.key)

    @property
    def held_id(self) -> str:
        """A short name for it, the same whenever it is computed: of source, key, claim and instant."""
        named = f"{self.source} {self.key_id} {self.to_state} {self.to_amount} {instant_text(self.changed_at)}"
        return sha256(named.encode()).hexdigest()[:12]
