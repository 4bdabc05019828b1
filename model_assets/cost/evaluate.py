"""What one request cost: an answer that shows each line, the row it was priced by, and why that row; and that never hides what is missing.

`evaluate` is pure. Amounts are exact decimals: nothing is rounded, nor passed through a binary float.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from model_assets.cost.table import STANDARD, Asked, PriceRow, PriceTable, tier_name
from model_assets.cost.usage import Quantity, Usage
from model_assets.errors import ModelAssetsError

#: arithmetic that would rather fail than round
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True)
class Line:
    """One count of a request. `amount` (in `currency`) and `row` are null where it has no price; `why` says why, or why this row."""

    meter: str
    quantity: Quantity
    per: str
    unit_amount: Decimal | None
    currency: str
    amount: Decimal | None
    state: str
    row: PriceRow | None
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request cost. `totals` (by currency) hold what could be priced: the whole only where `partial` is false."""

    lines: tuple[Line, ...]
    totals: dict[str, Decimal]
    prompt_tokens: int
    service_tier: str
    region: str
    at: datetime
    warnings: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> tuple[Line, ...]:
        """The lines without a price."""
        return tuple(line for line in self.lines if line.amount is None)

    @property
    def partial(self) -> bool:
        """Whether something has no price, so that the total is not the whole."""
        return bool(self.missing)

    @property
    def unknown(self) -> bool:
        """Whether a source lists something of it and does not state its price."""
        return any(line.state == "unknown" for line in self.lines)

    @property
    def dynamic(self) -> bool:
        """Whether the price of something depends on the route that the request took."""
        return any(line.state == "dynamic" for line in self.lines)

    @property
    def free(self) -> bool:
        """Whether all of it is confirmed to cost nothing."""
        return bool(self.lines) and all(line.state == "free" for line in self.lines)

    @property
    def included(self) -> bool:
        """Whether something of it is covered by a plan, so that it costs nothing besides the plan."""
        return any(line.state == "included" for line in self.lines)

    @property
    def held(self) -> bool:
        """Whether a price it rests on is the last good one, while a newer one is held."""
        return any(line.row is not None and line.row.held for line in self.lines)

    @property
    def disputed(self) -> bool:
        """Whether sources disagree about a price it rests on."""
        return any(line.row is not None and line.row.disputed for line in self.lines)

    @property
    def unconfirmed(self) -> bool:
        """Whether a price it rests on has not been confirmed yet."""
        return any(line.row is not None and line.row.unconfirmed for line in self.lines)

    @property
    def flags(self) -> tuple[str, ...]:
        """The names of all that makes it more than a plain number; empty where the total may be printed alone."""
        names = ("partial", "unknown", "dynamic", "included", "held", "disputed", "unconfirmed")
        return tuple(name for name in names if getattr(self, name))


def evaluate(prices: PriceTable | Iterable[PriceRow], used: Usage, at: datetime, service_tier: str = STANDARD, region: str = "") -> Answer:
    """What a request at `at` cost by the price list of one offer as it held then.

    Raises ModelAssetsError where `at` has no zone, or nothing was counted that is ever charged.
    """
    if at.tzinfo is None:
        raise ModelAssetsError(f"{at} names no time zone, and some prices follow the time of day. Add one, such as Z.")
    table = prices if isinstance(prices, PriceTable) else PriceTable(prices)
    asked = Asked(tier_name(service_tier), region, used.prompt_tokens, table.open_windows(at), used.details)
    lines = tuple(_lines(table, used, asked))
    if not lines:
        raise ModelAssetsError("Nothing was counted. Say how much was used, such as the tokens of input and output.")
    totals: dict[str, Decimal] = {}
    for line in lines:
        if line.amount is not None:
            totals[line.currency] = EXACT.add(totals.get(line.currency, Decimal(0)), line.amount)
    return Answer(
        lines, totals, asked.prompt_tokens, asked.service_tier, region, at.astimezone(UTC), tuple(_warnings(table, lines, region))
    )


def _lines(table: PriceTable, used: Usage, asked: Asked) -> Iterable[Line]:
    charges = {name: table.charge(name, asked) for name in used.quantities}
    apart = used.quantities["reasoning"] if "reasoning" in charges and charges["reasoning"].choice is not None else 0
    for name, charge in charges.items():
        quantity = used.quantities[name] - (apart if name == "output" else 0)
        if charge.choice is None or not quantity:
            continue
        row, why = charge.choice
        if row is None:
            yield Line(charge.meter, quantity, "", None, "", None, charge.state, None, why)
        else:
            unit = charge.choice.unit_amount
            yield Line(charge.meter, quantity, row.per, unit, row.currency, cost_of(unit, quantity, row.per_factor), row.state, row, why)


def cost_of(unit_amount: Decimal, quantity: Quantity, per_factor: int) -> Decimal:
    """The exact cost of `quantity` single units at `unit_amount` per `per_factor` of them, a power of ten."""
    return EXACT.scaleb(EXACT.multiply(unit_amount, Decimal(quantity)), 1 - len(str(per_factor)))


def _warnings(table: PriceTable, lines: Iterable[Line], region: str) -> Iterable[str]:
    if region and region.lower() not in table.regions:
        yield f"No price names region {region}: prices without a region were used."
    for line in lines:
        if line.row is None:
            yield f"{line.meter} ({line.quantity:,}) is not in the total: {line.why}."
            continue
        if line.row.held:
            newer = "" if line.row.said_amount is None else f" ({line.row.said_amount} {line.currency} per {line.per})"
            yield f"{line.meter}: a newer price{newer} is held; the last good one was used."
        if line.row.disputed:
            yield f"{line.meter}: sources disagree about its price; the one of {line.row.source or 'the first in order'} was used."
        if line.row.unconfirmed:
            yield f"{line.meter}: its price has not been confirmed."
        if line.row.state == "included":
            yield f"{line.meter}: covered by the provider's plan, which is not in the total."
