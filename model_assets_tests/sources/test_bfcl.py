"""The Berkeley Function Calling Leaderboard, from rows small enough to read to every real payload."""

import json

import pytest

from model_assets.errors import BadPayload
from model_assets.sources.bfcl import SOURCE
from model_assets_tests.sources.score_rows import as_csv, cut, needs_benchmarks, only, outcomes, real, values, whole

HEADER = ["Rank", "Overall Acc", "Model", "Model Link", "Total Cost ($)", "Latency Mean (s)", "Multi Turn Acc", "Web Search Acc", "License"]
ROW = ["1", "77.47%", "Lab-1 (FC)", "https://lab.example", "86.55", "4.38", "68.38%", "N/A", "MIT"]


def test_a_model_has_a_score_per_column_in_the_mode_it_was_run() -> None:
    parsed = SOURCE.rows(as_csv([HEADER, ROW]))
    assert values(parsed, "split", "metric", "unit") == {
        ("", "accuracy", "pct"): "77.47",
        ("Multi Turn", "accuracy", "pct"): "68.38",
        ("", "cost", "usd"): "86.55",
        ("", "latency_mean", "seconds"): "4.38",
    }
    assert {(score.model, score.variant, score.version, score.url) for score in parsed.scores} == {
        ("Lab-1", "FC", "v4", "https://lab.example")
    }
    assert json.loads(parsed.scores[0].extra) == {"license": "MIT", "listed_as": "Lab-1 (FC)"}


def test_both_modes_of_a_model_are_told_apart() -> None:
    parsed = SOURCE.rows(as_csv([["Overall Acc", "Model"], ["5%", "m (FC)"], ["6%", "m (Prompt)"], ["7%", "m (other)"]]))
    assert values(parsed, "model", "variant") == {("m", "FC"): "5", ("m", "Prompt"): "6", ("m (other)", ""): "7"}


def test_the_columns_tell_the_version_so_that_unlike_overalls_are_never_mixed() -> None:
    for columns, version in ((["Web Search Acc", "Multi Turn Acc"], "v4"), (["Multi Turn Acc"], "v3"), ([], "v2")):
        table = [["Overall Acc", "Model", *columns], ["5%", "m", *["6%"] * len(columns)]]
        assert {score.version for score in SOURCE.rows(as_csv(table)).scores} == {version}


def test_an_accuracy_without_a_percent_sign_is_rejected_for_its_unit_is_unsaid() -> None:
    parsed = SOURCE.rows(as_csv([HEADER, ["1", "0.77", *ROW[2:]]]))
    assert [reject.reason for reject in parsed.rejects] == ["accuracy: '0.77 (no percent sign)' is not a number"]
    assert ("", "accuracy") not in values(parsed, "split", "metric")


def test_a_column_nobody_knows_is_reported_and_an_accuracy_where_it_has_a_percent_sign() -> None:
    parsed = SOURCE.rows(as_csv([["Overall Acc", "Model", "New Acc", "New"], ["5%", "m", "6%", "7"]]))
    assert parsed.drift == {"row.New Acc": 1, "row.New": 1}
    assert values(parsed, "split") == {("",): "5", ("New",): "6"}


def test_a_broken_row_is_rejected_by_itself() -> None:
    table = [["Overall Acc", "Model"], ["5%", "m"], ["6%"], ["7%", "n", "more"], ["8%", ""]]
    parsed = SOURCE.rows(as_csv(table))
    assert only(parsed).model == "m"
    assert len(parsed.rejects) == 3


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    assert sum(outcomes(SOURCE, [HEADER, ROW, [*ROW[:2], "n", *ROW[3:]]], as_csv).values()) > 200
    for broken in cut(b"y" * 700):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_benchmarks
@pytest.mark.parametrize(
    ("day", "count", "models", "version"),
    [("2025-04-25", 2574, 121, "v3"), ("2025-06-14", 2140, 109, "v3"), ("2025-08-28", 3522, 118, "v4"), ("2025-12-16", 3241, 109, "v4")],
)
def test_every_real_payload_is_read_whole(day: str, count: int, models: int, version: str) -> None:
    parsed = whole(SOURCE.rows(real(f"bfcl/data_overall_{day}.csv.gz")), count)
    assert sum((score.split, score.metric) == ("", "accuracy") for score in parsed.scores) == models
    assert {score.version for score in parsed.scores} == {version}
    if day == "2025-12-16":
        found = values(parsed, "model", "variant", "split", "metric")
        assert found["Claude-Opus-4-5-20251101", "FC", "", "accuracy"] == "77.47"
        assert found["Gemini-3-Pro-Preview", "Prompt", "Format Sensitivity", "max_delta"] == "8.5"
        assert ("Claude-Opus-4-5-20251101", "FC", "Format Sensitivity", "max_delta") not in found
