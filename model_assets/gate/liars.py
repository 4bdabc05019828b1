"""Sources with mistakes that last: what they say at each look, and which mistakes begin with it."""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from random import Random

from model_assets.gate import inject
from model_assets.gate.inject import CLASSES, Claim, Truth, Wrong
from model_assets.gate.types import Event, PriceKey, Said

#: one at every third daily look, said for a fortnight
EVERY, FOR = 3, timedelta(days=14)
FLAPPING_LISTINGS = 8


class Liar(ABC):
    """Turns what a source says into what it says with mistakes that last."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lies: dict[PriceKey, Claim] = {}

    def spoil(self, event: Event, claims: dict[PriceKey, Claim], truth: Truth | None) -> tuple[list[Said], Wrong]:
        """(what is said now, the mistakes that begin with it). `truth` is given at daily looks only."""
        before = dict(self.lies)
        fresh = self.tell(event.at, truth)
        said = {one.key: one for one in event.said}
        for key in before.keys() | self.lies.keys():
            if key not in claims:
                self.lies.pop(key, None)
                fresh.pop(key, None)
            elif key in self.lies and self.lies[key] == before.get(key):
                said.pop(key, None)
            else:
                said[key] = Said(key, *self.lies.get(key, claims[key]))
        return list(said.values()), fresh

    @abstractmethod
    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""


class Lasting(Liar):
    """At every third daily look a mistake of one class, said for a fortnight."""

    def __init__(self, random: Random, name: str) -> None:
        super().__init__(random)
        self.make = CLASSES[name]
        self.looks = 0
        self.ends: dict[PriceKey, datetime] = {}

    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""
        for key in [key for key, end in self.ends.items() if end <= at]:
            self.lies.pop(key, None)
            del self.ends[key]
        if truth is None:
            return {}
        self.looks += 1
        if self.looks % EVERY:
            return {}
        made = inject.effective(truth, self.make(truth, self.random))
        fresh = {key: claim for key, claim in made.items() if key not in self.lies}
        self.lies |= fresh
        self.ends |= dict.fromkeys(fresh, at + FOR)
        return fresh


class Flapping(Liar):
    """A few listings that say another price at every second daily look, and the true one in between."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.others: Wrong = {}

    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""
        if truth is None or self.lies:
            self.lies = {}
            return {}
        if not self.others:
            for _ in range(FLAPPING_LISTINGS):
                self.others |= inject.another_price(truth, self.random)
        self.lies = inject.effective(truth, {key: claim for key, claim in self.others.items() if key in truth.claims})
        return dict(self.lies)
