"""What a log of requests cost, at the prices that held at each call; and what it would have cost elsewhere.

Each distinct situation (offer, price list, service tier, region, bounds crossed, windows open) is priced once, by the code that prices a
single request; then the counts of all rows in it are multiplied at once. Costs are whole numbers of the smallest part of a unit that the
situation's prices have: nothing is rounded, and no total passes through a binary float.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from model_assets.cost.book import Offer, PriceBook, Unpriced, instant
from model_assets.cost.grouping import split
from model_assets.cost.log import OK, PROBLEMS, Log, normalise
from model_assets.cost.priced import Priced
from model_assets.cost.situations import Situation, multiply, situation_of
from model_assets.cost.table import Asked, tier_name
from model_assets.cost.totals import Totals, add


class WhatIf(NamedTuple):
    """Which model, provider or service tier every row is priced as; null for its own."""

    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None


AS_LOGGED = WhatIf()


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
            multiply(priced, rows, at, [self._situation(priced, row) for row in first.tolist()])
        return priced

    def _priced_as(self, logged: tuple[str, str]) -> tuple[str, str]:
        model, provider = logged
        return self.what_if.model or model, self.what_if.provider or provider

    def _offer(self, pair: tuple[str, str]) -> Offer | Unpriced:
        if pair not in self.offers:
            found = self.book.spans(pair[0], pair[1] or None)
            if isinstance(found, Unpriced) and pair[1] and self.what_if.model and not self.what_if.provider:
                found = self.book.spans(pair[0], None)  # who sold the one model need not sell the other
            self.offers[pair] = found if isinstance(found, Unpriced) else Offer(found)
        return self.offers[pair]

    def _keys(self, priced: Priced) -> np.ndarray:
        """A number for the situation of each row; -1 where there is none, whatever is counted."""
        log = priced.log
        keys = np.full(len(log), -1, dtype=np.int64)
        tiers, regions = len(log.names["service_tier"]) + 1, len(log.names["region"]) + 1
        asked = (log.codes["service_tier"] + 1) * regions + log.codes["region"] + 1
        prompts, used = log.prompt_tokens, 0
        for number, rows in split(priced.pairs, np.flatnonzero(log.problem == OK)):
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
            self.situations[key] = situation_of({name: table.charge(name, asked) for name in log.counts}, log.scales)
        return self.situations[key]


def _pairs(log: Log) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """A number for each pair of model and provider, and the pairs; '' where the log is blank."""
    width = len(log.names["provider"]) + 1
    pairs, found = pd.factorize((log.codes["model"] + 1) * width + log.codes["provider"] + 1)
    models, providers = ["", *log.names["model"]], ["", *log.names["provider"]]
    return pairs, [(models[code // width], providers[code % width]) for code in found.tolist()]


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
