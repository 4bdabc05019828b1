"""SWE-bench's leaderboards, from submissions small enough to read to every real recording."""

import json
from datetime import date
from typing import Any

import pytest

from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed
from model_assets.sources.swebench import SOURCE, parse
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.score_rows import as_json, cut, only, outcomes, values, whole

RESULT: dict[str, Any] = {
    "name": "Agent + Model 1", "folder": "20250101_agent", "resolved": 50.2, "date": "2025-01-01", "site": "https://agent.example",
    "tags": ["Model: model-1", "Org: Lab", "System: Attempts - 1"], "checked": True,
}  # fmt: skip


def rows(board: str = "Verified", **changes: object) -> Parsed:
    """What becomes of one submission."""
    result = {key: value for key, value in (RESULT | changes).items() if value != "gone"}
    return SOURCE.rows(as_json({"leaderboards": [{"name": board, "results": [result]}]}))


def test_a_submission_is_a_system_with_a_model_on_a_leaderboard() -> None:
    score = only(rows())
    assert score[:10] == (
        "swe_bench", "model-1", "", "Verified", "resolved", "Agent + Model 1", "", "Attempts - 1", "", "20250101_agent",
    )  # fmt: skip
    assert (str(score.value), score.unit, score.measured_on, score.url) == ("50.2", "pct", date(2025, 1, 1), "https://agent.example")
    assert json.loads(score.extra) == {"checked": True, "name": "Agent + Model 1", "organisations": ["Lab"]}


@pytest.mark.parametrize("tags", ["gone", None, [], ["Org: Lab"]])
def test_a_submission_that_names_no_model_stands_under_its_own_name(tags: object) -> None:
    score = only(rows(tags=tags))
    assert score.model == "Agent + Model 1"
    assert "models" not in json.loads(score.extra)


def test_a_submission_of_several_models_stands_under_its_own_name_and_keeps_theirs() -> None:
    score = only(rows(tags=["Model: a", "Model: b"]))
    assert score.model == "Agent + Model 1"
    assert json.loads(score.extra)["models"] == ["a", "b"]


def test_submissions_of_one_name_are_told_apart_by_their_folder() -> None:
    results = [RESULT, RESULT | {"folder": "20250202_agent", "resolved": 60}]
    parsed = SOURCE.rows(as_json({"leaderboards": [{"name": "Verified", "results": results}]}))
    assert values(parsed, "run") == {("20250101_agent",): "50.2", ("20250202_agent",): "60"}


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        ("GPT-5 (2025-08-07) (medium reasoning)", "medium"), ("Claude 4.5 Opus medium (20251101)", "medium"), ("GPT-5.1-codex (high reasoning)", "high"),
        ("Minimax M2", ""), ("GLM-4.6 (T=1)", ""), ("Mistral medium (20250505)", ""),
    ],
)  # fmt: skip
def test_on_the_bash_only_leaderboard_one_agent_drives_all_models(name: str, effort: str) -> None:
    score = only(rows("bash-only", name=name))
    assert (score.harness, score.runner, score.effort, score.model) == ("mini-SWE-agent", "SWE-bench", effort, "model-1")


def test_what_a_run_cost_is_kept_where_it_was_metered() -> None:
    metered = values(rows(cost=360.6, instance_cost=0.7212, instance_calls=38.042), "metric", "unit")
    assert metered == {
        ("resolved", "pct"): "50.2",
        ("cost", "usd"): "360.6",
        ("instance_cost", "usd"): "0.7212",
        ("instance_calls", "count"): "38.042",
    }
    for unmetered in (0, None):
        assert only(rows(cost=unmetered, instance_cost=unmetered, instance_calls=unmetered)).metric == "resolved"


def test_what_it_did_issue_by_issue_and_pictures_are_not_kept() -> None:
    parsed = rows(per_instance_details={"issue": {"cost": 1}}, logo=["x"], trajs="y", weather="fine")
    assert json.loads(only(parsed).extra).keys() == {"checked", "name", "organisations", "weather"}
    assert parsed.drift == {"result.weather": 1}


def test_several_sites_give_the_first_and_one_without_a_scheme_gives_none() -> None:
    assert only(rows(site=["https://a", "https://b"])).url == "https://a"
    parsed = rows(site="a.example")
    assert only(parsed).url is None
    assert parsed.oddities[0].why == "not a URL of the web"


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"folder": "gone"}, "model-1"), ({"folder": []}, "model-1"), ({"name": None, "tags": []}, None), ({"resolved": "50%"}, "model-1"),
        ({"name": 5, "tags": []}, None),
    ],
)  # fmt: skip
def test_a_broken_submission_is_rejected_by_itself(changes: dict[str, Any], entry: str | None) -> None:
    broken = {key: value for key, value in (RESULT | changes).items() if value != "gone"}
    boards = [{"name": "Verified", "results": [broken, RESULT, 5]}, {"name": "", "results": []}]
    parsed = SOURCE.rows(as_json({"leaderboards": boards}))
    assert only(parsed).model == "model-1"
    assert [reject.listed_id for reject in parsed.rejects] == [entry, None, None]


@pytest.mark.parametrize("payload", [None, [], {}, {"leaderboards": {}}, {"leaderboards": [5]}, {"leaderboards": [{"name": "x"}]}])
def test_what_is_no_leaderboard_is_refused(payload: Any) -> None:
    with pytest.raises(BadPayload):
        parse(payload)


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    payload = {"leaderboards": [{"name": "Verified", "results": [RESULT | {"cost": 1, "instance_calls": 2}, RESULT | {"folder": "b"}]}]}
    assert sum(outcomes(SOURCE, payload).values()) > 300
    for broken in cut(as_json(payload)):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_recordings
def test_every_real_recording_is_read_whole() -> None:
    for path, count in zip(recordings("swebench"), [168, 253, 402, 502], strict=True):
        parsed = whole(SOURCE.rows(body(path)), count)
    resolved = [score for score in parsed.scores if score.metric == "resolved"]
    assert len(resolved) == 31 + 23 + 162 + 84 + 22
    several = [score for score in resolved if score.split == "Verified" and "models" in json.loads(score.extra)]
    assert len(several) == 25
    assert all(score.model == json.loads(score.extra)["name"] for score in several)
    found = values(parsed, "split", "run", "metric")
    assert found["bash-only", "20251124_mini-v1.16.0_claude-opus-4-5-20251101", "resolved"] == "74.4"
    assert found["bash-only", "20251201_mini-v1.17.1_glm-4.6", "instance_cost"] == "0.0966100752"
    assert found["Multimodal", "20250701_GUIRepair_o3", "resolved"] == "35.98"
