"""What every source has in common: its name and address, the rows it hands over, and how a quoted price becomes one.

A source is one file with pure functions from a decoded payload to rows. Nothing here knows of Dagster or a database.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from model_assets.contracts import METERS, PER_FACTOR, Listing, Mention, Oddity, Popularity, Price, Reject, Score
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.paged import PackedRows, PagedRows
from model_assets.sources.amounts import BadAmount, exact

_FACTOR = {meter: PER_FACTOR[per] for meter, (per, _) in METERS.items()}
_NOT_FOR_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\u00(?:[01][0-9a-f]|7f)")
_AMOUNT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
ORIGINAL_LIMIT = 2_000
NAME_LIMIT = 512


@dataclass
class Parsed:
    """The rows of one payload, and what was seen on the way.

    `price_values` counts every value that stands where a price belongs; `unmapped` those that no rule maps, by the path of their key.
    `drift` counts keys the source's file does not know; `unread` those it knows and leaves in the raw payload (what changes on every look).
    `paged` holds the listings in place of `listings` where they are too many to hold at once, `packed` the counters in place of `popularity`.
    """

    listings: list[Listing] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    popularity: list[Popularity] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    price_values: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    paged: PagedRows[Listing] | None = None
    packed: PackedRows[Popularity] | None = None

    @property
    def all_listings(self) -> Sequence[Listing]:
        """The listings, wherever they are."""
        return self.listings if self.paged is None else self.paged

    @property
    def all_popularity(self) -> Sequence[Popularity]:
        """The counters, wherever they are."""
        return self.popularity if self.packed is None else self.packed

    @property
    def share_mapped(self) -> float:
        """How many of the price values in the payload became price rows (or were understood as "not charged"), 0 to 1."""
        return 1.0 if not self.price_values else 1 - sum(self.unmapped.values()) / self.price_values

    def reject(self, relation: str, provider: str | None, listed_id: str | None, reason: str, original: object) -> None:
        """Put a part of the payload aside, with its reason and the beginning of its text."""
        self.rejects.append(Reject(relation, provider, listed_id, reason, as_json(original)[:ORIGINAL_LIMIT]))

    def note(self, relation: str, provider: str, reason: str) -> None:
        """Say that the payload does not speak of all there is of a provider, and why: what it does not name goes on as it was."""
        self.rejects.append(Reject(relation, provider, None, reason, "", broken=False))

    def odd(self, listed_id: str, name: str, found: object, why: str) -> None:
        """Report a value of an optional field that was left out or cleaned."""
        self.oddities.append(Oddity(listed_id, name, _NOT_FOR_TEXT.sub("", str(found)[:100]), why))

    def unmap(self, path: str, found: object) -> None:
        """Count the price values in something below a price list that no rule maps, by path; what holds no amount is drift."""
        rest = [(path, found)]
        while rest:
            path, found = rest.pop()
            if isinstance(found, dict):
                rest.extend((f"{path}.{key}", value) for key, value in found.items())
            elif isinstance(found, list):
                rest.extend((f"{path}[]", value) for value in found)
            elif isinstance(found, str | int | Decimal) and _AMOUNT.fullmatch(str(found)):
                self.price_values += 1
                self.unmapped[path] += 1
            else:
                self.drift[path] += 1

    def quote(
        self,
        provider: str,
        listed_id: str,
        meter: str,
        found: object,
        scale: int | None = None,
        *,
        service_tier: str = "standard",
        prompt_above_tokens: int = 0,
        time_window: str = "",
        region: str = "",
        detail: str = "",
        currency: str = "USD",
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        zero: str = "free",
    ) -> None:
        """Append the price row of one quoted value, and count it as a price value of the payload.

        `scale` is what one quoted unit must be multiplied by to be per the meter's published unit: left out, the quote is per single unit
        (per token, per request), 1 where the source quotes per the published unit already (USD per 1M tokens). `zero` is the state that a
        quoted 0 has: "free", or "included" where the listing belongs to a subscription. A null quote is "unknown". What is no amount, or a
        negative one, is rejected with its reason: a source with a sentinel of its own handles it before.
        """
        self.price_values += 1
        if found is None:
            amount, state = None, "unknown"
        else:
            try:
                amount = exact(found, _FACTOR[meter] if scale is None else scale)
                if amount < 0:
                    raise BadAmount(f"{str(found)[:40]!r} is negative")
            except BadAmount as bad:
                unclear = Price(
                    provider, listed_id, meter, service_tier, prompt_above_tokens, time_window, region, detail, currency,
                    effective_from, "unknown", None, effective_to,
                )  # fmt: skip
                text = as_json({"listed_id": listed_id, "meter": meter, "found": found})[:ORIGINAL_LIMIT]
                self.rejects.append(Reject("price", provider, listed_id, f"price of {meter}: {bad}", text, unclear))
                return
            state = "paid" if amount else zero
            if zero != "free" and not amount:
                amount = None
        self.prices.append(
            Price(
                provider, listed_id, meter, service_tier, prompt_above_tokens, time_window, region, detail, currency,
                effective_from, state, amount, effective_to,
            )
        )  # fmt: skip

    def state_only(self, provider: str, listed_id: str, meters: Iterable[str], state: str) -> None:
        """Append rows without an amount: `unknown` for a listing without any price, `dynamic` for a router, `included` for a plan."""
        for meter in meters:
            self.prices.append(Price(provider, listed_id, meter, "standard", 0, "", "", "", "USD", None, state, None, None))


class Answer(Protocol):
    """What came of asking a URL: its whole body, inflated, and its headers in lower case. `body` is empty where it has not changed."""

    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Ask(Protocol):
    """Asks a URL as every source is asked: politely, with one deadline and limits. Raises FetchFailed.

    With an `etag` it asks whether the body is another one, and returns null where it is not.
    """

    def __call__(
        self, url: str, *, headers: Mapping[str, str] | None = None, accept: str = "application/json", etag: str | None = None
    ) -> Answer | None: ...


@dataclass(frozen=True)
class Source:
    """A public feed: its name (also of its assets), where it is, and the pure function from its decoded payload to rows.

    `kind` is what it is read for: "prices", "models", "scores" or "mentions". `decode` makes the object that `parse` reads from the bytes of a
    payload, and raises BadPayload. `path` leads from the whole payload to the entry of a listing: a step is a key of an object, or (key, value)
    of the item in an array.

    `headers` are sent with every request. Where one request is not enough, `gather` makes the payload of several: it is given a way to ask, and
    the payload that was kept last (null: none), so that what has not changed need not be sent again. `why_off` says why a source is not read
    now, such as for want of a key; null where it is.
    """

    name: str
    url: str
    parse: Callable[[Any], Parsed]
    about: str
    freshness_hours: int = 36
    extension: str = "json"
    path: Callable[[str, str], Sequence[str | tuple[str, str]]] | None = None
    kind: str = "prices"
    decode: Callable[[bytes], object] = strict_json.loads
    accept: str = "application/json"
    headers: Callable[[], Mapping[str, str]] = dict
    gather: Callable[[Ask, bytes | None], bytes] | None = None
    why_off: Callable[[], str | None] = lambda: None

    @property
    def on_disk(self) -> bool:
        """Whether the source is a file of this machine, so that it can be read without a network."""
        return self.url.startswith("file:")

    def rows(self, body: bytes) -> Parsed:
        """The rows of a payload. Raises BadPayload."""
        return self.parse(self.decode(body))

    @property
    def description(self) -> str:
        """The source's docstring as Markdown, its table of facts (`Source  https://...`) as a list."""
        return re.sub(r"^(Source|Grain|Units|Past) +(.*)$", r"- **\1**: \2", self.about.strip(), flags=re.MULTILINE)

    def locate(self, payload: object, provider: str, listed_id: str) -> tuple[str, object] | None:
        """(JSON pointer, entry) of a listing in the source's decoded payload; null where it is not there."""
        if self.path is None:
            return None
        pointer, found = "", payload
        for step in self.path(provider, listed_id):
            if isinstance(step, str):
                key: str | int | None = step if isinstance(found, dict) and step in found else None
            else:
                items = found if isinstance(found, list) else []
                key = next((n for n, item in enumerate(items) if isinstance(item, dict) and item.get(step[0]) == step[1]), None)
            if key is None:
                return None
            found = found[key]  # type: ignore[index]
            pointer += "/" + str(key).replace("~", "~0").replace("/", "~1")
        return pointer, found


