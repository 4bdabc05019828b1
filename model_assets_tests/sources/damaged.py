"""What every parser is held to: rows that the ledger takes, and a declared outcome for every damage that a payload can have."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from model_assets.contracts import METERS, STATES, Listing, Price
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed


def said(parsed: Parsed) -> Listing:
    """The only listing."""
    (found,) = parsed.listings
    return found


def amounts(parsed: Parsed) -> dict[tuple[object, ...], object]:
    """(meter, then what is not standard) -> amount as text, or the state where there is none."""

    def key(price: Price) -> tuple[object, ...]:
        tier = "" if price.service_tier == "standard" else price.service_tier
        return tuple(part for part in (price.meter, tier, price.prompt_above_tokens, price.time_window, price.detail) if part)

    return {key(price): price.state if price.amount is None else f"{price.amount:f}" for price in parsed.prices}


def sound(parsed: Parsed) -> Parsed:
    """Nothing that the ledger would refuse, whatever the payload held."""
    for price in parsed.prices:
        assert price.meter in METERS
        assert price.state in STATES
        if price.state in ("paid", "free"):
            assert isinstance(price.amount, Decimal)
            assert price.amount.is_finite()
            assert (price.amount > 0) == (price.state == "paid")
            assert price.amount >= 0
        else:
            assert price.amount is None
        assert 0 <= price.prompt_above_tokens < 2**63
    for listing in parsed.listings:
        assert isinstance(json.loads(listing.extra), dict)
        assert "\x00" not in json.dumps(json.loads(listing.extra), ensure_ascii=False).replace("\\u0000", "\x00")
        for number in (listing.context_tokens, listing.max_input_tokens, listing.max_output_tokens):
            assert number is None or 0 < number < 2**63
        for seen in (listing.released_on, listing.knowledge_cutoff, listing.retires_on):
            assert seen is None or isinstance(seen, date)
    for row in [*parsed.listings, *parsed.prices, *parsed.rejects, *parsed.oddities]:
        for text in row:
            for word in text if isinstance(text, tuple) else [text]:
                if isinstance(word, str):
                    word.encode()
                    assert "\x00" not in word
    assert len({(row.provider, row.listed_id) for row in parsed.listings}) == len(parsed.listings)
    assert sum(parsed.unmapped.values()) <= parsed.price_values
    return parsed


def mutations(payload: Any) -> Iterator[tuple[str, Any]]:
    """(what was done, the payload after it), each place of it damaged once in every way. The payload is whole again after each."""
    for path in list(places(payload)):
        holder, last = at(payload, path[:-1]), path[-1]
        found = holder[last]
        damages: dict[str, object] = {
            "null": None, "text": "never seen before", "number as text": str(found), "yes": True, "no": False, "huge": 2**70,
            "negative": -5, "fraction": Decimal("0.30000000000000004"), "empty array": [], "array": [found], "empty object": {},
            "object": {"a": found}, "NUL": "\x00a", "half a surrogate pair": "a\ud800", "zero": 0, "past all prices": Decimal("1e300"),
        }  # fmt: skip
        for name, damage in damages.items():
            holder[last] = damage
            yield f"{path}: {name}", payload
        holder[last] = found
        del holder[last]
        yield f"{path}: gone", payload
        if isinstance(holder, list):
            holder.insert(last, found)
        else:
            holder[f"{last}_renamed"] = found
            yield f"{path}: renamed", payload
            del holder[f"{last}_renamed"]
            holder[last] = found


def places(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a payload."""
    for key in found if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ():
        yield (*path, key)
        yield from places(found[key], (*path, key))


def at(found: Any, path: Any) -> Any:
    """What stands at a path."""
    for key in path:
        found = found[key]
    return found


def outcomes(parse_it: Any, payload: Any) -> Counter[str]:
    """How often each declared outcome answers a mutation of a payload; anything else is an error of the test that calls."""
    count: Counter[str] = Counter()
    whole, text = sound(parse_it(payload)), repr(payload)
    for what, broken in mutations(payload):
        try:
            parsed = sound(parse_it(broken))
        except BadPayload:
            count["refused whole"] += 1
            continue
        except Exception as unforeseen:
            raise AssertionError(f"{what} raised {unforeseen!r}") from unforeseen
        if len(parsed.rejects) > len(whole.rejects):
            count["rejected"] += 1
        elif len(parsed.oddities) > len(whole.oddities) or parsed.drift != whole.drift or parsed.unmapped != whole.unmapped:
            count["reported"] += 1
        else:
            count["plain rows"] += 1
    assert sorted(repr(payload)) == sorted(text), "a mutation was not taken back, or parsing changed the payload"
    return count
