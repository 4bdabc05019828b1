"""Instants as people give them, and rows as JSON can hold them."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from model_assets.errors import ModelAssetsError
from model_assets.ledger.describe import decimal_text

Answer = dict[str, Any]


def read_instant(given: str) -> datetime:
    """An instant as people give it: `now`, `2026-01-16T00:10Z`, `2026-01-16T0010Z`, or a day, which stands for its end.

    Raises ModelAssetsError, saying which forms there are.
    """
    given = given.strip()
    if given == "now":
        return datetime.now(UTC)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            return datetime.combine(date.fromisoformat(given), time.max, UTC)
        if not re.match(r"\d{4}-\d\d-\d\d[T ]", given):  # 20260116 and 2026-W03-5 are days too, but not read as their end below
            raise ValueError(given)
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ModelAssetsError(
            f"{given!r} is no instant. Use 2026-01-16T00:10Z, a day such as 2026-01-16 (which stands for its end), or now."
        ) from None


def plain(row: Answer) -> Answer:
    """A row as JSON can hold it: amounts as exact text, instants in UTC with a Z, spans in seconds; keys as text, being larger than 2^53."""
    return {name: str(value) if name == "key_id" else _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    return value.isoformat() if hasattr(value, "isoformat") else value
