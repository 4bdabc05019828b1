"""Sums over priced rows: exact, by model, provider and day, with what is not a plain number summed apart."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from model_assets.cost.evaluate import EXACT
from model_assets.cost.grouping import distinct, split
from model_assets.cost.priced import Priced, flags_of

DAY = 86_400_000_000
LOW_BITS = 32

K = TypeVar("K", bound=Hashable)


class Key(NamedTuple):
    """What rows are summed by. `flags` are the names of all that makes their amounts more than plain numbers."""

    model: str
    provider: str
    currency: str
    flags: tuple[str, ...]


class Day(NamedTuple):
    """The same, by the day (UTC) of the request."""

    day: str
    currency: str
    flags: tuple[str, ...]


@dataclass
class Sum:
    """How many rows, their tokens, and what they cost."""

    rows: int = 0
    tokens: int = 0
    amount: Decimal = Decimal(0)

    def add(self, rows: int, tokens: int, amount: Decimal = Decimal(0)) -> None:
        """Add what others counted."""
        self.rows += rows
        self.tokens += tokens
        self.amount = EXACT.add(self.amount, amount)


@dataclass
class Totals:
    """What a log cost. `priced` by model and provider, and `days` the same rows by day; `unpriced` by reason, model and provider; `missing`
    by model, provider, meter and reason: counts of rows that were priced in part, and that are not in their amounts."""

    priced: dict[Key, Sum] = field(default_factory=dict)
    days: dict[Day, Sum] = field(default_factory=dict)
    unpriced: dict[tuple[str, str, str], Sum] = field(default_factory=dict)
    missing: dict[tuple[str, str, str, str], Sum] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows there were, priced or not."""
        return self.rows_priced + self.rows_unpriced

    @property
    def rows_priced(self) -> int:
        """How many rows have an amount, if only in part."""
        return sum(one.rows for one in self.priced.values())

    @property
    def rows_unpriced(self) -> int:
        """How many rows have no amount at all."""
        return sum(one.rows for one in self.unpriced.values())

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What all priced rows cost, by currency, plain or not."""
        return {currency: one.amount for currency, one in summed((key.currency, one) for key, one in self.priced.items()).items()}

    @property
    def plain(self) -> dict[str, Sum]:
        """The rows whose price nothing is the matter with, by currency."""
        return summed((key.currency, one) for key, one in self.priced.items() if not key.flags)

    @property
    def flagged(self) -> dict[tuple[str, str], Sum]:
        """The other rows, by flag and currency. A row with two flags is in both sums."""
        return summed(((flag, key.currency), one) for key, one in sorted(self.priced.items()) for flag in key.flags)

    @property
    def reasons(self) -> dict[str, Sum]:
        """The rows without a price, by reason, the most frequent first."""
        found = summed((reason, one) for (reason, _, _), one in self.unpriced.items())
        return dict(sorted(found.items(), key=lambda item: -item[1].rows))

    def frame(self, *by: str) -> pd.DataFrame:
        """Rows, tokens and amount by `model`, `provider`, `flags`, or by `day`, and by currency; dearest first, days in order."""
        names = (*by, "currency")
        keys: Iterable[tuple[Key | Day, Sum]] = self.days.items() if "day" in by else self.priced.items()
        sums = summed((tuple(getattr(key, name) for name in names), one) for key, one in keys)
        found = [(*key, one.rows, one.tokens, one.amount) for key, one in sums.items()]
        found.sort(key=lambda row: row if "day" in by else (-row[-1], *row[:-3]))
        return pd.DataFrame(found, columns=[*names, "rows", "tokens", "amount"])


def summed(parts: Iterable[tuple[K, Sum]]) -> dict[K, Sum]:
    """The sums of those that share a key."""
    found: dict[K, Sum] = {}
    for key, one in parts:
        found.setdefault(key, Sum()).add(one.rows, one.tokens, one.amount)
    return found


def add(totals: Totals, priced: Priced, only: np.ndarray | None = None) -> None:
    """Add rows to totals, or only some of them. Models and providers are those that were logged."""
    log, tokens = priced.log, priced.log.tokens
    chosen = np.ones(len(log), dtype=bool) if only is None else only
    for code, rows in split(priced.pairs * len(priced.reasons) + priced.reason, np.flatnonzero(chosen & (priced.reason > 0))):
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
        for pair, places in split(priced.pairs[missing.rows], np.arange(len(missing.rows))):
            lacking = (*priced.logged[pair], missing.meter, missing.why)
            totals.missing.setdefault(lacking, Sum()).add(len(places), int(missing.counts[places].sum()))


def _sums(priced: Priced, tokens: np.ndarray, rows: np.ndarray, by: np.ndarray) -> Iterator[tuple[int, Sum]]:
    """Of each distinct value of `by`, currency and flags among some rows: one such row, and the sum of all."""
    if not len(rows):
        return
    places, first = distinct((by[rows], priced.digits[rows], priced.currency[rows], priced.flags[rows]))
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
