"""What can speak against a change: one function for each kind of doubt, which finds it or nothing.

A weight is 0 to 1; its size was chosen by the curve that the bench prints. A sentence says what was found, with the numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from math import inf, log10
from statistics import median
from typing import NamedTuple

from model_assets.gate.memory import PLAIN, Memory
from model_assets.gate.patterns import Patterns, from_value, to_value
from model_assets.gate.types import Change


class Patience(NamedTuple):
    """How long a doubtful value must go on being said until it counts as proven: in hours, and at how many more looks at its source."""

    hours: float
    looks: int


#: two more looks over nearly two days (a daily look may come a few hours early)
PATIENCE = Patience(44.0, 2)
#: a doubt about many listings at once: a look more
WITH_MANY = Patience(44.0, 3)
#: a price that left what all others ask, five-fold or more, by the ratio of a usual slip
WHERE_ALONE = Patience(7 * 24.0 - 4, 3)
#: what others contradict thirty-fold, or moved a thousand-fold, is a person's to decide; but not for ever
WHERE_CONTRADICTED = Patience(30 * 24.0, 3)
#: what is served as unconfirmed, since there is nothing better to serve, may stay so
UNTIL_CONFIRMED = Patience(inf, 0)

#: a ratio that no other evidence explains is doubtful at twenty-fold
LARGE = log10(20)
ALONE = log10(5)
GROSS = log10(30)
NEAR = log10(1.6)
NEARER_THAN_BEFORE = log10(3)
#: yuan and dollars: what one was in the other in the last years
YUAN = (6.3, 7.6)
#: a price that swings by less, or more slowly, is an aggregator's
SWING = log10(1.15)
FLAPS_WITHIN = timedelta(days=14)
FEW = 2
MANY = 3


@dataclass
class Doubt:
    """One thing that speaks against a change: its kind, weight (0 to 1), a sentence, and the patience it asks for."""

    kind: str
    weight: float
    sentence: str
    patience: Patience = PATIENCE


@dataclass
class Case:
    """A change with what is known about it."""

    change: Change
    memory: Memory
    seen: Patterns
    siblings: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def before(self) -> Decimal:
        """The last good number."""
        return from_value(self.change) or Decimal(0)

    @property
    def after(self) -> Decimal:
        """The new number."""
        return to_value(self.change) or Decimal(0)

    @property
    def ratio(self) -> float | None:
        """The logarithm of new to old, to base 10; null where one of them is 0."""
        return log10(self.after / self.before) if self.before and self.after else None

    @property
    def listing(self) -> tuple[str, str]:
        """Provider and listed id."""
        return self.change.key.provider, self.change.key.listed_id

    @property
    def own(self) -> list[Change]:
        """What changed of the same listing."""
        return self.seen.by_listing[self.listing]

    def distance(self, amount: Decimal) -> float | None:
        """How far an amount is from the median of what others charge, as a logarithm; null where too few are known."""
        if len(self.siblings) < FEW or not amount:
            return None
        return abs(log10(amount) - median(self.siblings.values()))


def times(distance: float) -> str:
    """`1,000 times` of 3.0."""
    times = 10**distance
    return f"{times:,.0f} times" if times >= 10 else f"{times:.3g} times"


def others(case: Case) -> str:
    """What others ask, in words."""
    middle = 10 ** median(case.siblings.values())
    return f"{len(case.siblings)} others, in the middle {middle:.4g}"


def _fell_to_zero(case: Case) -> Doubt | None:
    if case.after or not case.before or case.change.key.listed_id.endswith(":free"):
        return None
    provider = case.change.key.provider
    fallen, priced = case.seen.zeroed[provider]
    if case.seen.zeroed_in_all < MANY:
        fits = provider in case.seen.mostly_free or case.change.to_state == "included"
        said = f"it fell from {case.before:f} to 0"
        if fits:
            return Doubt("fell to zero", 0.45, f"{said}, as most of what {provider} lists")
        return Doubt("fell to zero", 0.85, f"{said}; a price that is missing is often written as 0")
    sentence = (
        f"prices of {fallen} of {priced} listings of {provider} fell to 0 at once ({case.seen.zeroed_in_all} in the whole change set)"
    )
    return Doubt("fell to zero", 0.95, sentence, WITH_MANY)


def _power_of_ten(case: Case) -> Doubt | None:
    ratio = case.ratio
    if ratio is None or abs(ratio) < 0.9 or abs(ratio - round(ratio)) > 0.0045:
        return None
    power = abs(round(ratio))
    verb = "multiplied" if ratio > 0 else "divided"
    slip = "a decimal point may have slipped" if power < 3 else "units (per token, per thousand, per million) may have been confused"
    weight = 0.7 if power == 1 else 0.85 if power == 2 else 0.97
    patience = WHERE_CONTRADICTED if power >= 3 else PATIENCE
    return Doubt("power of ten", weight, f"{case.before:f} was {verb} by exactly {10**power:,}; {slip}", patience)


def _large(case: Case) -> Doubt | None:
    """A move of a size that needs an explanation. Away from what others ask it weighs more, towards them less; with nobody to ask, more."""
    ratio = case.ratio
    if ratio is None:
        return None
    size = abs(ratio)
    new, old = case.distance(case.after), case.distance(case.before)
    if new is None or old is None:
        said, size = "nobody else is known to sell the model", size * 1.05
    elif new > old:
        said, size = f"away from what others ask ({others(case)})", size * 1.1
    else:
        said, size = f"towards what others ask ({others(case)})", size - 0.7 * (old - new)
    weight = min(0.95, size / LARGE * 0.5)
    if weight < 0.25:
        return None
    return Doubt("large", weight, f"it went from {case.before:f} to {case.after:f}, {times(abs(ratio))}, {said}")


def _yuan(case: Case) -> Doubt | None:
    """What changed of a listing, input and output at least, went times or divided by what a yuan is in dollars."""
    ratio = case.ratio
    if ratio is None or not YUAN[0] <= 10 ** abs(ratio) <= YUAN[1]:
        return None
    numbers = [(one.key, before, after) for one in case.own if (before := from_value(one)) and (after := to_value(one))]
    ratios = [log10(after / before) for _, before, after in numbers]
    plain = {key.meter for key, _, _ in numbers if key[3:] == PLAIN}
    asked = {meter for meter, amount in zip(("input", "output"), case.memory.pair(case.change.source, case.listing), strict=True) if amount}
    if not asked <= plain or max(ratios) - min(ratios) > 0.01:
        return None
    moved = "multiplied" if ratio > 0 else "divided"
    sentence = f"all {len(ratios)} prices that changed of the listing were {moved} by {10 ** abs(ratio):.3g}, as yuan stand to dollars"
    return Doubt("currency", 0.65, sentence)


def _swapped(case: Case) -> Doubt | None:
    """Input and output changed places."""
    change = case.change
    other = {"input": "output", "output": "input"}.get(change.key.meter)
    partner = next((one for one in case.own if one.key == change.key._replace(meter=other or "")), None)
    if partner is None or from_value(partner) != case.after or to_value(partner) != case.before:
        return None
    order = "input now costs more than output" if (case.after > case.before) == (change.key.meter == "input") else "they may be mistaken"
    return Doubt("swapped", 0.8, f"the prices of input and output changed places ({case.before:f} and {case.after:f}); {order}")


def _shifted(case: Case) -> Doubt | None:
    donor = case.seen.shifted.get(case.listing)
    if donor is None:
        return None
    sentence = f"{len(case.seen.shifted)} listings of {donor[0]} changed to prices that another one had until now; here those of {donor[1]}"
    return Doubt("shifted", 0.9, sentence, WITH_MANY)


def _stale(case: Case) -> Doubt | None:
    day = case.seen.stale.get(case.listing)
    if day is None:
        return None
    sentence = f"{len(case.seen.stale)} listings of {case.change.source} went back to their prices of {day:%Y-%m-%d} at once; the list may be an old one"
    return Doubt("stale", 0.75, sentence, WITH_MANY)


def _flapping(case: Case) -> Doubt | None:
    """It left this value for the present one a look or two ago, and had come to it from the present one as lately before."""
    runs = case.memory.ran(case.change.source, case.change.key)
    if len(runs) < 3 or runs[-2].amount != case.change.to_amount or runs[-3].amount != runs[-1].amount:
        return None
    looks = len(case.memory.looks[case.change.source]) + 1 - runs[-2].number
    lately = case.seen.at - runs[-2].since <= FLAPS_WITHIN
    if not lately or looks > 2 * FEW or case.ratio is None or abs(case.ratio) < SWING:
        return None
    sentence = f"it went from {case.before:f} to {case.after:f} and back within {looks} looks, and does so again"
    return Doubt("flapping", 0.7, sentence)


Finder = Callable[[Case], Doubt | None]
DOUBTS: tuple[Finder, ...] = (_fell_to_zero, _power_of_ten, _large, _yuan, _swapped, _shifted, _stale, _flapping)
#: those that need nothing but the two numbers and what others ask
BY_ITSELF: tuple[Finder, ...] = (_power_of_ten, _large)
