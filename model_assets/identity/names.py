"""Names as benchmarks spell them: `o3 (high)`, `gpt-5.4-2026-03-05_xhigh`, `Claude 3.5 Sonnet (20241022)`, `DeepSeek R1 + claude-3-5-sonnet`.

A name is taken apart into what may be an id and what was said of the run; the id is then resolved as one that a person types: strictly, and
never to the nearest. What stands in brackets must be understood, or the name stays unresolved: it may be what makes it another model.
"""

import re
from typing import NamedTuple

from model_assets.identity.grammar import calendar

#: how long a model is let think, and in which mode it is asked: of the run, not of the model
_EFFORT = re.compile(
    r"(?:x?high|medium|low|minimal|none|max|default|auto|reasoning|non-?reasoning|reasoner|chat|no|prompt|fc|extended|adaptive)"
    r"|(?:prompt|fc)(?: \+)? thinking"
    r"|(?:reasoning|effort)?[ :=-]*(?:x?high|medium|low|minimal|none|max)(?:[ -](?:reasoning|effort|thinking))*"
    r"|(?:no|non|default|w/o|without|with|high|low|medium|max|\d+k?)?[ -]*(?:think|thinking)(?: tokens?| budget| mode)?"
    r"|\d+(?:[.,]\d+)?k(?: tokens?| budget)?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
#: the same, behind a name; a bare `-medium` only behind what is a whole name already: `devstral-medium` is a model of its own
_TAIL = re.compile(
    r"_(?:x?high|medium|low|minimal|none|max|unknown|\d+k|(?:non|no)?-?think(?:ing)?)$"
    r"|-(?:x?high|medium|low|max)(?:-effort|-?thinking)$"
    r"|-(?:thinking-)?\d+k$|-thinking-auto$|-nothinking$"
    r"|(?:(?<=\d)|(?<=mini)|(?<=nano))-(?:x?high|medium|low|minimal)$",
    re.IGNORECASE,
)
_MONTHS = dict(zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13), strict=True))
_MONTH_YEAR = re.compile(r"([A-Za-z]{3})[a-z]*\.? '?(\d{4})")
_SEVERAL = re.compile(r"\s\+\s|\s&\s|\swith\s|, ", re.IGNORECASE)


class Named(NamedTuple):
    """What a name may be as an id, the likelier first; empty where it cannot be one, and then `why`."""

    ids: tuple[str, ...]
    why: str = ""


def read_name(spelled: str) -> Named:
    """The ids that a benchmark's name of a model may be, without what it says of the run."""
    bare, dates = _BRACKETED.sub(" ", spelled).strip().rstrip("*").strip(), []
    for part in _parts(spelled):
        if date := _date(part):
            dates.append(date)
        elif not _EFFORT.fullmatch(part):
            return Named((), f"{part[:40]!r} is not understood")
    if _SEVERAL.search(bare):
        return Named((), "it names more than one model, or a way of using one")
    if len(dates) > 1 or not bare:
        return Named((), "it names no one model" if not bare else "it bears two dates")
    shorter = [bare]
    while (found := _TAIL.sub("", shorter[-1])) not in ("", shorter[-1]):
        shorter.append(found)
    return Named(tuple(re.sub(r"\s+", "-", one) + (f"-{dates[0]}" if dates else "") for one in shorter))


def _parts(spelled: str) -> list[str]:
    found = (part.strip() for bracketed in _BRACKETED.findall(spelled) for part in re.split(r"[;,]", bracketed))
    return [part for part in found if part]


def _date(part: str) -> str:
    """A date in brackets as a snapshot; '' where it is none."""
    if named := _MONTH_YEAR.fullmatch(part):
        month = _MONTHS.get(named[1].lower())
        return f"{month:02d}-{named[2]}" if month else ""  # the one way in which an id bears a month
    digits = re.split(r"[-/]", part)
    return calendar(digits, "preview") if all(one.isdecimal() for one in digits) else ""
