"""Which fault comes on which day, from the seed alone, and what each does to a payload."""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bench.soak.payloads import SHAPES, Files

SHARE = 0.05  # of the source-days, and of the days for each fault of the database and of processes
KILL_EVERY = 20  # days on which a worker is killed for certain
SOURCES = tuple(SHAPES)
PRICES = ("models_dev", "openrouter", "litellm", "genai_prices")
TABLES = ("epoch", "bfcl")
LISTS = ("openrouter", "genai_prices", "huggingface", "epoch", "bfcl")
FETCHED = tuple(name for name in SOURCES if name != "curated")

#: fault -> the sources it can befall. After the first of these the source is published all the same, after the others it is not
PASSING: Mapping[str, tuple[str, ...]] = {
    "429, then well": FETCHED,
    "one key said twice, differently": LISTS,
    "a price or a number that is none": (*PRICES, "epoch", "bfcl", "lmarena"),
    "a price a thousand times too high": PRICES,
    "an older snapshot": FETCHED,
}
LASTING: Mapping[str, tuple[str, ...]] = {
    "503 for ever": FETCHED,
    "connection refused": tuple(name for name in FETCHED if name != "news"),  # the feeds' addresses are part of what they say
    "no answer": FETCHED,
    "a body that drips": FETCHED,
    "a body that is cut": FETCHED,
    "a gzip bomb": FETCHED,
    "a page of HTML": SOURCES,
    "an error in place of a list": SOURCES,
    "an empty list": SOURCES,
    "a third of the list missing": tuple(name for name in SOURCES if name != "news"),  # of news, any may go
    "bytes that are not UTF-8": SOURCES,
    "JSON nested too deep": tuple(name for name in FETCHED if name not in (*TABLES, "news")),
}
SLOW = ("no answer", "a body that drips")  # each costs seconds: they come a third as often
DATABASE = (
    "worker killed", "session terminated", "Postgres killed", "two syncs at once", "stuck row", "past day imported late",
    "day replayed twice", "alert channel down",
)  # fmt: skip
CHANNEL_DOWN_DAYS = 3


@dataclass(frozen=True)
class Day:
    """The faults of a day: of sources by name, and of the database and processes."""

    number: int
    upstream: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()

    def lasting(self, source: str) -> bool:
        """Whether a source cannot be published on that day."""
        return self.upstream.get(source) in LASTING


def schedule(seed: int, number: int) -> Day:
    """The faults of a day; the first day has none, since what comes later is compared with it."""
    if number == 0:
        return Day(number)
    chance = random.Random(f"{seed} faults {number}")
    upstream = {name: _upstream(name, chance) for name in SOURCES if chance.random() < SHARE}
    others = {fault for fault in DATABASE if chance.random() < SHARE}
    if number % KILL_EVERY == 0:
        others.add("worker killed")
    for fault in ("Postgres killed", "session terminated", "two syncs at once"):  # one disaster of a sync at a time
        if "worker killed" in others:
            others.discard(fault)
    if "Postgres killed" in others:
        others -= {"session terminated", "two syncs at once"}
    if "session terminated" in others:
        others.discard("two syncs at once")
    return Day(number, upstream, frozenset(others))


def _upstream(name: str, chance: random.Random) -> str:
    possible = [fault for fault, sources in {**PASSING, **LASTING}.items() if name in sources]
    return chance.choices(possible, [1 if fault in SLOW else 3 for fault in possible])[0]


def channel_is_down(seed: int, number: int) -> bool:
    """Whether nobody hears alerts on a day: a channel that goes down stays so for some days."""
    days = range(max(0, number - CHANNEL_DOWN_DAYS + 1), number + 1)
    return any("alert channel down" in schedule(seed, day).others for day in days)


def spoiled(source: str, fault: str, files: Files, older: Files) -> Files:
    """A source's files with a fault in their bytes; as they are where the fault is one of the way they are sent."""
    if fault == "an older snapshot":
        return older
    harm = HARMS.get(fault)
    if harm is None:
        return files
    return {path: body if "/revision/" in path else harm(source, body) for path, body in files.items()}


