"""The judgement of changed prices: pass, hold, or mark as unconfirmed. Pure: the same change set and memory, the same verdicts.

Each kind of doubt has a weight between 0 and 1; two doubts weigh more than either. Then what speaks for the change is weighed: another source
says the same, the same model moved alike elsewhere, or the price comes to where others are. At one half and above a change is held.
No rule knows the name of a provider, a model or a day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import inf, log10
from statistics import median
from typing import NamedTuple

from model_assets.gate import patterns
from model_assets.gate.memory import Memory
from model_assets.gate.patterns import Patterns, from_value, hundredths, is_number, to_value
from model_assets.gate.types import Change, Outcome, Verdict

THRESHOLD = 0.5


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

#: doubts that the prices of others can explain
EXPLAINED_BY_OTHERS = frozenset({"power of ten", "large", "currency", "swapped"})
SLIPS = frozenset({"power of ten", "currency"})
#: doubts about the whole list
ABOUT_THE_LIST = frozenset({"shifted", "stale"})

#: a ratio that no other evidence explains is doubtful at twenty-fold
LARGE = log10(20)
ALONE = log10(5)
GROSS = log10(30)
NEAR = log10(1.6)
NEARER_THAN_BEFORE = log10(3)
#: yuan and dollars: what one was in the other in the last years
YUAN = (6.3, 7.6)
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


def judge(changes: Sequence[Change], memory: Memory, at: datetime) -> list[Verdict]:
    """A verdict on each change of one observation of one source, which the memory has not observed yet. In the order of the changes."""
    seen = patterns.find(changes, memory, at)
    return [_judge_one(change, memory, seen) for change in changes]


def _judge_one(change: Change, memory: Memory, seen: Patterns) -> Verdict:
    case = Case(change, memory, seen)
    if change.to_state is None:
        return _judge_closed(case)
    if change.key.effective_from is not None:
        return Verdict(change, "pass", evidence={"kind": "dated"})
    if from_value(change) is None and to_value(change) is not None:
        return _judge_opened(case)
    if not is_number(change):
        return Verdict(change, "pass")  # a price that is unknown now is served as unknown, which is not 0
    case.siblings = memory.siblings(change.source, change.key, seen.at)
    if not case.before:
        return _judge_first_price(case)
    return _judge_number(case)


def _judge_closed(case: Case) -> Verdict:
    """A price that is gone: held only where too many listings are gone at once for it to be news about each."""
    if case.listing not in case.seen.gone:
        return Verdict(case.change, "pass")
    gone, known = len(case.seen.gone), case.seen.listings
    sentence = f"{gone} of {known} listings of {case.change.source} are gone at once; a part of the list may have been lost on the way"
    return Verdict(case.change, "hold", 0.8, (sentence,), {"kinds": ["gone"], "gone": gone, "of": known}, *WITH_MANY)


def _judge_opened(case: Case) -> Verdict:
    """A first price has no last good value to go on with: it is marked where others contradict it a hundred-fold."""
    change = case.change
    if not case.after:
        return Verdict(change, "pass")
    case.siblings = case.memory.siblings(change.source, change.key, case.seen.at)
    distance = case.distance(case.after)
    if distance is None or distance < 2 or _confirmed(case):
        return Verdict(change, "pass")
    sentence = f"its first price, {change.to_amount}, is {_times(distance)} from what others ask for the model ({_others(case)})"
    return Verdict(change, "mark", 0.9, (sentence,), _evidence(case, ["first price"]), *UNTIL_CONFIRMED)


def _judge_first_price(case: Case) -> Verdict:
    """0 to a price: to go on saying "free" would mislead, so it is served as unconfirmed."""
    change = case.change
    was = "included in a plan" if change.from_state == "included" else "free"
    sentence = f"it was {was} and now costs {change.to_amount} {change.key.currency}"
    distance = case.distance(case.after)
    patience = PATIENCE
    if distance is not None and distance >= 2:
        sentence += f", {_times(distance)} from what others ask ({_others(case)})"
        patience = UNTIL_CONFIRMED
    if _confirmed(case):
        return Verdict(change, "pass", evidence=_evidence(case, ["begins to charge"]))
    return Verdict(change, "mark", 0.5, (sentence,), _evidence(case, ["begins to charge"]), *patience)


def _judge_number(case: Case) -> Verdict:
    doubts = [doubt for find in DOUBTS if (doubt := find(case))]
    if not doubts:
        return Verdict(case.change, "pass")
    against = 1.0
    for doubt in doubts:
        against *= 1 - doubt.weight
    support, favour = _support(case, {doubt.kind for doubt in doubts})
    score = round((1 - against) * support, 4)
    outcome: Outcome = "hold" if score >= THRESHOLD else "pass"
    reasons = tuple(doubt.sentence for doubt in sorted(doubts, key=lambda doubt: -doubt.weight)) + favour
    evidence = _evidence(case, [doubt.kind for doubt in doubts])
    return Verdict(case.change, outcome, score, reasons, evidence, *_patience(case, doubts))


def _patience(case: Case, doubts: Sequence[Doubt]) -> Patience:
    """How long the value must be said until it counts as proven: longer where it left what all others ask as by a slip, longest where by far."""
    patience = max(doubt.patience for doubt in doubts)
    far, was = case.distance(case.after), case.distance(case.before)
    if far is None or was is None or was >= far:
        return patience
    if far >= GROSS:
        return WHERE_CONTRADICTED
    like_a_slip = any(doubt.kind in SLIPS for doubt in doubts)
    return max(patience, WHERE_ALONE) if like_a_slip and far >= ALONE and was <= NEAR and len(case.siblings) >= MANY else patience


def _support(case: Case, kinds: set[str]) -> tuple[float, tuple[str, ...]]:
    """What is left of the doubts (0 to 1) after what speaks for the change, and that in sentences."""
    if kinds & ABOUT_THE_LIST:
        return 1.0, ()  # neighbours in a list, and old and new prices, are often equal: that another source says it too proves little
    if sources := _confirmed(case):
        return 0.2, (f"{' and '.join(sources)} says the same",)
    if not kinds <= EXPLAINED_BY_OTHERS:
        return 1.0, ()
    if count := moved_alike(case.change, case.memory, case.seen, about=kinds == {"large"}):
        return 0.5, (f"the same model moved alike at {count} other places",)
    if _comes_near(case):
        return 0.5, (f"it comes to what others ask ({_others(case)})",)
    return 1.0, ()


def _comes_near(case: Case) -> bool:
    """Whether it comes from afar to what others ask: near enough to be told from a slip the other way."""
    new, old = case.distance(case.after), case.distance(case.before)
    if new is None or old is None:
        return False
    return (new <= NEAR and old - new >= NEAR) or (new <= NEARER_THAN_BEFORE and old >= GROSS)


def moved_alike(change: Change, memory: Memory, seen: Patterns, *, about: bool = False) -> int:
    """At how many other places the model moved by the same ratio (or `about`: the same way, half to twice as far) lately, or in the same
    change set; 0 where at too few to mean anything.

    A hundred-fold move is never explained so: an error in what a source keeps once for many providers moves all of them.
    """
    before, after = from_value(change), to_value(change)
    if not before or not after or abs(ratio := log10(after / before)) >= 2:
        return 0
    topic = memory.topic(change.source, change.key)
    here = seen.together.get((topic, hundredths(before, after)), set()) - {change.key.provider}
    places = memory.moves(change.source, change.key, ratio, seen.at, about=about) | {(change.source, provider) for provider in here}
    return len(places) if len(places) >= FEW else 0


def _confirmed(case: Case) -> list[str]:
    return case.memory.confirmations(case.change.source, case.change.key, case.change.to_amount, case.seen.at)


def _fell_to_zero(case: Case) -> Doubt | None:
    if case.after or not case.before or case.change.key.listed_id.endswith(":free"):
        return None
    provider = case.change.key.provider
    fallen, priced = case.seen.zeroed[provider]
    if case.seen.zeroed_in_all < MANY:
        fits = provider in case.seen.mostly_free or case.change.to_state == "included"
        said = f"it fell from {case.before} to 0"
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
    return Doubt("power of ten", weight, f"{case.before} was {verb} by exactly {10**power:,}; {slip}", patience)


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
        said, size = f"away from what others ask ({_others(case)})", size * 1.1
    else:
        said, size = f"towards what others ask ({_others(case)})", size - 0.7 * (old - new)
    weight = min(0.95, size / LARGE * 0.5)
    if weight < 0.25:
        return None
    return Doubt("large", weight, f"it went from {case.before} to {case.after}, {_times(abs(ratio))}, {said}")


def _yuan(case: Case) -> Doubt | None:
    """All prices of a listing times or divided by what a yuan is in dollars."""
    ratio = case.ratio
    if ratio is None or not YUAN[0] <= 10 ** abs(ratio) <= YUAN[1]:
        return None
    ratios = [log10(after / before) for one in case.own if (before := from_value(one)) and (after := to_value(one))]
    paid = sum(
        key.effective_from is None and bool((good := case.memory.good[case.change.source].get(key)) and good[1])
        for key in case.memory.listings(case.change.source).get(case.listing, ())
    )
    if len(ratios) < paid or max(ratios) - min(ratios) > 0.01:
        return None
    moved = "multiplied" if ratio > 0 else "divided"
    sentence = f"all {len(ratios)} prices of the listing were {moved} by {10 ** abs(ratio):.3g}, as yuan stand to dollars"
    return Doubt("currency", 0.65, sentence)


def _swapped(case: Case) -> Doubt | None:
    """Input and output changed places."""
    change = case.change
    other = {"input": "output", "output": "input"}.get(change.key.meter)
    partner = next((one for one in case.own if one.key == change.key._replace(meter=other or "")), None)
    if partner is None or from_value(partner) != case.after or to_value(partner) != case.before:
        return None
    order = "input now costs more than output" if (case.after > case.before) == (change.key.meter == "input") else "they may be mistaken"
    return Doubt("swapped", 0.8, f"the prices of input and output changed places ({case.before} and {case.after}); {order}")


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
    now = len(case.memory.looks[case.change.source]) + 1
    if len(runs) < 3 or runs[-2].amount != case.change.to_amount or runs[-3].amount != runs[-1].amount:
        return None
    if now - runs[-1].number > FEW or runs[-1].number - runs[-2].number > FEW or case.ratio is None or abs(case.ratio) < log10(1.15):
        return None
    return Doubt(
        "flapping", 0.7, f"it went from {case.before} to {case.after} and back within {now - runs[-2].number} looks, and does so again"
    )


DOUBTS: tuple[Callable[[Case], Doubt | None], ...] = (_fell_to_zero, _power_of_ten, _large, _yuan, _swapped, _shifted, _stale, _flapping)


def _times(distance: float) -> str:
    """`1,000 times` of 3.0."""
    times = 10**distance
    return f"{times:,.0f} times" if times >= 10 else f"{times:.3g} times"


def _others(case: Case) -> str:
    """What others ask, in words."""
    middle = 10 ** median(case.siblings.values())
    return f"{len(case.siblings)} others, in the middle {middle:.4g}"


def _evidence(case: Case, kinds: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {"kinds": list(kinds), "others": len(case.siblings)}
    if case.siblings:
        found["others_median"] = float(f"{10 ** median(case.siblings.values()):.6g}")
    if case.ratio is not None:
        found["ratio"] = float(f"{10**case.ratio:.6g}")
    return found
