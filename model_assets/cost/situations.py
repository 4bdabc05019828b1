"""Situations: what all rows of a log that differ only in their counts are charged as; and the costs of those rows, by multiplication."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from model_assets.cost.evaluate import EXACT
from model_assets.cost.grouping import split
from model_assets.cost.log import NO_COUNT, PROBLEMS, Log
from model_assets.cost.priced import PARTIAL, Missing, Priced
from model_assets.cost.table import Charge

#: with room for the sum of 64 such numbers in 63 bits: there are fewer meters
LARGEST = 2**57


class Situation(NamedTuple):
    """What all rows that differ only in their counts are charged as, by the name of the count; `unpriced` says why none is charged at all.

    Costs are whole numbers of 10 to the minus `digits` of `currency`.
    """

    charges: dict[str, Charge]
    currency: str = ""
    digits: int = 0
    unpriced: str = ""


class Rate(NamedTuple):
    """How each situation charges one of the log's counts: what one costs, whether it has a price, and the flags to raise."""

    name: str
    units: list[int]
    priced: np.ndarray
    flags: np.ndarray


def situation_of(charges: dict[str, Charge], scales: dict[str, int]) -> Situation:
    """The situation in which counts, each multiplied by its scale, are charged so; none is where they are charged in several currencies."""
    rows = [charge.choice.row for charge in charges.values() if charge.choice is not None and charge.choice.row is not None]
    currencies = sorted({row.currency for row in rows})
    if len(currencies) > 1:
        return Situation({}, unpriced=f"its meters are priced in several currencies ({', '.join(currencies)})")
    exponents = [unit.normalize(EXACT).as_tuple().exponent for name, charge in charges.items() if (unit := _unit(charge, scales[name]))]
    return Situation(charges, currencies[0] if currencies else "", max((-int(exponent) for exponent in exponents), default=0))


def _unit(charge: Charge | None, scale: int) -> Decimal:
    """What one count of the log costs: exact; 0 where it is not charged, or has no price."""
    if charge is None or charge.choice is None or charge.choice.row is None:
        return Decimal(0)
    return EXACT.scaleb(charge.choice.unit_amount, 2 - len(str(charge.choice.row.per_factor)) - len(str(scale)))


def _rates(situations: Sequence[Situation], log: Log) -> Iterator[Rate]:
    for name, scale in log.scales.items():
        charges = [one.charges.get(name) for one in situations]
        units = [int(EXACT.scaleb(_unit(charge, scale), one.digits)) for charge, one in zip(charges, situations, strict=True)]
        priced = [charge is not None and charge.choice is not None and charge.choice.priced for charge in charges]
        yield Rate(name, units, np.array(priced), np.array([_flags(charge) for charge in charges], dtype=np.uint8))


def _flags(charge: Charge | None) -> int:
    """What there is to say of a count that is charged so, as bits in the order of FLAGS."""
    if charge is None or charge.choice is None:
        return 0
    row = charge.choice.row
    said = [row is None, *(charge.state == state for state in ("unknown", "dynamic", "included"))]
    said += [row.held, row.disputed, row.unconfirmed] if row is not None else []
    return sum(1 << place for place, holds in enumerate(said) if holds)


def multiply(priced: Priced, rows: np.ndarray, at: np.ndarray, situations: Sequence[Situation]) -> None:
    """Put down the costs, flags and reasons of rows, each in the situation `at` its place."""
    unpriced = np.array([bool(one.unpriced) for one in situations], dtype=bool)
    for number, those in split(at, np.flatnonzero(unpriced[at])):
        priced.say(rows[those], situations[number].unpriced)
    rows, at = rows[~unpriced[at]], at[~unpriced[at]]
    priced.currencies = list(dict.fromkeys(one.currency for one in situations))
    priced.currency[rows] = np.array([priced.currencies.index(one.currency) for one in situations], dtype=np.int16)[at]
    priced.digits[rows] = np.array([one.digits for one in situations], dtype=np.int16)[at]
    units, flags = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint8)
    some, large = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    rates = list(_rates(situations, priced.log))
    counted = _counted(priced.log, rates, rows, at, situations)
    for rate in rates:
        counts = counted[rate.name]
        some |= (counts > 0) & rate.priced[at]
        if rate.flags.any():
            flags |= rate.flags[at] * (counts > 0)
        if any(rate.units):
            large |= _too_large(rate.units, at, counts)
            units += np.array([unit if unit < LARGEST else 0 for unit in rate.units], dtype=np.int64)[at] * counts
    priced.units[rows], priced.flags[rows] = units, np.where(some, flags, 0)
    for place in np.flatnonzero(large & some).tolist():
        exact = sum(rate.units[at[place]] * int(counted[rate.name][place]) for rate in rates)
        priced.large[int(rows[place])] = EXACT.scaleb(Decimal(exact), -situations[at[place]].digits)
    priced.say(rows[~some], PROBLEMS[NO_COUNT])
    _say_what_is_missing(priced, rows, at, situations, rates, counted, some)


def _counted(log: Log, rates: Sequence[Rate], rows: np.ndarray, at: np.ndarray, situations: Sequence[Situation]) -> dict[str, np.ndarray]:
    """What of each count is charged as itself: reasoning with a price of its own is not charged as output again."""
    counted = {rate.name: log.counts[rate.name][rows] for rate in rates}
    if "reasoning" in counted and "output" in counted:
        apart = np.array([bool(one.charges) and one.charges["reasoning"].choice is not None for one in situations])
        counted["output"] = counted["output"] - counted["reasoning"] * apart[at]
    return counted


def _too_large(units: list[int], at: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Which products need more than 63 bits, or might once those of all other counts are added."""
    if max(units) * int(counts.max(initial=0)) <= LARGEST:
        return np.zeros(len(counts), dtype=bool)
    return counts > np.array([LARGEST // unit if unit else LARGEST for unit in units], dtype=np.int64)[at]


def _say_what_is_missing(
    priced: Priced,
    rows: np.ndarray,
    at: np.ndarray,
    situations: Sequence[Situation],
    rates: Sequence[Rate],
    counted: dict[str, np.ndarray],
    some: np.ndarray,
) -> None:
    """Put down which counts have no price: as what is missing from a row's cost, or, where nothing of it has one, as the row's reason."""
    for rate in reversed(rates):  # the first of several reasons stays
        if not (rate.flags & PARTIAL).any():
            continue
        lacking = np.flatnonzero((counted[rate.name] > 0) & ((rate.flags & PARTIAL) > 0)[at])
        for number, those in split(at, lacking):
            charge = situations[number].charges[rate.name]
            assert charge.choice is not None
            why = charge.choice.why
            partly = those[some[those]]
            if len(partly):
                priced.missing.append(Missing(rows[partly], counted[rate.name][partly], charge.meter, why))
            priced.say(rows[those[~some[those]]], f"{charge.meter}: {why}")
