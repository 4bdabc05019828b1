"""Cron expressions in systemd's words, compared by two programs that know nothing of each other: systemd's and Dagster's."""

import re
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import cron_string_iterator

from model_assets.schedule.calendar import next_time, on_calendar

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here (Debian: apt-get install systemd)"
)
START = datetime(2026, 2, 27, 23, 59, tzinfo=UTC)
SCHEDULES = [
    "0 2 * * *", "0 */6 * * *", "0 2,14 * * *", "0 */4 * * *", "0 8-20/2 * * *", "0 8,10,12,14,16,18,20 * * *", "0 3 * * 1-5", "0 1 * * *",
    "0 2 * * 1", "0 */2 * * *", "*/15 * * * *", "30 8 * * 1-5", "0 0,12 * * *", "0 0 29 2 *", "5 4 * * sun", "5 4 * * 7", "0 0 1 jan,jul *",
    "0 12 * * mon-fri", "15 3 1 * 1", "0 0 1-7 * 0-6", "59 23 31 12 *", "@hourly", "@daily", "@weekly", "@monthly",
]  # fmt: skip


def next_by_systemd(line: str, count: int) -> list[datetime]:
    words = ["systemd-analyze", "calendar", f"--base-time={START:%Y-%m-%d %H:%M:%S} UTC", f"--iterations={count}", line]
    out = subprocess.run(
        words, env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(r"(?:Next elapse|Iter\. #\d+): \w{3} (\S+ \S+) UTC", out)
    return [datetime.strptime(one, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for one in found]


def next_by_dagster(schedule: str, count: int) -> list[datetime]:
    moments = cron_string_iterator(START.timestamp(), schedule, "UTC")
    return [next(moments) for _ in range(count)]


@needs_systemd
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_systemd_runs_at_the_moments_that_cron_means(schedule: str) -> None:
    lines = on_calendar(schedule)
    assert sorted({one for line in lines for one in next_by_systemd(line, 12)})[:12] == next_by_dagster(schedule, 12)


@pytest.mark.parametrize(
    ("schedule", "lines"),
    [
        ("0 2 * * *", ["*-*-* 02:00:00 UTC"]),
        ("0 3 13 * 5", ["*-*-13 03:00:00 UTC", "Fri *-*-* 03:00:00 UTC"]),  # either will do
        ("0 3 1-7 * */2", ["Sun,Tue,Thu,Sat *-*-01,02,03,04,05,06,07 03:00:00 UTC"]),  # both, since one begins with a star
        ("0 3 * * 0-6", ["*-*-* 03:00:00 UTC"]),
    ],
)
def test_the_day_of_the_month_and_the_weekday_are_joined_as_cron_joins_them(schedule: str, lines: list[str]) -> None:
    assert on_calendar(schedule) == lines


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_next_times_are_those_that_dagster_means(schedule: str) -> None:
    at, found = START, []
    for _ in range(12):
        later = next_time(schedule, at)
        assert later
        at = later
        found.append(at)
    assert found == next_by_dagster(schedule, 12)


def test_a_day_that_never_comes_has_no_next_time() -> None:
    assert next_time("0 0 30 2 *", START) is None
