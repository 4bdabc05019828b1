"""Epoch's Capabilities Index, from rows small enough to read to every real recording."""

import json

import pytest

from model_assets.errors import BadPayload
from model_assets.sources.epoch import SOURCE
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.score_rows import as_csv, cut, only, outcomes, values, whole

HEADER = ["Model version", "ECI Score", "Release date", "Organization", "Model name", "Display name"]
ROW = ["lab-1_high", "153.5", "2026-02-05", "Lab", "Lab 1\n", "Lab 1 (high)*"]


def test_a_model_version_has_an_index_and_keeps_what_is_said_of_it() -> None:
    score = only(SOURCE.rows(as_csv([HEADER, ROW])))
    assert score[:10] == ("epoch_capabilities_index", "lab-1_high", "", "", "eci", "", "high", "", "Epoch AI", "")
    assert (str(score.value), score.unit, score.measured_on) == ("153.5", "index", None)
    assert json.loads(score.extra) == {"display_name": "Lab 1 (high)*", "name": "Lab 1", "organisation": "Lab", "released": "2026-02-05"}


def test_a_version_without_a_score_is_no_row() -> None:
    parsed = SOURCE.rows(as_csv([HEADER, ROW, ["other", "", *ROW[2:]]]))
    assert only(parsed).model == "lab-1_high"
    assert not parsed.rejects


def test_a_broken_row_is_rejected_by_itself() -> None:
    rows = [HEADER, ROW, ["a", "high", *ROW[2:]], ["b", "1"], [*ROW, "more"], ["", "5", *ROW[2:]]]
    parsed = SOURCE.rows(as_csv(rows))
    assert only(parsed).model == "lab-1_high"
    assert [(reject.listed_id, reject.reason) for reject in parsed.rejects] == [
        ("a", "eci: 'high' is not a number"),
        (None, "a row that is longer or shorter than the header"),
        (None, "a row that is longer or shorter than the header"),
        (None, "model: an empty id"),
    ]


def test_a_column_nobody_knows_is_kept_and_reported() -> None:
    parsed = SOURCE.rows(as_csv([[*HEADER, "Colour"], [*ROW, "green"]]))
    assert parsed.drift == {"row.Colour": 1}
    assert json.loads(only(parsed).extra)["Colour"] == "green"


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    table = [HEADER, ROW, ["lab-2", *ROW[1:]]]
    assert sum(outcomes(SOURCE, table, as_csv).values()) > 200
    for broken in cut(b"x" * 700):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_recordings
def test_every_real_recording_is_read_whole() -> None:
    for path, count in zip(recordings("epoch"), [265, 300], strict=True):
        parsed = whole(SOURCE.rows(body(path)), count)
    found = values(parsed, "model", "effort")
    assert found["claude-mythos-2026-04-07", ""] == "161"
    assert found["Meta-Llama-3-8B", ""] == "116.927439864043"
    assert [effort for model, effort in found if model == "gpt-5-2025-08-07_high"] == ["high"]
