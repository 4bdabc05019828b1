"""What a log of requests cost, at the prices that held at each call; and what it would have cost elsewhere.

Each distinct situation (offer, price list, service tier, region, bounds crossed, windows open) is priced once, by the code that prices a
single request; then the counts of all rows in it are multiplied at once. Costs are whole numbers of the smallest part of a unit that the
situation's prices have: nothing is rounded, and no total passes through a binary float.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from model_assets.cost.book import Offer, PriceBook, Unpriced, instant
from model_assets.cost.evaluate import EXACT
from model_assets.cost.log import NO_COUNT, OK, PROBLEMS, Log, normalise
from model_assets.cost.table import Asked, Charge, tier_name
from model_assets.cost.totals import Day, Key, Sum, Totals

FLAGS = ("partial", "unknown", "dynamic", "included", "held", "disputed", "unconfirmed")
PARTIAL = 1 << FLAGS.index("partial")
DAY = 86_400_000_000
#: with room for the sum of 64 such numbers in 63 bits: there are fewer meters
LARGEST = 2**57
LOW_BITS = 32


class WhatIf(NamedTuple):
    """Which model, provider or service tier every row is priced as; null for its own."""

    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None


AS_LOGGED = WhatIf()


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


class Missing(NamedTuple):
    """Rows that are priced but for the counts of one meter, and why those have no price."""

    rows: np.ndarray
    counts: np.ndarray
    meter: str
    why: str


@dataclass
class Priced:
    """Rows with their costs: `units` of 10 to the minus `digits` of `currency`, or, where that is too large a number, an entry of `large`.

    `reason` is a place in `reasons`; 0 where the row has a price. `flags` are bits, in the order of FLAGS.
    """

    log: Log
    pairs: np.ndarray
    logged: list[tuple[str, str]]
    units: np.ndarray
    digits: np.ndarray
    currency: np.ndarray
    flags: np.ndarray
    reason: np.ndarray
    reasons: list[str]
    currencies: list[str] = field(default_factory=list)
    large: dict[int, Decimal] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    @property
    def whole(self) -> np.ndarray:
        """Which rows have a price for all that they count."""
        return (self.reason == 0) & ((self.flags & PARTIAL) == 0)

    def say(self, rows: np.ndarray, reason: str) -> None:
        """Put down why some rows have no price."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        self.reason[rows] = self.reasons.index(reason)

    def cost(self, row: int) -> Decimal | None:
        """The exact cost of a row, in its currency; null where it has none."""
        if self.reason[row]:
            return None
        return self.large[row] if row in self.large else EXACT.scaleb(Decimal(int(self.units[row])), -int(self.digits[row]))

    def frame(self) -> pd.DataFrame:
        """Of each row: cost (an exact decimal, null without a price), currency, flags in words, and why it has no price."""
        words = {bits: ", ".join(flags_of(bits)) for bits in np.unique(self.flags).tolist()}
        return pd.DataFrame(
            {
                "cost": pd.Series([self.cost(row) for row in range(len(self.log))], dtype=object),
                "currency": [self.currencies[code] if code >= 0 else "" for code in self.currency.tolist()],
                "flags": [words[bits] for bits in self.flags.tolist()],
                "reason": [self.reasons[code] for code in self.reason.tolist()],
            }
        )


@cache
def flags_of(bits: int) -> tuple[str, ...]:
    """The names of flags."""
    return tuple(flag for place, flag in enumerate(FLAGS) if bits >> place & 1)


