"""What can be seen only in a whole change set: listings that got each other's prices, a list gone back to an old day, listings gone at once."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import log10

from model_assets.gate.memory import PLAIN, Memory, Pair, value
from model_assets.gate.types import Change

Listing = tuple[str, str]
#: from one pair of prices (input, output) to another
Step = tuple[Pair, Pair]

#: links of a chain of listings that got each other's prices: where most of what changed is in it, and among others
LEAST_SHIFTED = 3
LEAST_SHIFTED_AMONG_OTHERS = 5
#: listings close together in the list that got their neighbour's prices
LEAST_IN_A_RUN = 4
#: models that are back at the prices of one day: of a day long ago, and of one this week, as aggregators often are
LEAST_STALE = 3
LEAST_STALE_OF_LATE = 6
LONG_AGO = timedelta(days=7)
#: listings that are gone within a day: at least so many, and so large a share of the list
LEAST_GONE = 5
GONE_SHARE = 0.03


@dataclass
class Patterns:
    """What a change set of one source looks like as a whole."""

    at: datetime
    by_listing: dict[Listing, list[Change]]
    #: provider -> how many listings fell to zero, of how many with a price
    zeroed: dict[str, tuple[int, int]] = field(default_factory=dict)
    zeroed_in_all: int = 0
    #: providers whose prices are zero in at least three of five listings anyway
    mostly_free: frozenset[str] = frozenset()
    #: listing -> the listing whose former prices it has now
    shifted: dict[Listing, Listing] = field(default_factory=dict)
    #: listing -> the day whose prices it has again
    stale: dict[Listing, datetime] = field(default_factory=dict)
    #: listings of which every price is gone, where they are too many for one look
    gone: set[Listing] = field(default_factory=set)
    listings: int = 0
    #: (topic, ratio to two digits) -> providers where it moved so in this change set
    together: dict[tuple[object, int], set[str]] = field(default_factory=dict)


def from_value(change: Change) -> Decimal | None:
    """The number before, with 0 for what a plan included; null where there was none."""
    return None if change.from_state is None else value(change.from_state, change.from_amount)


def to_value(change: Change) -> Decimal | None:
    """The number after, with 0 for what a plan includes; null where there is none."""
    return None if change.to_state is None else value(change.to_state, change.to_amount)


def find(changes: Sequence[Change], memory: Memory, at: datetime) -> Patterns:
    """The patterns of one observation's change set, before the memory has observed it."""
    by_listing: dict[Listing, list[Change]] = defaultdict(list)
    for change in changes:
        by_listing[change.key.provider, change.key.listed_id].append(change)
    found = Patterns(at, dict(by_listing))
    if not changes:
        return found
    source = changes[0].source
    found.listings = len(memory.listings(source))
    moved = {listing: numbers for listing, own in by_listing.items() if (numbers := [one for one in own if is_number(one)])}
    _zeroed(found, moved, memory, source)
    found.shifted = _shifted(moved, memory, source)
    found.stale = _stale(moved, memory, source, at)
    found.gone = _gone(by_listing, memory, source, at)
    found.together = _together(moved.values(), memory)
    return found


def is_number(change: Change) -> bool:
    """Whether it goes from one number to another."""
    before, after = from_value(change), to_value(change)
    return before is not None and after is not None and before != after


def _zeroed(found: Patterns, moved: dict[Listing, list[Change]], memory: Memory, source: str) -> None:
    fallen = Counter(provider for (provider, _), own in moved.items() if any(to_value(one) == 0 for one in own))
    priced: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for listing in memory.listings(source) if fallen else ():
        if listing[0] in fallen:
            (priced if any(memory.pair(source, listing)) else free)[listing[0]] += 1
    found.zeroed = {provider: (count, max(count, priced[provider])) for provider, count in fallen.items()}
    found.zeroed_in_all = fallen.total()
    found.mostly_free = frozenset(provider for provider in fallen if 2 * free[provider] >= 3 * priced[provider])


def _shifted(moved: dict[Listing, list[Change]], memory: Memory, source: str) -> dict[Listing, Listing]:
    """Listings that have now what another one had just before, so many that they are a block moved by one place: listing -> the other one.

    Two signs. A run: several listings, one after the other by provider and id, each have what the next (or the last) one had. A chain, where
    the source orders its list otherwise: at one provider A has B's prices, B has C's, C has D's. A chain means something at three links,
    where most of what changed there is in it, else at five. Where most of what changed at a provider is in a chain, all of it is: a listing
    may have got the same input and output as before, but another's price of something else.
    """
    before = {listing: memory.pair(source, listing) for listing in moved}
    after = {listing: _pair_after(before[listing], own) for listing, own in moved.items()}
    jumped = {listing: (before[listing], pair) for listing, pair in after.items() if _is_jump(before[listing], pair)}
    if len(set(jumped.values())) < LEAST_SHIFTED:
        return {}
    found = _runs(jumped, memory, source)
    by_provider: dict[str, list[Listing]] = defaultdict(list)
    for listing in sorted(jumped):
        by_provider[listing[0]].append(listing)
    for own in by_provider.values():
        steps = {jumped[listing] for listing in own}
        had = {before[listing]: listing for listing in own}
        for chain in _chains(steps):
            if _length(chain) >= (LEAST_SHIFTED if 2 * len(chain) >= len(steps) else LEAST_SHIFTED_AMONG_OTHERS):
                found |= {listing: had.get(after[listing], listing) for listing in own if jumped[listing] in chain}
    caught = Counter(provider for provider, _ in found)
    changed = Counter(provider for provider, _ in moved)
    for listing in moved:
        if 2 * caught[listing[0]] >= changed[listing[0]] and caught[listing[0]] >= LEAST_SHIFTED:
            found.setdefault(listing, listing)
    return found


