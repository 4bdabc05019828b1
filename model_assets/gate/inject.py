"""Mistakes put on purpose into real change sets, one class at a time, at random: to measure how many of them the gate holds."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from random import Random

from model_assets.gate.memory import Memory, value
from model_assets.gate.types import PriceKey

Listing = tuple[str, str]
Claim = tuple[str, Decimal | None]
#: what the source says after its real changes, but for the mistake
Wrong = dict[PriceKey, Claim]

DIGITS = Context(prec=15)
BLOCK = 20
STALE_DAYS = 20
YUAN = Decimal("7.2")


@dataclass(frozen=True)
class Truth:
    """What a source really says at one look, and what it said before: what mistakes are made from."""

    source: str
    at: datetime
    claims: dict[PriceKey, Claim]
    listings: list[Listing]
    by_listing: dict[Listing, list[PriceKey]]
    memory: Memory

    def paid(self, listing: Listing) -> list[PriceKey]:
        """The keys of a listing that cost something."""
        return [key for key in self.by_listing[listing] if self.claims[key][1]]


def truth(source: str, at: datetime, claims: dict[PriceKey, Claim], memory: Memory) -> Truth:
    """The truth of one look; its listings in the order of provider and id."""
    by_listing: dict[Listing, list[PriceKey]] = defaultdict(list)
    for key in claims:
        if key.effective_from is None:
            by_listing[key.provider, key.listed_id].append(key)
    listings = sorted(listing for listing, keys in by_listing.items() if any(claims[key][1] for key in keys))
    return Truth(source, at, claims, listings, by_listing, memory)


def _times(claims: dict[PriceKey, Claim], keys: Sequence[PriceKey], factor: Decimal) -> Wrong:
    return {key: ("paid", DIGITS.multiply(amount, factor)) for key in keys if (amount := claims[key][1])}


def _scaled(real: Truth, random: Random, factors: Sequence[Decimal], *, one_price: bool = False) -> Wrong:
    """All prices of a listing (or, half the time where `one_price`, one of them) times or divided by one of the factors."""
    keys = real.paid(random.choice(real.listings))
    if one_price and random.random() < 0.5:
        keys = [random.choice(keys)]
    factor = random.choice(factors)
    return _times(real.claims, keys, factor if random.random() < 0.5 else 1 / factor)


def unit(real: Truth, random: Random) -> Wrong:
    """Per token, per thousand, per million confused on one listing."""
    return _scaled(real, random, (Decimal(1_000), Decimal(1_000_000)))


def decimal_by_10(real: Truth, random: Random) -> Wrong:
    """A decimal point slipped by one place, on a listing or one of its prices."""
    return _scaled(real, random, (Decimal(10),), one_price=True)


def decimal_by_100(real: Truth, random: Random) -> Wrong:
    """A decimal point slipped by two places, on a listing or one of its prices."""
    return _scaled(real, random, (Decimal(100),), one_price=True)


def currency(real: Truth, random: Random) -> Wrong:
    """Yuan taken for dollars, or the other way round, on one listing."""
    return _scaled(real, random, (YUAN,))


def _zero(real: Truth, keys: Sequence[PriceKey]) -> Wrong:
    """0, as the source spells it for each provider: free, or included in a plan."""
    plans = {key.provider for key, (state, _) in real.claims.items() if state == "included"}
    return {key: ("included", None) if key.provider in plans else ("free", Decimal(0)) for key in keys}


def zero(real: Truth, random: Random) -> Wrong:
    """Input and output become 0 on one listing."""
    keys = real.paid(random.choice(real.listings))
    return _zero(real, [key for key in keys if key.meter in ("input", "output")])


def zeroed_provider(real: Truth, random: Random) -> Wrong:
    """All prices of one provider become 0, or of 5 % of the source's listings."""
    providers = sorted({provider for provider, _ in real.listings})
    if len(providers) > 1 and random.random() < 0.5:
        provider = random.choice(providers)
        chosen = [listing for listing in real.listings if listing[0] == provider]
    else:
        chosen = random.sample(real.listings, max(1, len(real.listings) // 20))
    return _zero(real, [key for listing in chosen for key in real.paid(listing)])


def swapped(real: Truth, random: Random) -> Wrong:
    """Input and output of one listing change places."""
    wrong: Wrong = {}
    for key in real.paid(random.choice(real.listings)):
        other = key._replace(meter={"input": "output", "output": "input"}.get(key.meter, ""))
        if other in real.claims:
            wrong[key] = real.claims[other]
    return wrong


def shifted(real: Truth, random: Random) -> Wrong:
    """A block of 20 listings each get the next one's prices, as far as both have the same meters and conditions."""
    start = random.randrange(max(1, len(real.listings) - BLOCK))
    block = real.listings[start : start + BLOCK + 1]
    wrong: Wrong = {}
    for listing, following in pairwise(block):
        for key in real.paid(listing):
            other = key._replace(provider=following[0], listed_id=following[1])
            if other in real.claims:
                wrong[key] = real.claims[other]
    return wrong


def stale(real: Truth, random: Random) -> Wrong:
    """A tenth of the source's listings go back to their prices of 20 days before."""
    looks = real.memory.looks[real.source]
    day = sum(look <= real.at - timedelta(days=STALE_DAYS) for look in looks)
    wrong: Wrong = {}
    for listing in random.sample(real.listings, max(1, len(real.listings) // 10)):
        for key in real.paid(listing):
            then = real.memory.said_at(real.source, key, day)
            if then and then.state is not None:
                wrong[key] = (then.state, then.amount)
    return wrong


def another_price(real: Truth, random: Random) -> Wrong:
    """All prices of one listing a half to three times as high: the other value of a flapping price."""
    return _times(real.claims, real.paid(random.choice(real.listings)), Decimal(random.choice(("0.5", "0.7", "1.3", "1.5", "2", "3"))))


#: class -> how to make one mistake of it; `flapping` is made of several looks, see `score`
CLASSES: dict[str, Callable[[Truth, Random], Wrong]] = {
    "unit": unit,
    "decimal by 10": decimal_by_10,
    "decimal by 100": decimal_by_100,
    "zero": zero,
    "zeroed provider": zeroed_provider,
    "swapped": swapped,
    "shifted": shifted,
    "currency": currency,
    "stale": stale,
}


def effective(real: Truth, wrong: Wrong) -> Wrong:
    """A mistake without what is no change of a number: what is said truly anyway, or was said just before."""
    kept = {}
    for key, claim in wrong.items():
        good = real.memory.good[real.source].get(key)
        after, before = value(*claim), value(*good) if good else None
        if after is not None and before is not None and after != before and claim != real.claims[key]:
            kept[key] = claim
    return kept
