"""What a channel is sent: one message for all that is due at one moment, in plain words that no service obeys."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_assets.terminal import printable

LINES = 10  # of a message about many alerts; the rest is counted
LONGEST = 1800  # characters: the narrowest of the usual services takes 2,000
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Message:
    """What a channel is sent."""

    title: str
    body: str
    severity: str


def harmless(words: str) -> str:
    """Words of others so that no service reads a mention, a link or a control character in them; a joiner nobody sees parts the letters.

    Markup is escaped where it is sent, by the rules of each service.
    """
    return re.sub(r"(@(?=\S)|<(?=[@!#&])|:(?=//))", "\\1\u2060", printable(words))


def message(alerts: Sequence[Any], base: str) -> Message:
    """The message about one alert, or about all that are due at one moment: those in order of severity and time, the first ten in a line each.

    Alerts have severity, title, text, what_to_do, link and happened_at. `base` is the address of Dagster's UI; empty: no links.
    """
    ranked = sorted(alerts, key=lambda one: (SEVERITIES.index(one.severity), one.happened_at))
    if len(ranked) == 1:
        [alert] = ranked
        parts = [_cut(harmless(alert.text), 1200), f"What to do: {_cut(harmless(alert.what_to_do), 400)}", link(alert, base)]
        return Message(f"Model Assets: {_cut(harmless(alert.title), 200)}", "\n\n".join(part for part in parts if part), alert.severity)
    counts = Counter(one.severity for one in ranked)
    lines: list[str] = []
    for alert in ranked[:LINES]:
        line = " ".join(
            part for part in (f"- {alert.severity}: {_cut(harmless(alert.title), 120)}.", _hint(alert), link(alert, base)) if part
        )
        if len("\n".join([*lines, line])) > LONGEST - 100:
            break
        lines.append(line)
    left = len(ranked) - len(lines)
    lines += [f"- and {left} more: `model-assets alerts` lists them."] if left else []
    return Message(f"Model Assets: {_counted(counts)}", "\n".join(lines), ranked[0].severity)


def _counted(counts: Counter[str]) -> str:
    words = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "info": ("notice", "notices")}
    return ", ".join(f"{counts[one]} {words[one][counts[one] > 1]}" for one in SEVERITIES if counts[one])


def _hint(alert: Any) -> str:
    return "" if alert.severity == "info" else f"What to do: {_cut(harmless(alert.what_to_do), 160)}"


def link(alert: Any, base: str) -> str:
    """Where in Dagster's UI to look."""
    return f"{base.rstrip('/')}{alert.link}" if base else ""


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 4] + " ..."
