"""What requests cost, in order and as JSON can hold it."""

from decimal import Decimal
from typing import Any

from model_assets.answers.plain import plain
from model_assets.cost.evaluate import Answer
from model_assets.ledger.describe import decimal_text


def in_order(found: tuple[str, Answer]) -> tuple[object, ...]:
    """Whole answers first, the cheapest before the dearer."""
    offer, answer = found
    return (answer.partial, len(answer.totals) != 1, sum(answer.totals.values()), offer)


def as_plain(offer: str, answer: Answer) -> dict[str, Any]:
    """An answer for JSON."""
    lines = [
        {
            "meter": line.meter, "quantity": decimal_text(Decimal(line.quantity)), "per": line.per, "currency": line.currency, "state": line.state,
            "why": line.why,
            "unit_amount": None if line.unit_amount is None else decimal_text(line.unit_amount),
            "amount": None if line.amount is None else decimal_text(line.amount),
            **({name: getattr(line.row, name) for name in ("source", "listed_id", "rule", "held", "disputed", "unconfirmed")} if line.row else {}),
        }
        for line in answer.lines
    ]  # fmt: skip
    return {
        "offer": offer, "totals": {currency: decimal_text(amount) for currency, amount in answer.totals.items()}, "partial": answer.partial,
        "flags": list(answer.flags), "prompt_tokens": answer.prompt_tokens, "service_tier": answer.service_tier, "region": answer.region,
        "at": plain({"at": answer.at})["at"], "lines": lines, "warnings": list(answer.warnings),
    }  # fmt: skip
