"""Rows of a log with their costs, and what is the matter with them."""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from model_assets.cost.evaluate import EXACT
from model_assets.cost.log import Log

#: the names of `evaluate.Answer.flags`, each a bit here
FLAGS = ("partial", "unknown", "dynamic", "included", "held", "disputed", "unconfirmed")
PARTIAL = 1 << FLAGS.index("partial")


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
    places: dict[str, int] = field(default_factory=dict)
    currencies: list[str] = field(default_factory=list)
    large: dict[int, Decimal] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    @property
    def whole(self) -> np.ndarray:
        """Which rows have a price for all that they count."""
        return (self.reason == 0) & ((self.flags & PARTIAL) == 0)

    def say(self, rows: np.ndarray, reason: str) -> None:
        """Put down why some rows have no price."""
        self.places = self.places or {known: place for place, known in enumerate(self.reasons)}
        if reason not in self.places:
            self.places[reason] = len(self.reasons)
            self.reasons.append(reason)
        self.reason[rows] = self.places[reason]

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
