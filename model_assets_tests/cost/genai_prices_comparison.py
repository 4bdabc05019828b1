"""Our evaluator against `calc_price` of the package genai-prices, on the same price list: the recording, as its own snapshot.

    python -m model_assets_tests.cost.genai_prices_comparison [RECORDING.json.gz]

Both are asked for every model, at every instant at which its prices change, for counts on both sides of every prompt bound. Where they
differ, the difference is named (see DIFFERENCES), and the name explains it to the last digit: our total and what genai-prices charges for
what we name as having no price must add up to its total.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import ModelPrice, Provider, TieredPrices, _providers_from_raw

from model_assets.contracts import Price
from model_assets.cost.evaluate import Answer, cost_of, evaluate
from model_assets.cost.table import Asked, PriceRow, PriceTable
from model_assets.cost.usage import usage
from model_assets.cost.windows import read_window
from model_assets.fetching import strict_json
from model_assets.sources.genai_prices import SOURCE
from model_assets_tests.shared_data import body, recordings

NOISE, UNEXPLAINED = "a float's noise", "unexplained"
#: what genai-prices does where we name a count as having no price, and why we do not. Reviewed by hand.
DIFFERENCES = {
    "cached tokens charged as input": (
        "A cache read or write without a price is charged at the price of uncached input. Some providers do so, some do not charge for it at"
        " all, and a write may cost more: we name it, and the answer is partial."
    ),
    "audio charged as text": (
        "Audio tokens without a price of their own are charged as text of the prompt or answer. Where audio has a price, it is 2 to 20 times"
        " that of text: we name it, and the answer is partial."
    ),
    "cached audio charged as other cached tokens": (
        "Audio read from a cache that has no price of its own is charged as text read from a cache: we name it, and the answer is partial."
    ),
    "cached audio charged as audio": (
        "Audio read from a cache without a price, where no cache has one, is charged as audio of the prompt: we name it, and the answer is"
        " partial."
    ),
    NOISE: (
        "The list holds 0.18000000000000002, or a third of something in 16 digits: the noise of a binary float. genai-prices charges what is"
        " written, we charge the 15 digits that a price can mean. The totals differ from the fifteenth digit on."
    ),
    "no price charged as 0": "Tokens for which the list has no price cost nothing there. Unknown is not 0: we name it, and the answer is partial.",
}
#: by whose price genai-prices charges a meter that has none: the first of these that the list prices
STANDS_IN = {
    "cache_read": (("input", "cached tokens charged as input"),),
    "cache_write_5m": (("input", "cached tokens charged as input"),),
    "input_audio": (("input", "audio charged as text"),),
    "output_audio": (("output", "audio charged as text"),),
    "cache_read_audio": (
        ("cache_read", "cached audio charged as other cached tokens"),
        ("input_audio", "cached audio charged as audio"),
        ("input", "cached tokens charged as input"),
    ),
}
SECOND = timedelta(seconds=1)
Counts = Mapping[str, int]


class Case(NamedTuple):
    """One request, priced by both. `name` is `equal`, the names of the difference, or UNEXPLAINED."""

    provider: str
    model: str
    at: datetime
    counts: Counts
    ours: Answer
    theirs: Decimal
    name: str


def compare(payload: bytes) -> Iterator[Case]:
    """Every case that the price list of a recording gives rise to. Reads nothing but the payload: no network."""
    listed = _providers_from_raw(json.loads(payload))  # as the package itself reads a newer list; it has no public way
    prices = defaultdict(list)
    for price in SOURCE.parse(strict_json.loads(payload)).prices:
        prices[price.provider, price.listed_id].append(price)
    set_custom_snapshot(DataSnapshot(providers=listed, from_auto_update=False))
    try:
        for provider in listed:
            for model in provider.models:
                own = prices[provider.id, model.id]
                for at in instants(own):
                    table = PriceTable(held_at(own, at))
                    for counts in requests(table):
                        ours = evaluate(table, usage(counts), at)
                        theirs, noisy = charged(provider, model.id, at, counts)
                        yield Case(provider.id, model.id, at, counts, ours, theirs, name_of(table, ours, theirs, noisy))
    finally:
        set_custom_snapshot(None)


def held_at(prices: Iterable[Price], at: datetime) -> list[PriceRow]:
    """The rows whose stated dates cover an instant."""
    return [
        PriceRow(price.meter, price.amount, price.state, price.currency, price.service_tier, price.prompt_above_tokens, price.time_window)
        for price in prices
        if (price.effective_from is None or price.effective_from <= at) and (price.effective_to is None or at < price.effective_to)
    ]


def instants(prices: Iterable[Price]) -> list[datetime]:
    """Around each start and end, in and around each window of the day, and a plain noon."""
    noon = datetime(2026, 8, 22, 12, tzinfo=UTC)
    found = {noon}
    for price in prices:
        for bound in (price.effective_from, price.effective_to):
            if bound is not None:
                found |= {bound - SECOND, bound, bound + SECOND, bound + timedelta(hours=13)}
        if price.time_window:
            window = read_window(price.time_window)
            for minute in (window.start, window.end):
                edge = noon.replace(hour=minute // 60, minute=minute % 60)
                found |= {edge - SECOND, edge, edge + SECOND}
    return sorted(found)


def requests(table: PriceTable) -> Iterator[Counts]:
    """Requests that count what has a price, with prompts of a plain length and on both sides of each bound; and one for each that has none."""
    priced = [meter for meter in ("cache_read", "cache_write_5m", "input_audio", "cache_read_audio") if meter in table.by_meter]
    for prompt in [4_000, *(bound + step for bound in table.bounds for step in (-1, 0, 1))]:
        yield {"input": prompt}
        yield {"input": prompt, "output": 777}
        for count in range(1, len(priced) + 1):
            for meters in combinations(priced, count):
                parts = {meter: prompt // 7 + number for number, meter in enumerate(meters)}
                yield {"input": prompt - sum(parts.values()), **parts, "output": 12_345}
        if "output_audio" in table.by_meter:
            yield {"input": prompt, "output": 5, "output_audio": 90}
    for meter in STANDS_IN.keys() - table.by_meter.keys():
        yield {"input": 4_000, meter: 1_234, "output": 5}


def charged(provider: Provider, model_id: str, at: datetime, counts: Counts) -> tuple[Decimal, bool]:
    """The total of genai-prices in USD, for the same request in its own counts, which hold their parts; and whether its prices are noisy."""
    get = counts.get
    cached_audio, audio = get("cache_read_audio", 0), get("input_audio", 0)
    cache_read = get("cache_read", 0) + cached_audio
    said = {
        "input_tokens": get("input", 0) + cache_read + get("cache_write_5m", 0) + audio,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": get("cache_write_5m", 0),
        "input_audio_tokens": audio + cached_audio,
        "cache_audio_read_tokens": cached_audio,
        "output_tokens": get("output", 0) + get("output_audio", 0),
        "output_audio_tokens": get("output_audio", 0),
    }
    used = Usage(**said)
    try:
        found = calc_price(used, model_id, provider_id=provider.id, genai_request_timestamp=at)
    except LookupError:
        found = None
    if found is None or found.model.id != model_id:  # its rules are for wire ids: some names of its own match another entry, or none
        entry = next(entry for entry in provider.models if entry.id == model_id)
        found = entry.calc_price(used, provider, genai_request_timestamp=at)
    return found.total_price, any(len(amount.as_tuple().digits) > 15 for amount in amounts(found.model_price))


def amounts(prices: ModelPrice) -> Iterator[Decimal]:
    """All amounts of a price list of genai-prices."""
    for found in vars(prices).values():
        if isinstance(found, TieredPrices):
            yield from (found.base, *(tier.price for tier in found.tiers))
        elif found is not None:
            yield found


def name_of(table: PriceTable, ours: Answer, theirs: Decimal, noisy: bool) -> str:
    """How the two totals differ: `equal`, the names of all that genai-prices does in its own way, or UNEXPLAINED."""
    total = ours.totals.get("USD", Decimal(0))
    names = set()
    asked = Asked(prompt_tokens=ours.prompt_tokens, open_windows=table.open_windows(ours.at))
    for line in ours.missing:
        for meter, name in STANDS_IN.get(line.meter, ()):
            choice = table.charge(meter, asked).choice
            if choice is not None and (row := choice.row) is not None and row.amount is not None:
                total += cost_of(row.amount, line.quantity, row.per_factor)
                names.add(name)
                break
        else:
            names.add("no price charged as 0")
    if noisy and total != theirs and abs(total - theirs) < theirs * Decimal("1e-14"):
        total = theirs
        names.add(NOISE)
    return (" + ".join(sorted(names)) or "equal") if total == theirs else UNEXPLAINED


def print_counts(cases: Iterable[Case]) -> Counter[str]:
    """Print how many cases there are of each name, and the models they are of, with what each name means; return the counts."""
    counted, models = Counter[str](), set()
    for case in cases:
        counted[case.name] += 1
        models.add((case.provider, case.model))
    print(f"{sum(counted.values()):,} requests to {len(models):,} models, priced by us and by genai-prices")
    for name, count in counted.most_common():
        print(f"{count:8,}  {name}")
    if not counted[UNEXPLAINED]:
        print(f"{0:8,}  {UNEXPLAINED}")
    for name, why in DIFFERENCES.items():
        print(f"{name}: {why}")
    return counted


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else recordings("genai_prices")[-1]
    sys.exit(1 if print_counts(compare(body(path)))[UNEXPLAINED] else 0)
