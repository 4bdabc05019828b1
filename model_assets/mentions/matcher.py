"""Finding the models that a text names. Rather none than a wrong one: what is not certain to be a model's name is left out.

A name begins and ends at the borders of words, and the longest one counts. It is no name where its neighbours make it another one's: a
version, size or part of a name that no known model has (`GPT-5 Turbo` is not GPT-5), a longer word by hyphens, a derivative, a path of somebody else.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from model_assets.identity.grammar import BUILDS, DERIVED, calendar
from model_assets.identity.tables import author_names, authors, repackers
from model_assets.mentions.plain_text import Plain
from model_assets.mentions.spellings import ORDINARY, PROSE, Models, Spellings, is_family, is_size, words_of

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:\.[0-9]+[A-Za-z0-9]*)*\+?")
_HYPHENS, _BLANKS = ("-", "_", "\u2010", "\u2011"), (" ", "\u00a0", "\u202f")
_BEFORE = re.compile(r"[\w@#$&=%\\.~]")
_AFTER = re.compile(r"[\w@]|[.:/][A-Za-z0-9]")
_PATH = re.compile(r"(?<![\w./])([A-Za-z0-9][\w.-]*)/\Z")
_LAST = re.compile(r"[A-Za-z]+\Z")
#: what may stand before a slash that means "or": a name with a number itself (`GPT-4/Claude 3`)
_NUMBERED = re.compile(r"[a-z]+-?\d[\w.]*")
_LETTER_NUMBER = re.compile(r"o\d")
_VERSION = re.compile(r"v?\d{1,2}(?:\.\d+)?")
#: what may be joined to a name by a hyphen and leave it the name it is
_JOINED = frozenset(
    {
        *("based", "powered", "level", "class", "like", "style", "driven", "generated", "era", "sized", "equivalent", "assisted", "only"),
        *("native", "quality", "written", "trained", "specific", "compatible", "enabled", "backed", "latest", "scale", "grade", "beating"),
    }
)
_JOINED_BEFORE = frozenset({"non", "pre", "post", "vs", "to", "and", "or", "anti", "sub", "near", "beyond", "the"})
#: words of names that are often written small after a blank: a model of that name would be another one
_SMALL = frozenset({"mini", "nano", "pro", "lite", "turbo", "flash", "codex", "ultra", "heavy", "instruct"})


class Word(NamedTuple):
    """A token of a text, and what stands between it and the one before: '-', ' ', or '' where a name does not go on."""

    text: str
    start: int
    end: int
    joint: str


class Mentioned(NamedTuple):
    """A name found in a text: its words as they stand there, where they begin, and its models. More than one model: it is the name of none."""

    words: str
    start: int
    models: Models


class Matcher:
    """Finds the names of some known models in texts. A pure function of the spellings."""

    def __init__(self, spellings: Spellings) -> None:
        self._known = spellings

    def find(self, raw: str, beside: str = "") -> list[Mentioned]:
        """The names in a text, in their order, with offsets into the text as it came. `beside` is what stands with it, such as its title."""
        plain = Plain(raw)
        return [name._replace(start=plain.at(name.start)) for name in self._names(plain.text, beside)]

    def _names(self, text: str, beside: str) -> Iterator[Mentioned]:
        done, starts_name = 0, self._known.starts_name
        for token in _TOKEN.finditer(text):
            if token.start() >= done and starts_name(token[0]) and (name := self._name_at(text, beside, token.start())):
                done = name.start + len(name.words)
                yield name

    def _name_at(self, text: str, beside: str, start: int) -> Mentioned | None:
        """The longest name that begins at a place; null where none does."""
        author = _author_before(text, start)
        if author is None:
            return None
        tokens = _tokens(text, start, self._known.longest + 3)
        for count in range(_most(tokens, self._known.longest), 0, -1):
            name = tokens[:count]
            words = words_of(tuple(token.text for token in name))
            models, needs = self._known.named(words, author)
            if not models:
                continue
            if not _is_written_as_name(name, words) or (needs and not (_speaks_of(needs, text) or _speaks_of(needs, beside))):
                return None
            return None if self._goes_on(text, tokens, count, words) else Mentioned(text[start : name[-1].end], start, models)
        return None

    def _goes_on(self, text: str, tokens: Sequence[Word], after: int, words: tuple[str, ...]) -> bool:
        """Whether what stands behind a name makes it another one."""
        if after == len(tokens):
            return bool(_AFTER.match(text, tokens[-1].end))
        token, low = tokens[after], tokens[after].text.lower()
        if token.joint == "-":
            return not (low in _JOINED or low in BUILDS or _is_date([other.text for other in tokens[after : after + 3]]))
        if low in DERIVED or is_size(low) or (low in ("visa", "visas") and len(words) == 1):
            return True
        if _VERSION.fullmatch(low):
            return not any(letter.isdigit() for letter in words[-1]) or "." in low
        return low in _SMALL or (token.text[0].isupper() and low in self._known.apart)


def _tokens(text: str, start: int, most: int) -> list[Word]:
    """The tokens from a place on as far as a name can go."""
    tokens: list[Word] = []
    while len(tokens) < most and (found := _TOKEN.match(text, start)):
        tokens.append(Word(found[0], start, found.end(), _joint(text[tokens[-1].end : start]) if tokens else ""))
        if not _joint(text[found.end() : found.end() + 1]):
            break
        start = found.end() + 1
    return tokens


def _joint(between: str) -> str:
    return "-" if between in _HYPHENS else " " if between in _BLANKS else ""


def _most(tokens: Sequence[Word], most: int) -> int:
    """How many tokens a name can have: no two numbers of it are parted by a blank."""
    for count in range(1, len(tokens)):
        if tokens[count].joint == " " and tokens[count - 1].text[-1].isdigit() and tokens[count].text.isdecimal():
            return min(count, most)
    return min(len(tokens), most)


def _author_before(text: str, start: int) -> str | None:
    """The author that a path before a name names, '' where there is none; null where a name cannot begin here."""
    if not start:
        return ""
    before = text[start - 1]
    if before == "/":
        path = _PATH.search(text, max(0, start - 80), start)
        whose = path[1].lower() if path else ""
        return author_names().get(whose) or ("" if whose in repackers() or _NUMBERED.fullmatch(whose) else None)
    if _BEFORE.match(before) and before not in _HYPHENS:
        return None
    said = _LAST.search(text, max(0, start - 40), start - 1)
    last = said[0].lower() if said else ""
    if before in _HYPHENS:
        return "" if last in _JOINED_BEFORE else None
    return None if before in _BLANKS and last in DERIVED else ""


def _is_date(parts: Sequence[str]) -> bool:
    """Whether tokens begin with a date."""
    return any(all(part.isdecimal() for part in parts[:count]) and calendar(list(parts[:count]), "") for count in range(1, len(parts) + 1))


def _is_written_as_name(name: Sequence[Word], words: tuple[str, ...]) -> bool:
    """Whether tokens look like a name where their words alone could be anything."""
    parted = any(token.joint == " " for token in name)
    capital = all(token.text[0].isupper() or not token.text[0].isalpha() for token in name)
    if any(token.joint == " " and token.text in PROSE for token in name):
        return False
    if len(words) == 1:
        return bool(_LETTER_NUMBER.fullmatch(name[0].text))
    numbered = any(letter.isdigit() for word in words for letter in word)
    if words[0] in ORDINARY or not is_family(words[0]):
        return numbered and len(words) > 2 and (capital or not parted)
    return numbered or capital or not parted


def _speaks_of(author: str, text: str) -> bool:
    """Whether a text names an author, or the brand of its models."""
    return bool(_names_of(author).search(text))


@cache
def _names_of(author: str) -> re.Pattern[str]:
    about = authors()[author]
    names = {about.name, about.brand, *about.names, *about.families} - {"", *about.bare}
    return re.compile(rf"(?<!\w)(?:{'|'.join(sorted(re.escape(name) for name in names if len(name) > 2))})(?!\w)", re.IGNORECASE)