def _is_jump(before: Pair, after: Pair) -> bool:
    return None not in before and None not in after and any(after) and before != after


def _runs(jumped: dict[Listing, Step], memory: Memory, source: str) -> dict[Listing, Listing]:
    """Listings in the source's order that have what the next one, or the last one, had; at least four different jumps close together."""
    pairs = memory.pairs(source)
    order = sorted(listing for listing, pair in pairs.items() if any(pair))
    found: dict[Listing, Listing] = {}
    for beside in (1, -1):
        matching = [
            place for place, listing in enumerate(order)
            if listing in jumped and 0 <= place + beside < len(order) and jumped[listing][1] == pairs[order[place + beside]]
        ]  # fmt: skip
        for run in _close_together(matching):
            if len({jumped[order[place]] for place in run}) >= LEAST_IN_A_RUN:
                found |= {order[place]: order[place + beside] for place in run}
    return found


def _close_together(places: Iterable[int]) -> list[list[int]]:
    """Places in order, apart where more than two lie between."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place - runs[-1][-1] <= 3:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _chains(links: Collection[Step]) -> list[list[Step]]:
    """Steps from one pair of prices to another, put together where one ends at the start of another."""
    steps = sorted(links)
    starting = defaultdict(list)
    for step in steps:
        starting[step[0]].append(step)
    root = {step: step for step in steps}

    def top(step: Step) -> Step:
        while root[step] != step:
            step = root[step]
        return step

    for step in steps:
        for following in starting.get(step[1], ()):
            root[top(step)] = top(following)
    together = defaultdict(list)
    for step in steps:
        together[top(step)].append(step)
    return list(together.values())


def _length(chain: Collection[Step]) -> int:
    """How many links of a chain hang together: several that lead to the same pair, or from it, are a price class and no chain."""
    return len({end for _, end in chain} & {start for start, _ in chain}) + 1


def _pair_after(before: Pair, own: Iterable[Change]) -> Pair:
    plain = {change.key.meter: to_value(change) for change in own if change.key[3:] == PLAIN}
    return (plain.get("input", before[0]), plain.get("output", before[1]))


def _stale(moved: dict[Listing, list[Change]], memory: Memory, source: str, at: datetime) -> dict[Listing, datetime]:
    """Listings whose changed prices are all again those of one and the same earlier look, older than the last but one: at least three models."""
    looks = memory.looks[source]
    back: dict[int, list[Listing]] = defaultdict(list)
    for listing, own in moved.items():
        for number in _looks_returned_to(own, memory, source, len(looks)):
            back[number].append(listing)
    if not back:
        return {}
    number = min(back, key=lambda one: (-_models(back[one], memory, source), one))
    waited = max(0, (at - looks[-1]).days - 1)  # the longer nobody looked, the more of it is ordinary
    least = LEAST_STALE if at - looks[number - 1] >= LONG_AGO else LEAST_STALE_OF_LATE
    if _models(back[number], memory, source) < least + waited or _is_one_of_many(back[number], memory, source):
        return {}
    return dict.fromkeys(back[number], looks[number - 1])


def _is_one_of_many(listings: Iterable[Listing], memory: Memory, source: str) -> bool:
    """Whether all belong to one provider, of a source that lists several: then it is the provider that went back, and not the list."""
    concerned = {provider for provider, _ in listings}
    return len(concerned) == 1 and any(provider not in concerned for provider, _ in memory.listings(source))


def _looks_returned_to(own: Sequence[Change], memory: Memory, source: str, last: int) -> set[int]:
    """The numbers of the earlier looks at which every one of these prices was what it is now."""
    common: set[int] | None = None
    for change in own:
        runs = memory.ran(source, change.key)
        ends = [run.number for run in runs[1:]] + [last + 1]
        held = {
            number
            for run, end in zip(runs, ends, strict=True)
            if run.state == change.to_state and run.amount == change.to_amount
            for number in range(run.number, min(end, last))
        }
        common = held if common is None else common & held
        if not common:
            return set()
    return common or set()


def _models(listings: Iterable[Listing], memory: Memory, source: str) -> int:
    return len({memory.model(source, *listing) or listing for listing in listings})


def _gone(by_listing: dict[Listing, list[Change]], memory: Memory, source: str, at: datetime) -> set[Listing]:
    """Listings without any price left, where more than 3 % of the source's (5 at least) went in a day or less."""
    known = memory.listings(source)
    gone = {
        listing for listing, own in by_listing.items()
        if listing in known and sum(change.to_state is None and change.from_state is not None for change in own) == len(known[listing])
        and all(change.to_state is None for change in own)
    }  # fmt: skip
    looks = memory.looks[source]
    days = max(1.0, (at - looks[-1]).total_seconds() / 86_400) if looks else 1.0
    return gone if len(gone) >= max(LEAST_GONE, GONE_SHARE * len(known)) * days else set()


def _together(moved: Iterable[Sequence[Change]], memory: Memory) -> dict[tuple[object, int], set[str]]:
    found: dict[tuple[object, int], set[str]] = defaultdict(set)
    for own in moved:
        for change in own:
            before, after = from_value(change), to_value(change)
            topic = memory.topic(change.source, change.key)
            if topic is not None and before and after:
                found[topic, hundredths(before, after)].add(change.key.provider)
    return dict(found)


def hundredths(before: Decimal, after: Decimal) -> int:
    """The logarithm of a ratio to base 10, in hundredths: equal for moves by the same ratio, but for rounding."""
    return round(log10(after / before) * 100)