def as_json(found: object) -> str:
    """Canonical JSON text: keys sorted, no blanks, decimals as text. Equal values give equal text.

    Control and direction characters are left out: Postgres takes neither NUL nor half a surrogate pair, escaped or not.
    """
    text = _encode(found)
    if "\\u00" in text or not text.isprintable():
        text = _ESCAPED.sub(r"\1", _NOT_FOR_TEXT.sub("", text))
    return text


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode


def mapping(found: object, where: str) -> Mapping[str, object]:
    """`found` if it is a JSON object; else BadPayload naming `where`. For envelopes, not for single entries."""
    if not isinstance(found, dict):
        raise BadPayload(
            f"{where} should be a JSON object and is {kind(found)}. Look at the payload in raw; the source may have changed its shape."
        )
    return found


def sequence(found: object, where: str) -> list[object]:
    """`found` if it is a JSON array; else BadPayload naming `where`. For envelopes, not for single entries."""
    if not isinstance(found, list):
        raise BadPayload(
            f"{where} should be a JSON array and is {kind(found)}. Look at the payload in raw; the source may have changed its shape."
        )
    return found


def kind(found: object) -> str:
    """What JSON calls a value, for error messages."""
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        Decimal: "a number",
        type(None): "null",
    }
    return names.get(type(found), type(found).__name__)


