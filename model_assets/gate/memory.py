"""What was known at an instant: what every source says and said, what is served of it, and how listings, models and providers hang together."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import log10
from typing import NamedTuple

from model_assets.gate.types import PriceKey, Said

#: (source, provider, listed id) -> the model it is, or null where that is not known
ModelOf = Callable[[str, str, str], str | None]
#: (source, provider) -> the name that provider has everywhere
ProviderOf = Callable[[str, str], str]
#: a model, and what makes two prices of it comparable: meter and condition
Topic = tuple[str, str, str, int, str, str, str]
Good = tuple[str, Decimal | None]
#: the numbers of input and output
Pair = tuple[Decimal | None, Decimal | None]
NO_PAIR: Pair = (None, None)
#: a key without conditions, from its third column on
PLAIN = PriceKey("", "")[3:]

FRESH = timedelta(days=3)
STILL_TOLD = timedelta(days=60)
RECENT = timedelta(days=10)


class Run(NamedTuple):
    """A value and from when on a source said it; `number` counts the source's observations. A null state: it said nothing."""

    since: datetime
    number: int
    state: str | None
    amount: Decimal | None


class Move(NamedTuple):
    """A price that changed by a ratio (as its logarithm to base 10), at a provider."""

    at: datetime
    source: str
    provider: str
    ratio: float


@lru_cache(maxsize=65536)
def simple_model(source: str, provider: str, listed_id: str) -> str | None:
    """A model by the last part of its id, without case and separators; snapshots and plans stay apart. For want of an identity."""
    name = listed_id.lower().rpartition("/")[2].removeprefix("~")
    return re.sub(r"[._@ ]", "-", name) or None


def same_provider(source: str, provider: str) -> str:
    """A provider by its own name in lower case. For want of a list of providers."""
    return provider.lower()


