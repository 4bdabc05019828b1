"""The judgement of changed prices: pass, hold, or mark as unconfirmed. Pure: the same change set and memory, the same verdicts.

Each kind of doubt has a weight between 0 and 1; two doubts weigh more than either. Then what speaks for the change is weighed: another source
says the same, the same model moved alike elsewhere, or the price comes to where others are. At one half and above a change is held.
No rule knows the name of a provider, a model or a day.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from math import log10
from statistics import median

from model_assets.gate import patterns
from model_assets.gate.doubts import (
    ALONE,
    BY_ITSELF,
    DOUBTS,
    FEW,
    GROSS,
    MANY,
    NEAR,
    NEARER_THAN_BEFORE,
    PATIENCE,
    UNTIL_CONFIRMED,
    WHERE_ALONE,
    WHERE_CONTRADICTED,
    WITH_MANY,
    Case,
    Doubt,
    Finder,
    Patience,
    others,
    times,
)
from model_assets.gate.memory import Memory
from model_assets.gate.patterns import Patterns, from_value, hundredths, is_number, to_value
from model_assets.gate.types import Change, Outcome, Verdict

THRESHOLD = 0.5
#: doubts that the prices of others can explain
EXPLAINED_BY_OTHERS = frozenset({"power of ten", "large", "currency", "swapped"})
SLIPS = frozenset({"power of ten", "currency"})
#: doubts about the whole list
ABOUT_THE_LIST = frozenset({"shifted", "stale"})


def judge(changes: Sequence[Change], memory: Memory, at: datetime) -> list[Verdict]:
    """A verdict on each change of one observation of one source, which the memory has not observed yet. In the order of the changes."""
    seen = patterns.find(changes, memory, at)
    return [judge_one(change, memory, seen) for change in changes]


def judge_one(change: Change, memory: Memory, seen: Patterns) -> Verdict:
    """The verdict on one change of a change set, of which the patterns were found before."""
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
    return _judge_number(case, DOUBTS)


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
    if _confirmed(case):
        return Verdict(change, "pass")
    if distance is None or distance < 2:
        return _judge_return(case)
    sentence = f"its first price, {case.after:f}, is {times(distance)} from what others ask for the model ({others(case)})"
    return Verdict(change, "mark", 0.9, (sentence,), _evidence(case, ["first price"]), *UNTIL_CONFIRMED)


def _judge_return(case: Case) -> Verdict:
    """A price that was gone or unknown for a while is marked where it would have been held, had it not been gone."""
    change, at = case.change, case.seen.at
    earlier = case.memory.last_number(change.source, change.key, at)
    if not earlier:
        return Verdict(change, "pass")
    again = Case(change._replace(from_state="paid", from_amount=earlier), case.memory, case.seen, case.siblings)
    verdict = _judge_number(again, BY_ITSELF)
    if verdict.outcome == "pass":
        return Verdict(change, "pass")
    reasons = (f"it cost {earlier:f} when it was last known", *verdict.reasons)
    return replace(verdict, change=change, outcome="mark", reasons=reasons)


def _judge_first_price(case: Case) -> Verdict:
    """0 to a price: to go on saying "free" would mislead, so it is served as unconfirmed."""
    change = case.change
    was = "included in a plan" if change.from_state == "included" else "free"
    sentence = f"it was {was} and now costs {case.after:f} {change.key.currency}"
    distance = case.distance(case.after)
    patience = PATIENCE
    if distance is not None and distance >= 2:
        sentence += f", {times(distance)} from what others ask ({others(case)})"
        patience = UNTIL_CONFIRMED
    if _confirmed(case):
        return Verdict(change, "pass", evidence=_evidence(case, ["begins to charge"]))
    return Verdict(change, "mark", 0.5, (sentence,), _evidence(case, ["begins to charge"]), *patience)


def _judge_number(case: Case, finders: Sequence[Finder]) -> Verdict:
    doubts = [doubt for find in finders if (doubt := find(case))]
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
        return 0.5, (f"it comes to what others ask ({others(case)})",)
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


def _evidence(case: Case, kinds: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {"kinds": list(kinds), "others": len(case.siblings)}
    if case.siblings:
        found["others_median"] = _six_figures(median(case.siblings.values()))
    if case.ratio is not None:
        found["ratio"] = _six_figures(case.ratio)
    return found


def _six_figures(logarithm: float) -> str:
    """A number from its logarithm to base 10, rounded, in plain digits: evidence is kept as JSON, where a number would be a float."""
    return f"{Decimal(f'{10**logarithm:.6g}'):f}"