def part(parsed: Parsed, listed_id: str, name: str, found: object, known: frozenset[str], extra: dict[str, object]) -> Mapping[str, object]:
    """An object within an entry, empty where it is missing or none. Its keys that are not `known` are drift, and kept in `extra`."""
    if not isinstance(found, dict):
        if found is not None:
            parsed.odd(listed_id, name, found, f"{kind(found)} where an object belongs")
        return {}
    for key in found.keys() - known:
        parsed.drift[f"model.{name}.{key}"] += 1
        extra[f"{name}.{key}"] = found[key]
    return found


def clean_text(parsed: Parsed, listed_id: str, name: str, found: object, limit: int = 100_000) -> str | None:
    """An optional text: stripped, without control, zero-width and bidirectional characters; null when empty, no text, or beyond `limit`."""
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        parsed.odd(listed_id, name, found, f"{kind(found)} where a text belongs")
        return None
    text = found
    if not found.isprintable() and _NOT_FOR_TEXT.search(found):
        text = _NOT_FOR_TEXT.sub("", found)
        parsed.odd(listed_id, name, ascii(found), "control or direction characters were removed")
    text = text.strip()
    if len(text) > limit:
        parsed.odd(listed_id, name, text[:60], f"longer than {limit} characters")
        return None
    return text or None


def id_problem(found: object) -> str | None:
    """Why `found` cannot be an id (null when it can): ids are text of 1 to 512 characters without control or direction characters."""
    if not isinstance(found, str) or not found.strip():
        return f"{kind(found)} where an id belongs" if not isinstance(found, str) else "an empty id"
    if len(found) > NAME_LIMIT:
        return f"an id of {len(found)} characters (at most {NAME_LIMIT})"
    if not found.isprintable() and (_NOT_FOR_TEXT.search(found) or "\n" in found or "\t" in found or "\r" in found):
        return "an id with control or direction characters"
    return None


def tokens(parsed: Parsed, listed_id: str, name: str, found: object) -> int | None:
    """An optional number of tokens. 0 ("does not apply") and numbers like 99999999 are null; 2000000.0 is 2000000."""
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        parsed.odd(listed_id, name, found, f"{kind(found)} where a number of tokens belongs")
        return None
    if not 0 <= found < 2**53 or found != int(found):  # the bound first: int(Decimal("1e999999999")) takes all memory
        parsed.odd(listed_id, name, found, "not a whole number of tokens")
        return None
    if str(int(found)).strip("9") == "" and found >= 99_999_999:
        parsed.odd(listed_id, name, found, "a row of nines is no limit")
        return None
    return int(found) or None


_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
NO_DATES = ("1970-01-01", "2098-12-31", "9999-12-31")


@lru_cache(maxsize=8192)
def read_date(text: str) -> tuple[date, str] | str:
    """(first day, precision) of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; else, as a text, why it is none."""
    match = _DATE.fullmatch(text)
    if not match:
        return "not a date"
    if text in NO_DATES:
        return "a sentinel for no date"
    year, month, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1)), "day" if day else "month" if month else "year"
    except ValueError:
        return "not a day of the calendar"


def day_of(parsed: Parsed, listed_id: str, name: str, found: object) -> tuple[date | None, str | None]:
    """An optional date with its precision; (null, null) and an oddity where it is impossible or a sentinel."""
    if found is None or found == "":
        return None, None
    read = read_date(found) if isinstance(found, str) else f"{kind(found)} where a date belongs"
    if isinstance(read, str):
        parsed.odd(listed_id, name, found, read)
        return None, None
    return read


def words(parsed: Parsed, listed_id: str, name: str, found: object) -> tuple[str, ...]:
    """An optional list of words, sorted and without repeats; empty where the source says nothing."""
    if found is None:
        return ()
    if not isinstance(found, list):
        parsed.odd(listed_id, name, found, f"{kind(found)} where a list of words belongs")
        return ()
    good = [word for word in found if isinstance(word, str) and word and word.isprintable()]
    if len(good) < len(found):
        parsed.odd(listed_id, name, found, "not all of it are words")
    return tuple(sorted(set(good)))


def flag(parsed: Parsed, listed_id: str, name: str, found: object) -> bool | None:
    """An optional yes or no; null and an oddity where it is something else."""
    if found is None or isinstance(found, bool):
        return found
    parsed.odd(listed_id, name, found, f"{kind(found)} where yes or no belongs")
    return None
