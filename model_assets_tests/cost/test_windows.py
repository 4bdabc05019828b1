from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_assets.cost.windows import read_window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_the_start_belongs_to_a_window_and_the_end_does_not():
    window = read_window("00:30-16:30 UTC")
    assert [window.is_open(at(f"2026-08-22T{time}Z")) for time in ("00:29:59", "00:30", "16:29:59", "16:30")] == [False, True, True, False]


def test_a_window_that_ends_before_it_starts_goes_on_past_midnight():
    window = read_window("16:30-00:30 UTC")
    assert [window.is_open(at(f"2026-08-22T{time}Z")) for time in ("16:29", "16:30", "23:59", "00:00", "00:30")] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_a_window_that_ends_as_it_starts_lasts_all_day():
    window = read_window("00:00-00:00 UTC on sat,sun UTC")
    assert window.is_open(at("2026-08-22T13:00Z"))  # a Saturday
    assert not window.is_open(at("2026-08-21T13:00Z"))
    assert window.minutes == 2 * 24 * 60


def test_the_day_is_that_of_the_request_and_not_of_the_windows_start():
    window = read_window("22:00-02:00 UTC on fri UTC")
    assert window.is_open(at("2026-08-21T22:30Z"))
    assert not window.is_open(at("2026-08-22T01:00Z"))  # opened on Friday, but it is Saturday now
    assert window.is_open(at("2026-08-21T01:00Z"))


def test_a_weekday_begins_in_its_own_zone():
    window = read_window("15:00-18:00 UTC on mon Asia/Shanghai")
    assert window.is_open(at("2026-08-23T16:30Z"))  # Sunday in Greenwich, half past midnight on Monday in Shanghai
    assert not window.is_open(at("2026-08-24T16:30Z"))


def test_a_window_follows_the_summer_time_of_its_zone():
    window = read_window("09:00-10:00 Europe/Berlin")
    assert window.is_open(at("2026-03-28T08:30Z"))  # the day before the clocks change
    assert not window.is_open(at("2026-03-29T08:30Z"))
    assert window.is_open(at("2026-03-29T07:30Z"))


@pytest.mark.parametrize(
    "text", ["", "9:00-10:00 UTC", "24:00-01:00 UTC", "09:60-10:00 UTC", "09:00-10:00 Nowhere/City", "09:00-10:00 UTC on day UTC"]
)
def test_what_is_no_window_is_refused(text: str):
    with pytest.raises(ValueError, match=r"window|hour|zone"):
        read_window(text)


@given(
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Asia/Kolkata"]),
    days=st.sets(st.sampled_from(["mon", "wed", "sat", "sun"])),
    instants=st.lists(st.integers(0, 2 * 365 * 24 * 60), min_size=1, max_size=20),
)
def test_many_instants_fall_into_a_window_as_each_alone_does(start: int, end: int, zone: str, days: set[str], instants: list[int]):
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}"
    window = read_window(f"{text} on {','.join(sorted(days))} {zone}" if days else text)
    times = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes) for minutes in instants]
    assert window.are_open(pd.DatetimeIndex(times)).tolist() == [window.is_open(time) for time in times]
