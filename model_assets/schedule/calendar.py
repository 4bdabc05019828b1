"""Cron expressions in systemd's words, and the moments they name."""

from datetime import datetime, timedelta

from model_assets.schedule.plan import five_fields

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def on_calendar(schedule: str) -> list[str]:
    """What systemd's OnCalendar= says for a cron expression in UTC; the two name the same moments.

    Where day of the month and weekday are both restricted, cron takes a day that fits *either*, unless one of them begins with `*`;
    systemd always wants both: hence two lines then.
    """
    minute, hour, day, month, weekday = five_fields(schedule).lower().split()
    clock = f"{_listed(hour, 0, 23)}:{_listed(minute, 0, 59)}:00 UTC"
    months = _listed(month, 1, 12, MONTHS, first_name=1)
    days = _listed(day, 1, 31)
    numbers = {number % 7 for number in _numbers(weekday, 0, 7, WEEKDAYS)}  # 0 and 7 are Sunday
    names = "" if len(numbers) == 7 else ",".join(WEEKDAYS[number].capitalize() for number in sorted(numbers)) + " "
    if day.startswith("*") or weekday.startswith("*"):
        return [f"{names}*-{months}-{days} {clock}"]
    return [f"*-{months}-{days} {clock}", f"{names}*-{months}-* {clock}"]


LONGEST = 366 * 8 + 1  # days: the 29th of February comes again after eight years at the latest


def next_time(schedule: str, after: datetime) -> datetime | None:
    """The first moment of a cron expression later than `after`, in the zone of `after`; null where there never is one (the 30th of February)."""
    minute, hour, day, month, weekday = five_fields(schedule).lower().split()
    minutes, hours = sorted(_numbers(minute, 0, 59)), sorted(_numbers(hour, 0, 23))
    days, months = _numbers(day, 1, 31), _numbers(month, 1, 12, MONTHS, first_name=1)
    weekdays = {number % 7 for number in _numbers(weekday, 0, 7, WEEKDAYS)}
    either = not (day.startswith("*") or weekday.startswith("*"))  # as in `on_calendar`
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    for date in (midnight + timedelta(days=number) for number in range(LONGEST)):
        fits = (date.day in days, date.isoweekday() % 7 in weekdays)
        if date.month in months and (any(fits) if either else all(fits)):
            for moment in (date.replace(hour=at, minute=past) for at in hours for past in minutes):
                if moment > after:
                    return moment
    return None


def _listed(field: str, low: int, high: int, names: tuple[str, ...] = (), first_name: int = 0) -> str:
    """A field as a list of numbers, or `*` where it is all of them."""
    numbers = _numbers(field, low, high, names, first_name)
    return "*" if len(numbers) == high - low + 1 else ",".join(f"{number:02}" for number in sorted(numbers))


def _numbers(field: str, low: int, high: int, names: tuple[str, ...] = (), first_name: int = 0) -> set[int]:
    """What a field of cron stands for. A range may run over the end (sat-mon)."""

    def number(word: str) -> int:
        return names.index(word) + first_name if word in names else int(word)

    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else number(first)
        end = high if span == "*" or (slash and not dash) else number(last) if dash else begin
        around = end + (high - low + 1 if end < begin else 0)
        found.update((one - low) % (high - low + 1) + low for one in range(begin, around + 1, int(step or 1)))
    return found
