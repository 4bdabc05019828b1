"""A small world for the gate: sources that say what a test makes them say, day by day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from model_assets.gate.events import Claims, difference
from model_assets.gate.memory import ModelOf, simple_model
from model_assets.gate.replay import Replay
from model_assets.gate.types import Event, Held, PriceKey, Verdict, Word

#: what a listing asks: input and output, or all its meters; "0" is free, "?" unknown
Asked = tuple[str, str] | dict[str, str]


def day(number: float) -> datetime:
    """Midnight of a day of January 2026."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number - 1)


def claims(listings: dict[str, Asked]) -> Claims:
    """The claims of a list, `provider/id` -> what it asks."""
    said: Claims = {}
    for listing, asked in listings.items():
        provider, _, listed_id = listing.partition("/")
        meters = asked if isinstance(asked, dict) else dict(zip(("input", "output"), asked, strict=True))
        for meter, amount in meters.items():
            key = PriceKey(provider, listed_id, meter)
            if amount == "?":
                said[key] = ("unknown", None, None)
            else:
                said[key] = ("paid" if Decimal(amount) else "free", Decimal(amount), None)
    return said


class World:
    """Sources seen in order of time, and the gate that looks on."""

    def __init__(self, words: list[Word] | None = None, model_of: ModelOf = simple_model) -> None:
        self.replay = Replay(words or (), model_of)
        self.said: dict[str, Claims] = {}
        self.events: list[Event] = []

    def look(self, number: float, listings: dict[str, Asked], source: str = "feed") -> dict[str, Verdict]:
        """The source says just this on a day. The verdicts on what changed, by `provider/id meter`."""
        now = claims(listings)
        event = Event(source, day(number), difference(self.said.get(source, {}), now))
        self.said[source] = now
        self.events.append(event)
        return {f"{one.change.key.provider}/{one.change.key.listed_id} {one.change.key.meter}": one for one in self.replay.step(event)}

    @property
    def helds(self) -> list[Held]:
        """All that was held or marked so far."""
        return self.replay.helds

    def good(self, listing: str, meter: str = "input", source: str = "feed") -> str | None:
        """What is served of a price: its amount as text, its state where it has none, null where there is nothing."""
        provider, _, listed_id = listing.partition("/")
        found = self.replay.memory.good[source].get(PriceKey(provider, listed_id, meter))
        return found and (found[0] if found[1] is None else str(found[1]))


def outcomes(verdicts: dict[str, Verdict]) -> dict[str, str]:
    """The verdicts as words."""
    return {what: one.outcome for what, one in verdicts.items()}