class Memory:
    """Fed by `observe` in order of time; answers what the judgement of a change needs.

    What is *said* is what each source claims now; what is *good* is what is served of it: the same, but for the claims that are held.
    """

    def __init__(self, model_of: ModelOf = simple_model, provider_of: ProviderOf = same_provider) -> None:
        self._model_of = model_of
        self._provider_of = provider_of
        self.good: dict[str, dict[PriceKey, Good]] = defaultdict(dict)
        self.runs: dict[str, dict[PriceKey, list[Run]]] = defaultdict(dict)
        self.looks: dict[str, list[datetime]] = defaultdict(list)
        self._models: dict[tuple[str, str, str], str | None] = {}
        self._topics: dict[Topic, dict[tuple[str, PriceKey], float]] = defaultdict(dict)
        self._said: dict[Topic, dict[tuple[str, PriceKey], Decimal | None]] = defaultdict(dict)
        self._moves: dict[Topic, list[Move]] = defaultdict(list)
        self._listings: dict[str, dict[tuple[str, str], set[PriceKey]]] = defaultdict(dict)
        self._pairs: dict[str, dict[tuple[str, str], Pair]] = defaultdict(dict)

    def observe(self, source: str, at: datetime, said: Iterable[Said], held: Collection[PriceKey] = ()) -> None:
        """A source was seen to say this from now on. For the keys in `held` the last good value stays good."""
        self.looks[source].append(at)
        number = len(self.looks[source])
        runs, good = self.runs[source], self.good[source]
        for one in said:
            key = one.key
            history = runs.setdefault(key, [])
            if history:
                self._note_move(source, at, key, history[-1], one)
            history.append(Run(at, number, one.state, one.amount))
            topic = self.topic(source, key)
            if topic is not None:
                told = self._said[topic]
                if one.state is None:
                    told.pop((source, key), None)
                else:
                    told[source, key] = one.amount
            if key not in held:
                self.settle(source, key, one.state, one.amount, good)

    def settle(
        self, source: str, key: PriceKey, state: str | None, amount: Decimal | None, good: dict[PriceKey, Good] | None = None
    ) -> None:
        """From now on this is the good value of a key; a null state takes it away."""
        good = self.good[source] if good is None else good
        listing = (key.provider, key.listed_id)
        keys = self._listings[source].setdefault(listing, set())
        topic = self.topic(source, key)
        if state is None:
            good.pop(key, None)
            keys.discard(key)
            if not keys:
                del self._listings[source][listing]
        else:
            good[key] = (state, amount)
            keys.add(key)
        if key.meter in ("input", "output") and key[3:] == PLAIN:
            self._set_pair(source, listing, key.meter, None if state is None else value(state, amount))
        if topic is not None:
            if state == "paid" and amount is not None:
                self._topics[topic][source, key] = log10(amount)
            else:
                self._topics[topic].pop((source, key), None)

    def model(self, source: str, provider: str, listed_id: str) -> str | None:
        """The model a listing is."""
        listing = (source, provider, listed_id)
        if listing not in self._models:
            self._models[listing] = self._model_of(*listing)
        return self._models[listing]

    def topic(self, source: str, key: PriceKey) -> Topic | None:
        """What a price can be compared with; null where its model is not known, or where it states dates (a list of several prices)."""
        if key.effective_from is not None:
            return None
        model = self.model(source, key.provider, key.listed_id)
        if model is None:
            return None
        return (model, key.meter, key.service_tier, key.prompt_above_tokens, key.time_window, key.detail, key.currency)

    def listings(self, source: str) -> dict[tuple[str, str], set[PriceKey]]:
        """The listings of a source that have good prices: (provider, listed id) -> keys."""
        return self._listings[source]

    def pairs(self, source: str) -> dict[tuple[str, str], Pair]:
        """The good numbers of input and output, without conditions, of each listing that has one: null where there is none."""
        return self._pairs[source]

    def pair(self, source: str, listing: tuple[str, str]) -> Pair:
        """The good numbers of input and output of one listing."""
        return self._pairs[source].get(listing, NO_PAIR)

    def siblings(self, source: str, key: PriceKey, at: datetime) -> dict[tuple[str, str], float]:
        """What the same thing costs elsewhere: (source, provider) -> logarithm of the good amount; the median where a provider lists it twice.

        Elsewhere is another provider, or another source. What a source said that nobody looked at for 60 days is not evidence.
        """
        topic = self.topic(source, key)
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for (other, theirs), amount in self._topics.get(topic, {}).items() if topic else ():
            if (other, theirs.provider) != (source, key.provider) and at - self.looks[other][-1] <= STILL_TOLD:
                found[other, theirs.provider].append(amount)
        return {place: sorted(amounts)[len(amounts) // 2] for place, amounts in found.items()}

    def confirmations(self, source: str, key: PriceKey, amount: Decimal | None, at: datetime) -> list[str]:
        """The other sources, looked at in the last three days, that say this amount of the same model at the same provider."""
        topic = self.topic(source, key)
        if topic is None or amount is None:
            return []
        provider = self._provider_of(source, key.provider)
        return sorted({
            other for (other, theirs), told in self._said.get(topic, {}).items()
            if other != source and told is not None and close(told, amount) and at - self.looks[other][-1] <= FRESH
            and self._provider_of(other, theirs.provider) == provider
        })  # fmt: skip

    def moves(self, source: str, key: PriceKey, ratio: float, at: datetime, *, about: bool = False) -> set[tuple[str, str]]:
        """Where else the same thing moved by the same ratio (or `about`: the same way, half to twice as far) in the last ten days.

        The ratio is a logarithm to base 10; the places are (source, provider).
        """
        topic = self.topic(source, key)
        if topic is None:
            return set()
        least, most = (0.5, 2.0) if about else (1 - 0.01 / abs(ratio), 1 + 0.01 / abs(ratio))
        here = (source, key.provider)
        return {
            (move.source, move.provider)
            for move in self._moves.get(topic, ())
            if (move.source, move.provider) != here and at - move.at <= RECENT and least <= move.ratio / ratio <= most
        }

    def ran(self, source: str, key: PriceKey) -> list[Run]:
        """All that a source said of a key, in order of time; the last is what it says now."""
        return self.runs[source].get(key, [])

    def last_number(self, source: str, key: PriceKey, at: datetime) -> Decimal | None:
        """The last amount above 0 that a source said of a key, where it stopped saying it at most 60 days before."""
        runs = self.ran(source, key)
        for run, ended in zip(reversed(runs[:-1]), (one.since for one in reversed(runs)), strict=False):
            if run.amount:
                return run.amount if at - ended <= STILL_TOLD else None
        return None

    def said_at(self, source: str, key: PriceKey, number: int) -> Run | None:
        """What a source said of a key at its observation of this number; null before it spoke of it."""
        runs = self.ran(source, key)
        index = bisect_right(runs, number, key=lambda run: run.number)
        return runs[index - 1] if index else None

    def _set_pair(self, source: str, listing: tuple[str, str], meter: str, number: Decimal | None) -> None:
        first, second = self.pair(source, listing)
        pair = (number, second) if meter == "input" else (first, number)
        if pair == NO_PAIR:
            self._pairs[source].pop(listing, None)
        else:
            self._pairs[source][listing] = pair

    def _note_move(self, source: str, at: datetime, key: PriceKey, before: Run, after: Said) -> None:
        topic = self.topic(source, key)
        if topic is not None and before.state == after.state == "paid" and before.amount and after.amount:
            self._moves[topic].append(Move(at, source, key.provider, log10(after.amount / before.amount)))


def value(state: str, amount: Decimal | None) -> Decimal | None:
    """The amount of a price as a number: what a plan includes costs 0; what is unknown or depends has none."""
    return Decimal(0) if state == "included" else amount


def close(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts are equal to half a per cent, as after rounding or another float's noise."""
    return one == other or abs(one - other) <= max(abs(one), abs(other)) * Decimal("0.005")