def _third_missing(source: str, body: bytes) -> bytes:
    if source == "curated":
        head, *entries = re.split(rb"(?m)^(?=- slug)", body)
        return head + b"".join(entries[: len(entries) * 2 // 3])
    if source in TABLES:
        lines = body.splitlines(keepends=True)
        return b"".join(lines[: len(lines) * 2 // 3])
    found = json.loads(body)
    if source == "openrouter":
        return json.dumps({"data": found["data"][: len(found["data"]) * 2 // 3]}).encode()
    if source == "models_dev":
        return json.dumps({id: one | {"models": _fewer(one["models"])} for id, one in found.items()}).encode()
    if source == "genai_prices":
        return json.dumps([one | {"models": one["models"][: len(one["models"]) * 2 // 3]} for one in found]).encode()
    if source == "lmarena":
        return json.dumps({"full": _fewer(found["full"])}).encode()
    return json.dumps(_fewer(found) if isinstance(found, dict) else found[: len(found) * 2 // 3]).encode()


def _fewer(found: dict[str, object]) -> dict[str, object]:
    return dict([*found.items()][: len(found) * 2 // 3])


def _said_twice(source: str, body: bytes) -> bytes:
    """The first entry once more, with other words."""
    if source in TABLES:
        head, first, *rest = body.splitlines(keepends=True)
        return b"".join([head, first, re.sub(rb"\d+\.\d", b"3.3", first), *rest])
    found = json.loads(body)
    entries = {"openrouter": lambda: found["data"], "genai_prices": lambda: found[0]["models"], "huggingface": lambda: found}[source]()
    entries.append(entries[0] | {"name": "another", "pipeline_tag": "other"})
    return json.dumps(found).encode()


def _no_number(source: str, body: bytes) -> bytes:
    """The first number of a price or a score becomes none, or a negative price."""
    if source == "epoch":
        return re.sub(rb"(?m)^([a-z]+-\d+),[0-9.]+,", rb"\1,NaN,", body, count=1)
    if source == "bfcl":
        return re.sub(rb"[0-9.]+%", b"Infinity%", body, count=1)
    pattern, instead = {
        "openrouter": (rb'"prompt":"[0-9.]+"', b'"prompt":"NaN"'),
        "models_dev": (rb'"input":[0-9.e-]+,"output"', b'"input":-0.5,"output"'),
        "litellm": (rb'"input_cost_per_token":[0-9.e-]+', b'"input_cost_per_token":-0.5'),
        "genai_prices": (rb'"input_mtok":[0-9.e-]+', b'"input_mtok":-0.5'),
        "lmarena": (rb'"rating":[0-9.]+', b'"rating":"n/a"'),
    }[source]
    return re.sub(pattern, instead, body, count=1)


def _too_high(source: str, body: bytes) -> bytes:
    """The first input price becomes a thousand times as high."""
    pattern = {
        "openrouter": rb'(?<="prompt":")[0-9.]+', "models_dev": rb'(?<="input":)[0-9.e-]+(?=,"output")',
        "litellm": rb'(?<="input_cost_per_token":)[0-9.e-]+', "genai_prices": rb'(?<="input_mtok":)[0-9.e-]+',
    }[source]  # fmt: skip
    return re.sub(pattern, lambda found: f"{Decimal(found[0].decode()) * 1000:f}".encode(), body, count=1)


def _empty(source: str, body: bytes) -> bytes:
    if source in TABLES:
        return body.splitlines(keepends=True)[0]
    if source == "news":
        return b"<rss version='2.0'><channel><title>none</title></channel></rss>"
    return {"openrouter": b'{"data": []}', "curated": b"models: []\n"}.get(source, b"[]" if body.startswith(b"[") else b"{}")


HARMS: Mapping[str, Callable[[str, bytes], bytes]] = {
    "a page of HTML": lambda source, body: b"<!doctype html><html><body>Please log in</body></html>",
    "an error in place of a list": lambda source, body: b'{"error": {"code": 500, "message": "try again later"}}',
    "an empty list": _empty,
    "a third of the list missing": _third_missing,
    "bytes that are not UTF-8": lambda source, body: body[: len(body) // 2] + b"\xff\xfe" + body[len(body) // 2 :],
    "JSON nested too deep": lambda source, body: b"[" * 100_000 + b"]" * 100_000,
    "one key said twice, differently": _said_twice,
    "a price or a number that is none": _no_number,
    "a price a thousand times too high": _too_high,
}
