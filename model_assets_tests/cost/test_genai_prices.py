from collections import Counter
from pathlib import Path

import pytest

from model_assets_tests.cost.genai_prices_comparison import DIFFERENCES, UNEXPLAINED, Case, compare, print_counts
from model_assets_tests.shared_data import body, needs_recordings, recordings

RECORDINGS = recordings("genai_prices")[-2:]


@needs_recordings
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_every_request_costs_what_genai_prices_says_or_differs_for_a_reason_that_has_a_name(recording: Path):
    cases = list(compare(body(recording)))
    counted = print_counts(cases)
    assert counted[UNEXPLAINED] == 0, first(cases, UNEXPLAINED)
    assert {part for name in counted for part in name.split(" + ")} - DIFFERENCES.keys() == {"equal"}
    assert counted["equal"] > 3_000


@needs_recordings
def test_every_model_is_compared_and_every_count_that_has_a_price_costs_the_same():
    cases = list(compare(body(RECORDINGS[-1])))
    assert len({(case.provider, case.model) for case in cases}) > 1_400
    whole = Counter(case.name for case in cases if not case.ours.partial)
    assert set(whole) <= {"equal", "a float's noise"}


@needs_recordings
def test_dates_windows_and_bounds_are_among_what_is_compared():
    cases = list(compare(body(RECORDINGS[-1])))
    whys = {line.why for case in cases if case.name == "equal" for line in case.ours.lines}
    assert {"in 00:30-16:30 UTC", "above 200,000 prompt tokens, for the whole request"} <= whys
    opus = {(case.at.date().isoformat(), case.ours.lines[0].unit_amount) for case in cases if case.model == "claude-opus-4-6"}
    assert {("2026-03-12", 5), ("2026-03-12", 10), ("2026-03-13", 5)} <= opus  # a long prompt cost more until then
    assert ("2026-03-13", 10) not in opus


def first(cases: list[Case], name: str) -> str:
    """The first case of that name, to look into."""
    return next((str(case) for case in cases if case.name == name), "")
