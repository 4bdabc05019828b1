"""What sources of mentions have in common: reading words, links and instants of what somebody published. The words stay as they came.

Postgres holds neither NUL nor half a surrogate pair: these two are taken out and reported. All else is kept, markup, formulas and direction
characters too; whoever shows it has to make it harmless (`terminal.printable`).
"""

import re
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from hashlib import sha256

from model_assets.sources.base import NAME_LIMIT, Parsed, kind

MOST_TEXT = 500_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
#: names of zones that RFC 822 does not know and feeds use, in seconds east; a name that several places use is none
_ZONES = {"CET": 3600, "CEST": 7200, "EET": 7200, "EEST": 10800, "JST": 32400, "KST": 32400, "UTC": 0, "Z": 0}
_KNOWN_ZONE = re.compile(r"[+-]\d{4}|UT|GMT|[ECMP][SD]T")


def raw_text(parsed: Parsed, item: str, name: str, found: object) -> str | None:
    """An optional text as it came, blanks around it aside; null when there is none. One beyond 500,000 characters is cut, and reported."""
    if found is None:
        return None
    if not isinstance(found, str):
        parsed.odd(item, name, found, f"{kind(found)} where a text belongs")
        return None
    text = _UNSTORABLE.sub("", found)
    if text != found:
        parsed.odd(item, name, ascii(found[:60]), "NUL or half a surrogate pair was removed")
    text = text.strip()
    if len(text) > MOST_TEXT:
        parsed.odd(item, name, text[:60], f"cut after {MOST_TEXT:,} of {len(text):,} characters")
    return text[:MOST_TEXT] or None


def web_link(parsed: Parsed, item: str, name: str, found: object) -> str | None:
    """An optional address on the web; null, and reported, where it is anything but http or https."""
    text = raw_text(parsed, item, name, found)
    if text is None or (_URL.fullmatch(text) and len(text) <= 4 * NAME_LIMIT):
        return text
    parsed.odd(item, name, text, "no http or https address")
    return None


def stable_id(*parts: str | None) -> str:
    """An id for what has none of its own, or one too long: a hash of what it says. Equal parts give equal ids."""
    return "sha256:" + sha256("\x1f".join(part or "" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


def instant(parsed: Parsed, item: str, name: str, found: object) -> datetime | None:
    """An optional instant as RFC 822, ISO 8601 or seconds since 1970, in UTC; without a zone it is taken for UTC.

    Null, and reported, where it cannot be read, names a zone nobody can place, or lies before 1990 or after 2100.
    """
    if found is None or found == "":
        return None
    try:
        read = _seconds(found) if isinstance(found, int) and not isinstance(found, bool) else _written(str(found).strip())
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        read = None
    if read is None or not 1990 <= read.year <= 2100:
        parsed.odd(item, name, found, "no date that can be read")
        return None
    return read


def _seconds(found: int) -> datetime | None:
    return datetime.fromtimestamp(found, UTC) if 0 < found < 2**33 else None


def _written(text: str) -> datetime | None:
    if re.match(r"\d{4}-\d\d-\d\d", text):
        read = datetime.fromisoformat(text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    *rest, zone = text.split()
    if zone.upper() in _ZONES:
        text, east = " ".join(rest), _ZONES[zone.upper()]
    elif zone.isalpha() and not _KNOWN_ZONE.fullmatch(zone.upper()):
        return None
    else:
        east = 0
    parts = parsedate_tz(text)
    if parts is None:
        return None
    datetime(*parts[:6])  # mktime_tz takes the 31st of February
    return datetime.fromtimestamp(mktime_tz((*parts[:9], east or parts[9] or 0)), UTC)