class Replay:
    """Prices log after log out of one book; each offer is looked up once."""

    def __init__(self, book: PriceBook, what_if: WhatIf = AS_LOGGED) -> None:
        self.book, self.what_if = book, what_if
        self.offers: dict[tuple[str, str], Offer | Unpriced] = {}
        self.situations: dict[tuple[object, ...], Situation] = {}

    def price(self, log: Log) -> Priced:
        """Every row of a log with its cost, or with the reason why it has none."""
        size = len(log)
        pairs, logged = _pairs(log)
        priced = Priced(
            log, pairs, logged, np.zeros(size, np.int64), np.zeros(size, np.int16), np.full(size, -1, np.int16), np.zeros(size, np.uint8),
            log.problem.astype(np.int32), list(PROBLEMS),
        )  # fmt: skip
        keys = self._keys(priced)
        rows = np.flatnonzero(keys >= 0)
        at, found = pd.factorize(keys[rows])
        first = np.zeros(len(found), dtype=np.int64)
        first[at[::-1]] = rows[::-1]
        if len(rows):
            _multiply(priced, rows, at, [self._situation(priced, row) for row in first.tolist()])
        return priced

    def _priced_as(self, logged: tuple[str, str]) -> tuple[str, str]:
        model, provider = logged
        if self.what_if.model is not None:
            provider = ""  # who sold the one model need not sell the other
        return self.what_if.model or model, self.what_if.provider or provider

    def _offer(self, pair: tuple[str, str]) -> Offer | Unpriced:
        if pair not in self.offers:
            found = self.book.spans(pair[0], pair[1] or None)
            self.offers[pair] = found if isinstance(found, Unpriced) else Offer(found)
        return self.offers[pair]

    def _keys(self, priced: Priced) -> np.ndarray:
        """A number for the situation of each row; -1 where there is none, whatever is counted."""
        log = priced.log
        keys = np.full(len(log), -1, dtype=np.int64)
        tiers, regions = len(log.names["service_tier"]) + 1, len(log.names["region"]) + 1
        asked = (log.codes["service_tier"] + 1) * regions + log.codes["region"] + 1
        prompts, used = log.prompt_tokens, 0
        for number, rows in _split(priced.pairs, np.flatnonzero(log.problem == OK)):
            offer = self._offer(self._priced_as(priced.logged[number]))
            if isinstance(offer, Unpriced):
                priced.say(rows, offer.reason)
                continue
            kinds = (len(offer.starts) + 1) * (len(offer.bounds) + 1)
            key = np.searchsorted(offer.starts, log.time[rows], side="right") * (len(offer.bounds) + 1)
            key += np.searchsorted(offer.bounds, prompts[rows], side="left")  # how many bounds it is above
            if offer.windows:
                instants = pd.DatetimeIndex(log.time[rows].view("datetime64[us]")).tz_localize("UTC")
                for window in offer.windows.values():
                    key, kinds = key * 2 + window.are_open(instants), kinds * 2
            keys[rows] = used + key * tiers * regions + asked[rows]
            used += kinds * tiers * regions
        return keys

    def _situation(self, priced: Priced, row: int) -> Situation:
        """What the counts of a row are charged as. Of the row itself only its conditions matter, which its whole situation shares."""
        log, pair = priced.log, self._priced_as(priced.logged[int(priced.pairs[row])])
        offer, time = self._offer(pair), int(log.time[row])
        assert isinstance(offer, Offer)
        place = offer.place_of(time)
        if place is None:
            return Situation({}, unpriced="it had no price at that time")
        table = offer.tables[place]
        passed = max((bound for bound in table.bounds if bound < log.prompt_tokens_of(row)), default=-1)
        tier = self.what_if.service_tier if self.what_if.service_tier is not None else log.name("service_tier", row)
        windows = table.open_windows(instant(time)) if table.windows else frozenset()
        asked = Asked(tier_name(tier), log.name("region", row), passed + 1, windows)
        key = (pair, place, *asked[:4], *log.scales.items())
        if key not in self.situations:
            self.situations[key] = _situation_of({name: table.charge(name, asked) for name in log.counts}, log.scales)
        return self.situations[key]


