"""Text without its markup, for matching only: nothing else reads it, and what is stored and shown is the text as it came."""

import re
from bisect import bisect_right
from html import unescape

#: elements that stand within a word or a sentence; any other ends what comes before it
_INLINE = frozenset({"a", "abbr", "b", "code", "em", "font", "i", "mark", "small", "span", "strong", "sub", "sup", "tt", "u", "wbr"})
#: their content is no text
_MARKUP = re.compile(
    r"<(?P<hidden>script|style)\b.*?</(?P=hidden)\s*>|<!--.*?-->|</?(?P<tag>[a-zA-Z][a-zA-Z0-9]*)\b[^<>]{0,4000}>|&#?[a-zA-Z0-9]{1,31};",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"']+")


class Plain:
    """A text without markup, entities read and web addresses blanked; `at` leads from a place in it back to the text as it came."""

    def __init__(self, raw: str) -> None:
        parts: list[str] = []
        self._plain_starts, self._raw_starts = [0], [0]
        done = length = 0
        for found in _MARKUP.finditer(raw):
            said = raw[done : found.start()]
            instead = _instead(found)
            parts += (said, instead)
            length += len(said) + len(instead)
            done = found.end()
            self._plain_starts.append(length)
            self._raw_starts.append(done)
        parts.append(raw[done:])
        self.text = _ADDRESS.sub(lambda address: "\n" * len(address[0]), "".join(parts))

    def at(self, place: int) -> int:
        """Where a place of the plain text is in the text as it came."""
        piece = bisect_right(self._plain_starts, place) - 1
        return self._raw_starts[piece] + place - self._plain_starts[piece]


def _instead(found: re.Match[str]) -> str:
    if found[0].startswith("&"):
        return unescape(found[0])
    return "" if (found["tag"] or "").lower() in _INLINE else "\n"
