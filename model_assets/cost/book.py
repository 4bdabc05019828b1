"""Where a log's prices come from: for a model and a provider, the rows that were served and when."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import numpy as np

from model_assets.cost.table import PriceRow, PriceTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ALWAYS, NEVER = -(2**63) + 1, 2**63 - 1


class Served(NamedTuple):
    """A row of a price list and the time [since, until) in which it was served; null for since ever, and for until now."""

    row: PriceRow
    since: datetime | None = None
    until: datetime | None = None


class Unpriced(NamedTuple):
    """Why no price list can be given: an id that is not known, a model that several providers sell, ..."""

    reason: str


class PriceBook(Protocol):
    """What replay asks for prices."""

    def spans(self, model: str, provider: str | None) -> Sequence[Served] | Unpriced:
        """All rows of the one offer that `model` (as the log spells it) at `provider` means, with when they were served; or why none."""


class Offer:
    """The price lists of one offer through time. Instants are microseconds since 1970 UTC."""

    def __init__(self, served: Sequence[Served]) -> None:
        spans = [(microseconds(one.since, ALWAYS), microseconds(one.until, NEVER), one.row) for one in served]
        starts = sorted({bound for since, until, _ in spans for bound in (since, until) if bound != NEVER})
        self.starts = np.array(starts, dtype=np.int64)
        self.tables = [PriceTable(row for since, until, row in spans if since <= start < until) for start in starts]
        self.bounds = np.array(sorted({bound for table in self.tables for bound in table.bounds}), dtype=np.int64)
        self.windows = {text: window for table in self.tables for text, window in table.windows.items()}

    def place_of(self, instant: int) -> int | None:
        """The place in `tables` of the price list at an instant; null before the first, and where none was served."""
        place = bisect_right(self.starts, instant) - 1
        return place if place >= 0 and self.tables[place].rows else None


def microseconds(at: datetime | None, otherwise: int) -> int:
    """An instant as microseconds since 1970 UTC."""
    return otherwise if at is None else (at - EPOCH) // MICROSECOND


def instant(found: int) -> datetime:
    """The instant that so many microseconds since 1970 UTC are."""
    return EPOCH + found * MICROSECOND
