"""genai-prices: Pydantic's curated price list, with the days on which prices changed or will change.

Source  https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json (public, no key, changes a few times a week)
Grain   one listing per provider and model id (a name of the list's own, matched to wire ids by rules); one price per listing, meter,
        prompt bound, time of day and start date
Units   quoted as USD per million tokens (`*_mtok`) or per thousand calls (`*_kcount`), in JSON numbers; returned as they are, exact
Past    stated within: a price that replaced another carries its start date, and so does an announced one. What was withdrawn without a date
        is not served: a missed day is loaded from a recording or stays missing

Of several dated or timed price lists the last whose condition is met counts; the one without a condition is the default. A price list
that is empty says nothing: unknown. It lists no free prices.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.sources.base import NAME_LIMIT, Parsed, Source, as_json, clean_text, flag, id_problem, kind, read_date, sequence, tokens

METER_OF = {
    "input_mtok": "input",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_citation_mtok": "citation",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "cache_image_read_mtok": "cache_read_image",
    "input_video_mtok": "input_video",
    "output_video_mtok": "output_video",
    "requests_kcount": "request",
    "web_searches_kcount": "web_search",
}
#: Said of a provider, not of a listing: left in the raw payload, or a reworded comment would touch each of its listings.
PROVIDER_KEYS = frozenset({
    "id", "name", "description", "pricing_urls", "api_pattern", "model_match", "provider_match", "extractors", "fallback_model_providers",
    "price_comments", "models",
})  # fmt: skip
READ = frozenset({"id", "name", "description", "context_window", "prices", "deprecated"})
#: Known, and kept in `extra`: `match` says which wire ids a listing stands for.
KEPT = frozenset({"match", "price_comments", "prices_checked", "price_discrepancies", "collapse"})


def parse(payload: object) -> Parsed:
    """One listing per provider and model id, and its prices. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    for about in sequence(payload, "genai-prices' data.json"):
        provider = about.get("id") if isinstance(about, dict) else None
        models = about.get("models") if isinstance(about, dict) else None
        if not isinstance(about, dict) or not isinstance(provider, str) or id_problem(provider) or not isinstance(models, list):
            why = id_problem(provider) or "a provider without an array `models`"
            why = f"provider: {why}" if isinstance(about, dict) else f"{kind(about)} where a provider belongs"
            parsed.reject("listing", None if id_problem(provider) else str(provider), None, why, about)
            continue
        for key in about.keys() - PROVIDER_KEYS:
            parsed.drift[f"provider.{key}"] += 1
        docs_url = pricing_page(parsed, provider, about.get("pricing_urls"))
        for entry in models:
            listed_id = entry.get("id") if isinstance(entry, dict) else None
            if not isinstance(entry, dict) or not isinstance(listed_id, str) or id_problem(listed_id):
                why = f"id: {id_problem(listed_id)}" if isinstance(entry, dict) else f"{kind(entry)} where a model belongs"
                parsed.reject("listing", provider, None, why, entry)
                continue
            parsed.listings.append(listing(parsed, provider, listed_id, entry, docs_url))
            Quotes(parsed, provider, listed_id).read(entry.get("prices"))
    if not parsed.listings:
        raise BadPayload("genai-prices' data.json lists no model. Look at the payload in raw; an empty list never means that all are gone.")
    return parsed


def pricing_page(parsed: Parsed, provider: str, found: object) -> str | None:
    """The first of a provider's pricing pages; null and an oddity where it is no http(s) address."""
    if found is None or found == []:
        return None
    first = found[0] if isinstance(found, list) else found
    if isinstance(first, str) and first.startswith(("https://", "http://")) and first.isprintable() and " " not in first:
        return first
    parsed.odd(provider, "pricing_urls", first, "not an http(s) address")
    return None


def listing(parsed: Parsed, provider: str, listed_id: str, entry: dict[str, object], docs_url: str | None) -> Listing:
    """What genai-prices says about one model besides its prices. It says "deprecated" and nothing else of a model's life."""
    say = entry.get
    extra = {key: found for key, found in entry.items() if key not in READ and found is not None}
    for key in extra.keys() - KEPT:
        parsed.drift[key] += 1
    return Listing(
        provider=provider,
        listed_id=listed_id,
        name=clean_text(parsed, listed_id, "name", say("name"), NAME_LIMIT),
        description=clean_text(parsed, listed_id, "description", say("description")),
        context_tokens=tokens(parsed, listed_id, "context_window", say("context_window")),
        lifecycle="deprecated" if flag(parsed, listed_id, "deprecated", say("deprecated")) else None,
        docs_url=docs_url,
        extra=as_json(extra),
    )


class Holds(NamedTuple):
    """When the prices of one list hold: from a day on, or daily in a window; neither for the default."""

    effective_from: datetime | None = None
    time_window: str = ""


