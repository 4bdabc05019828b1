"""Which row of a price list counts: the one place where conditions are understood, for a single request and for a log of millions.

The rows are those of one offer at one instant. For each meter, in this order:

- **currency**: USD where the meter has a price in it, else the first by name;
- **region**: rows of the region asked for; where the meter has none, those that name no region. A row of another region never counts. An
  offer all of whose rows are of one region is of that region, and it need not be asked for;
- **service tier**: rows of the tier asked for. A tier is never priced as another: where the meter has no row of it, the meter has no
  price. Only fees of tools and calls (FEES) that no tier changes stay what they are. A tier that says nothing of a bound at which the
  standard price changes has no price above it: what flex or batch costs there is not what it costs below;
- **prompt bound and time of day**, among the rows that hold: "above N" is a prompt of more than N tokens, and crossing it reprices the whole
  request. So all four sources mean it: genai-prices' `tier.start`, OpenRouter's `min_prompt_tokens`, LiteLLM's `above_Nk_tokens` (its own
  calculator lets xAI's begin at N itself: one token, which is left), models.dev's `tier.size` as its own client reads it. The highest bound
  counts, then the narrowest window. A meter without a row above a bound that others have keeps its row without one;
- **size or quality**: the one asked for; where none was asked for, the row that names none, or any where all cost the same.

What has no price is said so, with its reason; no price stands in for another meter's (a cache write of an hour is not one of five minutes).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from model_assets.contracts import METERS, PER_FACTOR
from model_assets.cost.usage import SECOND_METERS, SECONDS
from model_assets.cost.windows import Window, read_window

STANDARD = "standard"
#: fees of calls and tools: charged besides the tokens, and not changed by a tier unless the price list says so
FEES = frozenset({"request", "web_search", "map_search", "file_search", "session", "guardrail_unit", "gigabyte_day"})
#: other names that providers' logs have for a tier
TIER_NAMES = {"": STANDARD, "default": STANDARD, "auto": STANDARD, "on_demand": STANDARD, "batches": "batch"}


def tier_name(found: str) -> str:
    """A service tier as price rows spell it: `default` and `auto` are what providers' answers call the standard one."""
    tier = found.strip().lower()
    return TIER_NAMES.get(tier, tier)


class PriceRow(NamedTuple):
    """One row of a price list, and who says so. `amount` is in `currency` per the meter's unit; null unless paid or free."""

    meter: str
    amount: Decimal | None
    state: str = "paid"
    currency: str = "USD"
    service_tier: str = STANDARD
    prompt_above_tokens: int = 0
    time_window: str = ""
    region: str = ""
    detail: str = ""
    offer: str = ""
    provider: str = ""
    model: str = ""
    source: str = ""
    source_provider: str = ""
    listed_id: str = ""
    rule: str = ""
    disputed: bool = False
    held: bool = False
    held_id: str | None = None
    said_state: str | None = None
    said_amount: Decimal | None = None
    unconfirmed: bool = False
    seen_since: datetime | None = None

    @property
    def per(self) -> str:
        """What one amount is for: `1M tokens`."""
        return METERS[self.meter][0]

    @property
    def per_factor(self) -> int:
        """How many of the meter's single units one amount is for."""
        return PER_FACTOR[self.per]


def row_of(found: Mapping[str, object]) -> PriceRow:
    """The row that a record of `catalog.price` holds; columns that do not matter here are left out, and null conditions are none."""
    said = {name: found[name] for name in PriceRow._fields if name in found and found[name] is not None}
    return PriceRow(**({"amount": None} | said))  # type: ignore[arg-type]


class Asked(NamedTuple):
    """What of a request decides which row counts."""

    service_tier: str = STANDARD
    region: str = ""
    prompt_tokens: int = 0
    open_windows: frozenset[str] = frozenset()
    details: Mapping[str, str] = {}


