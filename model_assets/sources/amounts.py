"""Exact amounts from the text of a payload.

A float's noise (`0.049999999999999996`, `0.00000008333333333333334` against `...333`) shows only from the sixteenth significant digit
on: a double carries 15 to 17 (IEEE 754), and no published price has more than six. So every amount is rounded to 15 significant digits,
and two spellings of one price are equal.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, Overflow, Underflow
from functools import lru_cache

_FIFTEEN_DIGITS = Context(prec=15, rounding=ROUND_HALF_EVEN, Emin=-999, Emax=999, traps=[InvalidOperation, Overflow, Underflow])
SMALLEST, LARGEST = Decimal("1e-12"), Decimal("1e9")


class BadAmount(ValueError):
    """A value that stands where a price belongs and is none. `str()` of it says what was found."""


@lru_cache(maxsize=65536)
def _scaled(text: str, factor: int) -> Decimal:
    try:
        amount = _FIFTEEN_DIGITS.multiply(_FIFTEEN_DIGITS.create_decimal(text), Decimal(factor))
    except InvalidOperation:
        raise BadAmount(f"{text[:40]!r} is not a number") from None
    except (Overflow, Underflow):  # "1e-5000" must not become a confirmed 0
        raise BadAmount(f"{text[:40]!r} is out of the range of any price") from None
    if not amount.is_finite():
        raise BadAmount(f"{text[:40]!r} is not a finite number")
    if not amount:
        return Decimal(0)
    if not SMALLEST <= abs(amount) <= LARGEST:
        raise BadAmount(f"{text[:40]!r} is out of the range of any price ({SMALLEST} to {LARGEST} USD per unit)")
    return Decimal(f"{amount.normalize(_FIFTEEN_DIGITS):f}")


def exact(found: object, factor: int = 1) -> Decimal:
    """The amount `found` stands for, times `factor`, rounded to 15 significant digits, without exponent or trailing zeros.

    `found` is a JSON number as decoded by `strict_json.loads` (int or Decimal) or a text holding a number. The result may be negative:
    what a negative amount means is the source's to say (`-1` is OpenRouter's "depends on the route").

    Raises BadAmount where `found` is no finite number, a bool, or beyond any price.
    """
    if isinstance(found, bool) or not isinstance(found, int | str | Decimal):
        raise BadAmount(f"{str(found)[:40]!r} ({type(found).__name__}) is not a number")
    if isinstance(found, int) and abs(found) > 10**18:
        raise BadAmount("an integer of more than 18 digits is out of the range of any price")
    return _scaled(str(found), factor)