class Quotes:
    """The prices of one model."""

    def __init__(self, parsed: Parsed, provider: str, listed_id: str) -> None:
        self.parsed, self.provider, self.listed_id = parsed, provider, listed_id

    def read(self, prices: object) -> None:
        """Append the rows of all price lists of a model; where none holds a price, its input and output are unknown."""
        rows, rejects = len(self.parsed.prices), len(self.parsed.rejects)
        if isinstance(prices, list) and prices:
            self._read_lists(prices)
        elif isinstance(prices, dict):
            self._read_list(prices, Holds(), None)
        else:
            self._reject(f"prices is {kind(prices)} where an object or a filled array belongs", prices)
        if len(self.parsed.prices) == rows and len(self.parsed.rejects) == rejects:
            self.parsed.state_only(self.provider, self.listed_id, ("input", "output"), "unknown")

    def _read_lists(self, lists: list[object]) -> None:
        holds = [self._constraint(one) for one in lists]
        for index, (one, held) in enumerate(zip(lists, holds, strict=True)):
            prices = one.get("prices") if isinstance(one, dict) else None
            if not isinstance(one, dict) or not isinstance(prices, dict):
                self._reject("an item of prices that holds no object `prices`", lists)
            elif held is None:
                names = ", ".join(sorted(one["constraint"])) if isinstance(one.get("constraint"), dict) else kind(one.get("constraint"))
                self.parsed.unmap(f"prices[constraint: {names[:100]}]", prices)
            else:
                later = [other for other in holds[index + 1 :] if other is not None and not other.time_window]
                ends = [other.effective_from for other in later]
                end = min((day for day in ends if day is not None), default=None)
                if None in ends or (end is not None and held.effective_from is not None and end <= held.effective_from):
                    self.parsed.odd(self.listed_id, "prices", one.get("constraint"), "never holds: a later item always counts instead")
                    self.parsed.price_values += sum(1 for _ in amounts(prices))
                else:
                    self._read_list(prices, held, end)

    def _constraint(self, one: object) -> Holds | None:
        """When an item of `prices` holds; null for a condition of a form that is not known."""
        found = one.get("constraint") if isinstance(one, dict) else None
        if isinstance(one, dict):
            for key in one.keys() - {"constraint", "prices"}:
                self.parsed.drift[f"prices[].{key}"] += 1
        if found is None:
            return Holds()
        if not isinstance(found, dict):
            return None
        if found.keys() == {"start_date"}:
            day = start_of(found["start_date"]) if isinstance(found["start_date"], str) else None
            return Holds(effective_from=day) if day else None
        if found.keys() == {"start_time", "end_time"}:
            times = [utc_minute(bound) if isinstance(bound, str) else None for bound in (found["start_time"], found["end_time"])]
            return Holds(time_window=f"{times[0]}-{times[1]} UTC") if None not in times else None
        return None

    def _read_list(self, prices: dict[str, object], held: Holds, end: datetime | None) -> None:
        for key, found in prices.items():
            meter = METER_OF.get(key)
            if meter is None:
                self.parsed.unmap(f"prices.{key}", found)
            elif not isinstance(found, dict):
                self._quote(meter, found, 0, held, end)
            elif "base" not in found or not isinstance(found.get("tiers"), list):
                self._reject(f"{key}: an object without `base` and an array `tiers`", found)
            else:
                self._quote(meter, found["base"], 0, held, end)
                self._read_tiers(key, meter, found, held, end)

    def _read_tiers(self, key: str, meter: str, found: dict[str, object], held: Holds, end: datetime | None) -> None:
        for name in found.keys() - {"base", "tiers"}:
            self.parsed.unmap(f"prices.{key}.{name}", found[name])
        tiers = found["tiers"]
        for tier in tiers if isinstance(tiers, list) else ():
            start = tier.get("start") if isinstance(tier, dict) else None
            if isinstance(start, Decimal) and start < 2**53 and start == int(start):
                start = int(start)
            if not isinstance(tier, dict) or isinstance(start, bool) or not isinstance(start, int) or not 0 < start < 2**53:
                self._reject(f"{key}: a tier that does not start at a whole number of tokens", found)
            elif tier.get("price") is None:
                self._reject(f"{key}: a tier without a price", found)
            else:
                self._quote(meter, tier["price"], start, held, end)
                for name in tier.keys() - {"start", "price"}:
                    self.parsed.unmap(f"prices.{key}.tiers[].{name}", tier[name])

    def _quote(self, meter: str, found: object, above: int, held: Holds, end: datetime | None) -> None:
        self.parsed.quote(
            self.provider, self.listed_id, meter, found, 1,
            prompt_above_tokens=above, time_window=held.time_window, effective_from=held.effective_from, effective_to=end,
        )  # fmt: skip

    def _reject(self, reason: str, found: object) -> None:
        self.parsed.reject("price", self.provider, self.listed_id, reason, found)


def amounts(prices: dict[str, object]) -> Iterator[object]:
    """The amounts that a price list holds, tiers included."""
    for found in prices.values():
        yield found.get("base") if isinstance(found, dict) else found
        tiers = found.get("tiers") if isinstance(found, dict) else None
        yield from tiers if isinstance(tiers, list) else ()


def start_of(text: str) -> datetime | None:
    """Midnight UTC of a day `YYYY-MM-DD`."""
    read = read_date(text)
    if isinstance(read, str) or read[1] != "day":
        return None
    return datetime.combine(read[0], time(), UTC)


@lru_cache(maxsize=1024)
def utc_minute(text: str) -> str | None:
    """`16:30` of `16:30:00Z`; null where it is not UTC, or not a whole minute, which a time window cannot express."""
    match = re.fullmatch(r"((?:[01]\d|2[0-3]):[0-5]\d)(?::00(?:\.0+)?)?(?:Z|[+]00:00)", text)
    return match[1] if match else None


SOURCE = Source(
    "genai_prices",
    "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json",
    parse,
    about=__doc__ or "",
    path=lambda provider, listed_id: (("id", provider), "models", ("id", listed_id)),
)
