"""Windows of the day in which a price holds: `HH:MM-HH:MM ZONE[ on DAYS ZONE]`, each in its own zone.

The start belongs to the window, the end does not; one that ends before it starts goes on past midnight, and one that ends as it starts lasts
the day. The days are those on which the request itself falls, in the zone named after them, not those on which the window began: so both
sources that name days define it (OpenRouter in its documentation, LiteLLM in its cost calculator).
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
_DAY = f"(?:{'|'.join(DAYS)})"
_WINDOW = re.compile(rf"(\d\d):(\d\d)-(\d\d):(\d\d) ([\w/+-]+)(?: on ({_DAY}(?:,{_DAY})*) ([\w/+-]+))?")


class Window(NamedTuple):
    """Minutes after midnight in `zone`, and the numbers of the days (Monday 0) in `days_zone`; no days for all of them."""

    start: int
    end: int
    zone: str
    days: frozenset[int]
    days_zone: str

    @property
    def minutes(self) -> int:
        """How many minutes of a week it is open."""
        return ((self.end - self.start) % DAY_MINUTES or DAY_MINUTES) * (len(self.days) or len(DAYS))

    def is_open(self, at: datetime) -> bool:
        """Whether an instant (with a zone) falls into the window."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        if self.days and at.astimezone(ZoneInfo(self.days_zone)).weekday() not in self.days:
            return False
        return self._in_hours(minute)

    def are_open(self, instants: pd.DatetimeIndex) -> np.ndarray:
        """The same of many instants, in UTC."""
        local = instants.tz_convert(self.zone)
        minutes = (local.hour * 60 + local.minute).to_numpy()
        after, before = minutes >= self.start, minutes < self.end
        within = after & before if self.start < self.end else after | before
        if self.days:
            within &= np.isin(instants.tz_convert(self.days_zone).day_of_week.to_numpy(), list(self.days))
        return within

    def _in_hours(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@lru_cache(maxsize=4096)
def read_window(text: str) -> Window:
    """The window that a price's `time_window` names. Raises ValueError where it is none, or its zone is not known."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no window of the day")
    hours = [int(part) for part in match.groups()[:4]]
    days = frozenset(DAYS.index(day) for day in match[6].split(",")) if match[6] else frozenset[int]()
    if hours[0] > 23 or hours[2] > 23 or hours[1] > 59 or hours[3] > 59:
        raise ValueError(f"{text!r} names an hour that no day has")
    for zone in {match[5], match[7] or "UTC"}:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError) as unknown:
            raise ValueError(f"{text!r} names a zone that is not known") from unknown
    return Window(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3], match[5], days, match[7] or match[5])