def _pairs(log: Log) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """A number for each pair of model and provider, and the pairs; '' where the log is blank."""
    width = len(log.names["provider"]) + 1
    pairs, found = pd.factorize((log.codes["model"] + 1) * width + log.codes["provider"] + 1)
    models, providers = ["", *log.names["model"]], ["", *log.names["provider"]]
    return pairs, [(models[code // width], providers[code % width]) for code in found.tolist()]


def _split(keys: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each key of some rows, with those of them that have it."""
    if not len(rows):
        return
    ordered = rows[np.argsort(keys[rows], kind="stable")]
    sorted_keys = keys[ordered]
    starts = np.flatnonzero(np.diff(sorted_keys, prepend=sorted_keys[0] - 1))
    yield from zip(sorted_keys[starts].tolist(), np.split(ordered, starts[1:]), strict=True)


def _situation_of(charges: dict[str, Charge], scales: dict[str, int]) -> Situation:
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


def _multiply(priced: Priced, rows: np.ndarray, at: np.ndarray, situations: Sequence[Situation]) -> None:
    """Put down the costs, flags and reasons of rows, each in the situation `at` its place."""
    unpriced = np.array([bool(one.unpriced) for one in situations], dtype=bool)
    for number, those in _split(at, np.flatnonzero(unpriced[at])):
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
        for number, those in _split(at, lacking):
            charge = situations[number].charges[rate.name]
            assert charge.choice is not None
            why = charge.choice.why
            partly = those[some[those]]
            if len(partly):
                priced.missing.append(Missing(rows[partly], counted[rate.name][partly], charge.meter, why))
            priced.say(rows[those[~some[those]]], f"{charge.meter}: {why}")


def replay(frames: Iterable[pd.DataFrame], book: PriceBook, what_if: WhatIf = AS_LOGGED) -> Totals:
    """What a log cost, chunk by chunk (`log.read_chunks`), or what it would have cost as `what_if`."""
    pricing, totals = Replay(book, what_if), Totals()
    for frame in frames:
        add(totals, pricing.price(normalise(frame)))
    return totals


class SideBySide(NamedTuple):
    """A log as it was and as it would have been. Only the rows that have a whole price on both sides can be compared: those of `both`.

    The counts are those that were logged; another model's tokenizer counts the same text otherwise.
    """

    logged: Totals
    what_if: Totals
    both_logged: Totals
    both_what_if: Totals


def side_by_side(frames: Iterable[pd.DataFrame], book: PriceBook, what_if: WhatIf) -> SideBySide:
    """What a log cost, and what it would have cost as another model, at another provider or service tier."""
    one, other = Replay(book), Replay(book, what_if)
    found = SideBySide(Totals(), Totals(), Totals(), Totals())
    for frame in frames:
        log = normalise(frame)
        was, would = one.price(log), other.price(log)
        both = was.whole & would.whole
        add(found.logged, was)
        add(found.what_if, would)
        add(found.both_logged, was, both)
        add(found.both_what_if, would, both)
    return found


def add(totals: Totals, priced: Priced, only: np.ndarray | None = None) -> None:
    """Add rows to totals, or only some of them. Models and providers are those that were logged."""
    log, tokens = priced.log, priced.log.tokens
    chosen = np.ones(len(log), dtype=bool) if only is None else only
    for code, rows in _split(priced.pairs * len(priced.reasons) + priced.reason, np.flatnonzero(chosen & (priced.reason > 0))):
        pair, reason = divmod(code, len(priced.reasons))
        why = (priced.reasons[reason], *priced.logged[pair])
        totals.unpriced.setdefault(why, Sum()).add(len(rows), int(tokens[rows].sum()))
    rows = np.flatnonzero(chosen & (priced.reason == 0))
    for row, one in _sums(priced, tokens, rows, priced.pairs):
        key = Key(*priced.logged[int(priced.pairs[row])], priced.currencies[int(priced.currency[row])], flags_of(int(priced.flags[row])))
        totals.priced.setdefault(key, Sum()).add(one.rows, one.tokens, one.amount)
    for row, one in _sums(priced, tokens, rows, log.time // DAY):
        day = str(np.datetime64(int(log.time[row]) // DAY, "D"))
        daily = Day(day, priced.currencies[int(priced.currency[row])], flags_of(int(priced.flags[row])))
        totals.days.setdefault(daily, Sum()).add(one.rows, one.tokens, one.amount)
    for missing in priced.missing if only is None else ():
        for pair, places in _split(priced.pairs[missing.rows], np.arange(len(missing.rows))):
            lacking = (*priced.logged[pair], missing.meter, missing.why)
            totals.missing.setdefault(lacking, Sum()).add(len(places), int(missing.counts[places].sum()))


def _sums(priced: Priced, tokens: np.ndarray, rows: np.ndarray, by: np.ndarray) -> Iterator[tuple[int, Sum]]:
    """Of each distinct value of `by`, currency and flags among some rows: one such row, and the sum of all."""
    if not len(rows):
        return
    places, first = _distinct((by[rows], priced.digits[rows], priced.currency[rows], priced.flags[rows]))
    large = np.array(sorted(priced.large.keys() & set(rows.tolist())), dtype=np.int64) if priced.large else np.zeros(0, np.int64)
    units = np.where(np.isin(rows, large), 0, priced.units[rows]) if len(large) else priced.units[rows]
    sums = [np.zeros(len(first), dtype=np.int64) for _ in range(3)]
    # in two halves, so that a sum of large numbers needs no more than 63 bits
    for into, found in zip(sums, (tokens[rows], units >> LOW_BITS, units & ((1 << LOW_BITS) - 1)), strict=True):
        np.add.at(into, places, found)
    counts = np.bincount(places, minlength=len(first)).tolist()
    for row, count, token, high, low in zip(rows[first].tolist(), counts, *(one.tolist() for one in sums), strict=True):
        yield row, Sum(count, token, EXACT.scaleb(Decimal((high << LOW_BITS) + low), -int(priced.digits[row])))
    for row in large.tolist():
        yield row, Sum(amount=priced.large[row])


def _distinct(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A number for each distinct combination of some columns of numbers, and the place of its first row."""
    key = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        low = int(part.min())
        key = key * (int(part.max()) - low + 1) + (part.astype(np.int64) - low)
    places, found = pd.factorize(key)
    first = np.zeros(len(found), dtype=np.int64)
    first[places[::-1]] = np.arange(len(key))[::-1]
    return places, first