class Choice(NamedTuple):
    """The row that counts and why; or why the meter has no price. Never both: a row here has an amount, or is covered by a plan."""

    row: PriceRow | None
    why: str

    @property
    def priced(self) -> bool:
        """Whether there is something to multiply by."""
        return self.row is not None

    @property
    def unit_amount(self) -> Decimal:
        """What one unit of `per` costs; 0 where a plan covers it. Only of a choice with a row."""
        assert self.row is not None
        return self.row.amount if self.row.amount is not None else Decimal(0)


class Charge(NamedTuple):
    """What a count is charged as. `choice` is null where it is not charged by itself: a call without a fee, reasoning within the output."""

    meter: str
    choice: Choice | None
    state: str


class NoPrice(Exception):
    """No row of a meter counts; the message says why."""


class PriceTable:
    """The price list of one offer at one instant, asked for one request at a time."""

    def __init__(self, rows: Iterable[PriceRow]) -> None:
        self.rows = tuple(rows)
        self.by_meter: dict[str, list[PriceRow]] = {}
        for row in self.rows:
            self.by_meter.setdefault(row.meter, []).append(row)
        self.bounds = tuple(sorted({row.prompt_above_tokens for row in self.rows if row.prompt_above_tokens}))
        self.regions = frozenset(row.region.lower() for row in self.rows if row.region)
        #: the region of an offer that is sold in one region alone, which need not be asked for
        self.own_region = next(iter(self.regions)) if len(self.regions) == 1 and all(row.region for row in self.rows) else ""
        self.windows: dict[str, Window] = {}
        self.unread_windows: set[str] = set()
        for text in sorted({row.time_window for row in self.rows if row.time_window}):
            try:
                self.windows[text] = read_window(text)
            except ValueError:
                self.unread_windows.add(text)

    def open_windows(self, at: datetime) -> frozenset[str]:
        """Those of its windows that are open at an instant."""
        return frozenset(text for text, window in self.windows.items() if window.is_open(at))

    def charge(self, name: str, asked: Asked) -> Charge:
        """What a count of `name` (a meter, or `seconds`) is charged as in a request."""
        meter = name
        if name == SECONDS:
            quoted = [meter for meter in SECOND_METERS if meter in self.by_meter]
            if len(quoted) != 1:
                why = f"it could be any of {', '.join(quoted)}: say which" if quoted else "nothing is priced by the second"
                return Charge(SECONDS, Choice(None, why), "")
            meter = quoted[0]
        if meter == "request" and meter not in self.by_meter:
            return Charge(meter, None, "")
        if meter == "reasoning" and not any(row.state == "paid" for row in self.by_meter.get(meter, ())):
            return Charge(meter, None, "")
        try:
            row, why = self._pick(meter, asked)
        except NoPrice as none:
            return Charge(meter, Choice(None, str(none)), "")
        if row.state in ("unknown", "dynamic"):
            unstated = (
                f"the price that {row.source} states is held"
                if row.held
                else f"its price is not stated{f' by {row.source}' if row.source else ''}"
            )
            reason = "its price depends on the route" if row.state == "dynamic" else unstated
            return Charge(meter, Choice(None, f"{reason} ({why})"), row.state)
        return Charge(meter, Choice(row, why), row.state)

    def _pick(self, meter: str, asked: Asked) -> tuple[PriceRow, str]:
        rows = self.by_meter.get(meter, [])
        if not rows:
            raise NoPrice("no price is known")
        notes: list[str] = []
        rows = _of_detail(rows, asked.details.get(meter, ""), notes)
        rows = _of_currency(rows)
        rows = _of_region(rows, asked.region or self.own_region, notes)
        rows = _of_tier(rows, asked, notes)
        rows = self._that_hold(rows, asked, notes)
        if len({(row.state, row.amount) for row in rows}) > 1:
            raise NoPrice(f"it is priced by size or quality ({', '.join(sorted({row.detail for row in rows}))}): say which")
        return min(rows, key=lambda row: row.detail), ", ".join(notes) or "the list price"

    def _that_hold(self, rows: list[PriceRow], asked: Asked, notes: list[str]) -> list[PriceRow]:
        crossed = [row for row in rows if row.prompt_above_tokens < asked.prompt_tokens or not row.prompt_above_tokens]
        if not crossed:
            raise NoPrice(f"it is priced only above {min(row.prompt_above_tokens for row in rows):,} prompt tokens")
        holding = [row for row in crossed if not row.time_window or row.time_window in asked.open_windows]
        if not holding:
            windows = ", ".join(sorted({row.time_window for row in crossed}))
            unread = "; not every window could be read" if self.unread_windows else ""
            raise NoPrice(f"it has no price at this time, only in {windows}{unread}")
        best = max(_rank(row, self.windows) for row in holding)
        chosen = [row for row in holding if _rank(row, self.windows) == best]
        if bound := chosen[0].prompt_above_tokens:
            notes.append(f"above {bound:,} prompt tokens, for the whole request")
        passed = max((bound for bound in self.bounds if bound < asked.prompt_tokens), default=0)
        if bound < passed:
            notes.append(f"it has no price of its own above {passed:,} prompt tokens")
        if chosen[0].time_window:
            notes.append(f"in {chosen[0].time_window}")
        return chosen


