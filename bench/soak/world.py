"""What exists and what it costs in the simulated world, day by day. The same seed makes the same world."""

import random
from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal

PROVIDERS = ("openai", "anthropic", "mistral", "deepseek")
STEMS = ("orion", "vega", "lyra", "altair")
QUIET_DAYS = 0.15  # of all days: nothing changes
CHANGED = 0.01  # of the prices, on other days
SWINGS = 0.04  # of all days: a price goes up twentyfold, and stays
COME_AND_GO = 0.002  # of the models, each
SWING = 20


@dataclass(frozen=True)
class Model:
    """One model of the world. Prices in USD per million tokens; `revision` counts what was published under its name."""

    number: int
    provider: str
    name: str
    input: Decimal
    output: Decimal
    context: int
    score: Decimal
    revision: int = 1


@dataclass
class World:
    """The models, by number, on the day that `step` was called for last."""

    seed: int
    per_provider: int

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.seed} begins")
        self.models = {number: _born(number, chance) for number in range(4 * self.per_provider)}
        self._next = len(self.models)
        self.swung: list[Model] = []
        self.news: deque[tuple[int, str]] = deque(maxlen=30)
        self.news.extend((-count, f"{model.name} is here") for count, model in enumerate([*self.models.values()][:10]))

    def step(self, day: int) -> None:
        """Go on to a day."""
        chance = random.Random(f"{self.seed} day {day}")
        self.swung = []
        if chance.random() < QUIET_DAYS:
            return
        for number, model in [*self.models.items()]:
            if chance.random() < CHANGED:
                factor = Decimal(chance.choice(("0.80", "0.90", "1.10", "1.25")))
                self.models[number] = replace(model, input=_cents(model.input * factor), output=_cents(model.output * factor))
            if chance.random() < CHANGED:
                self.models[number] = replace(self.models[number], revision=model.revision + 1, score=model.score + Decimal("0.1"))
        for _ in range(_whole(COME_AND_GO * len(self.models), chance)):
            del self.models[chance.choice([*self.models])]
        for _ in range(_whole(COME_AND_GO * 4 * self.per_provider, chance)):
            self.models[self._next] = _born(self._next, chance)
            self.news.append((day, f"{self.models[self._next].name} is here"))
            self._next += 1
        if chance.random() < SWINGS:
            number = chance.choice([*self.models])
            swung = replace(self.models[number], input=self.models[number].input * SWING, output=self.models[number].output * SWING)
            self.models[number] = swung
            self.swung = [swung]


def _born(number: int, chance: random.Random) -> Model:
    cost = Decimal(chance.randint(10, 300)) / 100
    return Model(
        number, PROVIDERS[number % 4], f"{STEMS[number % 4]}-{number // 4 + 100}", cost, cost * 4, chance.choice((32, 128, 200)) * 1000,
        Decimal(chance.randint(200, 900)) / 10,
    )  # fmt: skip


def _cents(amount: Decimal) -> Decimal:
    return max(amount.quantize(Decimal("0.01")), Decimal("0.01"))


def _whole(expected: float, chance: random.Random) -> int:
    """A whole number whose mean is `expected`."""
    return int(expected) + (chance.random() < expected % 1)
