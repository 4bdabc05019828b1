"""JSON as the standard has it, and not one step further: what is doubtful is refused, in words that say where.

The standard library's parser guesses at encodings, takes NaN, lets the second of two equal keys win, and turns prices into floats.
Here a payload is UTF-8 without a byte order mark, a key occurs once per object, and a number with a fraction or an exponent is the exact
`Decimal` that was written. Lone surrogates and NULs inside strings pass: they spoil a row, not the document, and rows are judged later.
"""

import json
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NoReturn

import msgspec

from model_assets.errors import BadPayload

LONGEST_NUMBER = 1_000
"""Characters of a number with a fraction or an exponent."""
WIDEST_EXPONENT = 400
"""Powers of ten either side of 1; floats end before 1e309. Writing out 1e999999999 would take a gigabyte."""
LONGEST_INTEGER = sys.int_info.default_max_str_digits


def loads(body: bytes) -> object:
    """The value that `body` holds. Whatever is wrong with it is a `BadPayload`."""
    text = _text(body)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as broken:
        raise BadPayload(_why_not_json(text, broken)) from None
    except _Refused as refused:
        raise BadPayload(f"bad JSON: {refused.what}{_place(text, refused.literal)}. {refused.remedy}") from None
    except RecursionError:
        raise BadPayload("bad JSON: arrays or objects are nested too deep to be a catalogue. Look at the payload.") from None
    except MemoryError:
        raise BadPayload(f"bad JSON: {len(body):,} bytes take more memory than there is. Look at the payload.") from None


def loads_fast(body: bytes) -> object:
    """As `loads`, in a fifth of the time where the text is as a machine writes it: without blanks, nothing escaped that need not be.

    The fast parser would let the second of two equal keys win, and round what is out of range. So its result counts only if it is written back
    letter for letter: then nothing was lost. All else is left to `loads`.
    """
    try:
        found: object = _FAST.decode(body)
        if _WRITE.encode(found) == body:
            return found
    except (_Refused, msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        pass  # `loads` says what is wrong with it, if anything is
    return loads(body)


class _Refused(Exception):
    """Valid JSON that we do not take. `literal` is how it is written, where that is known, so that its place can be found."""

    def __init__(self, what: str, literal: str = "", remedy: str = "Look at the payload, and tell the source.") -> None:
        super().__init__(what)
        self.what, self.literal, self.remedy = what, literal, remedy


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse_twins(pairs)
    return found


def _refuse_twins(pairs: list[tuple[str, object]]) -> NoReturn:
    (twin, _), *_ = Counter(key for key, _ in pairs).most_common(1)
    first, value = pairs[0]
    raise _Refused(f"the key {_short(twin)} occurs twice in the object that begins with {_short(first)}: {_short(value)}")


@lru_cache(maxsize=8_192)
def _decimal(literal: str) -> Decimal:
    if len(literal) > LONGEST_NUMBER:
        raise _Refused(f"a number of {len(literal):,} characters", literal)
    try:
        number = Decimal(literal)
    except InvalidOperation:  # an exponent too large even for Decimal
        raise _Refused(f"the number {_short(literal)} is out of all range", literal) from None
    if not number.is_finite() or abs(number.adjusted()) > WIDEST_EXPONENT:  # not finite: where a caller's context traps nothing
        raise _Refused(f"the number {_short(literal)} is out of all range", literal)
    return number


@lru_cache(maxsize=8_192)
def _integer(literal: str) -> int:
    if len(literal) > LONGEST_INTEGER:  # not left to int(): its limit can be switched off, and then it takes quadratic time
        raise _Refused(f"an integer of {len(literal):,} digits", literal)
    return int(literal)


def _constant(literal: str) -> NoReturn:
    raise _Refused(f"{literal} is not a number in JSON", literal)


_FAST, _WRITE = msgspec.json.Decoder(float_hook=_decimal), msgspec.json.Encoder(decimal_format="number")
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant)


def _text(body: bytes) -> str:
    if not body.strip():
        raise BadPayload(f"not JSON: the body is empty ({len(body)} bytes). Try again later.")
    for mark, name in _MARKS.items():
        if body.startswith(mark):
            raise BadPayload(f"not UTF-8 JSON: {name} at byte 0. Look at the payload, and tell the source.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as broken:
        found = f"byte 0x{body[broken.start]:02x} at byte {broken.start:,} of {len(body):,} is not UTF-8 ({broken.reason})"
        raise BadPayload(f"not UTF-8 JSON: {found}. Look at the payload, and tell the source.") from None


_MARKS = {
    b"\xef\xbb\xbf": "a UTF-8 byte order mark",
    b"\xff\xfe": "a UTF-16 or UTF-32 byte order mark",
    b"\xfe\xff": "a UTF-16 byte order mark",
    b"\x1f\x8b": "a gzip header",
}


def _why_not_json(text: str, broken: json.JSONDecodeError) -> str:
    if text.lstrip().startswith("<"):
        return f"not JSON: looks like an HTML page ({_short(text.strip())}). Check the URL: it may want a login, or be down."
    what = (broken.msg[:1].lower() + broken.msg[1:]).removesuffix(" at").removesuffix(" starting")
    if broken.pos >= len(text.rstrip()) or broken.msg.startswith("Unterminated"):
        return f"not JSON: the document ends too early, {what}, {_at(text, broken.pos)}. It was cut: fetch it again."
    return f"not JSON: {what}, {_at(text, broken.pos)}. Look at the payload, and tell the source."


def _place(text: str, literal: str) -> str:
    return f", {_at(text, text.find(literal))}" if literal else ""


def _at(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"at byte {len(text[:position].encode()):,} (line {line:,})"


def _short(value: object) -> str:
    """At most 40 characters of a value, as ASCII, so that nothing in a payload can disturb a terminal or a log."""
    if isinstance(value, dict | list):
        return "{...}" if isinstance(value, dict) else "[...]"
    shown = ascii(value[:60]) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