def _rank(row: PriceRow, windows: Mapping[str, Window]) -> tuple[int, int, str]:
    """The higher, the more particular a condition: the highest bound, then the narrowest window (its text decides between equals)."""
    return row.prompt_above_tokens, -windows[row.time_window].minutes if row.time_window else -(10**6), row.time_window


def _of_detail(rows: Sequence[PriceRow], asked: str, notes: list[str]) -> list[PriceRow]:
    exact = [row for row in rows if row.detail == asked]
    if asked and exact:
        notes.append(f"for {asked}")
    if asked and not exact:
        exact = [row for row in rows if not row.detail]
        notes.append(f"it has no price of its own for {asked}")
        if not exact:
            raise NoPrice(f"it has no price for {asked}, only for {', '.join(sorted({row.detail for row in rows}))}")
    return exact or list(rows)


def _of_currency(rows: Sequence[PriceRow]) -> list[PriceRow]:
    currency = min({row.currency for row in rows}, key=lambda name: (name != "USD", name))
    return [row for row in rows if row.currency == currency]


def _of_region(rows: Sequence[PriceRow], asked: str, notes: list[str]) -> list[PriceRow]:
    region = asked.lower()
    own = [row for row in rows if row.region.lower() == region]
    if own:
        if region:
            notes.append(f"in region {own[0].region}")
        return own
    anywhere = [row for row in rows if not row.region]
    if not anywhere:
        named = ", ".join(sorted({row.region for row in rows}))
        raise NoPrice(f"it is priced in region {named}, not in {asked}" if asked else f"it is priced only in region {named}")
    notes.append(f"it has no price of its own in region {asked}")
    return anywhere


def _of_tier(rows: Sequence[PriceRow], asked: Asked, notes: list[str]) -> list[PriceRow]:
    tier = asked.service_tier
    own = [row for row in rows if row.service_tier == tier]
    if tier == STANDARD:
        if not own:
            raise NoPrice(f"it is priced only at service tier {', '.join(sorted({row.service_tier for row in rows}))}")
        return own
    standard = [row for row in rows if row.service_tier == STANDARD]
    if not own:
        if standard and len(standard) == len(rows) and rows[0].meter in FEES:
            notes.append(f"a fee that has no {tier} price")
            return standard
        raise NoPrice(f"it has no {tier} price; another tier's does not stand in for it")
    passed = _highest_bound(standard, asked.prompt_tokens)
    if _highest_bound(own, asked.prompt_tokens) < passed:
        raise NoPrice(f"its {tier} price above {passed:,} prompt tokens is not stated, and the standard one changes there")
    notes.append(f"the {tier} price")
    return own


def _highest_bound(rows: Iterable[PriceRow], prompt_tokens: int) -> int:
    return max((row.prompt_above_tokens for row in rows if row.prompt_above_tokens < prompt_tokens), default=0)
