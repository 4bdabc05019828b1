"""Aider's leaderboards, from runs small enough to read to every real recording."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from model_assets.errors import BadPayload
from model_assets.fetching.http import Policy
from model_assets.pipeline import asking
from model_assets.sources.aider import SOURCE, collect
from model_assets.sources.base import Parsed
from model_assets.sources.plain_yaml import load
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.score_rows import as_json, cut, gathered, needs_benchmarks, outcomes, real, values, whole

RUN = """- dirname: 2025-05-24--one
  model: lab-1
  edit_format: diff
  pass_rate_1: 20.4
  pass_rate_2: 35.6
  percent_cases_well_formed: 100.0
  seconds_per_case: 34.8
  total_cost: 1.2500
  date: 2025-05-24
  command: aider --model lab/lab-1
"""


def rows(text: str = RUN) -> Parsed:
    """What becomes of a polyglot leaderboard."""
    return SOURCE.rows(text.encode())


def test_a_run_gives_a_score_per_metric_with_its_edit_format_and_its_folder() -> None:
    parsed = rows()
    assert values(parsed, "metric", "unit") == {
        ("pass_rate_1", "pct"): "20.4",
        ("pass_rate_2", "pct"): "35.6",
        ("well_formed", "pct"): "100",
        ("seconds_per_case", "seconds"): "34.8",
        ("cost", "usd"): "1.25",
    }
    assert {score[:4] + score[5:10] for score in parsed.scores} == {
        ("aider_polyglot", "lab-1", "", "", "diff", "", "", "", "2025-05-24--one")
    }
    assert {(score.measured_on, score.measured_on_precision) for score in parsed.scores} == {(date(2025, 5, 24), "day")}
    assert '"command":"aider --model lab/lab-1"' in parsed.scores[0].extra
    assert not parsed.drift


@pytest.mark.parametrize("cost", ["  total_cost: 0.0\n", "  total_cost: 0\n", "  total_cost:\n", ""])
def test_a_cost_that_is_missing_or_zero_is_unknown(cost: str) -> None:
    parsed = rows(RUN.replace("  total_cost: 1.2500\n", cost))
    assert "cost" not in {score.metric for score in parsed.scores}
    assert not parsed.rejects


def test_two_runs_of_one_name_are_told_apart_by_their_folder() -> None:
    parsed = rows(RUN + RUN.replace("--one", "--two").replace("35.6", "71"))
    assert values(parsed, "metric", "run")["pass_rate_2", "2025-05-24--one"] == "35.6"
    assert values(parsed, "metric", "run")["pass_rate_2", "2025-05-24--two"] == "71"


@pytest.mark.parametrize(
    ("line", "effort"),
    [
        ("reasoning_effort: high", "high"), ("thinking_tokens: 32000", "32k"), ("thinking_tokens: 32768", "32k"), ("thinking_tokens: 24576", "24k"),
        ("thinking_tokens: 0 # <-- no thinking", "none"), ("thinking_tokens: 1234", "1234"), ("test_cases: 225", ""),
    ],
)  # fmt: skip
def test_the_effort_is_the_stated_level_or_budget(line: str, effort: str) -> None:
    assert {score.effort for score in rows(f"{RUN}  {line}\n").scores} == {effort}


def test_an_effort_in_brackets_counts_where_no_other_is_stated() -> None:
    assert {(score.model, score.effort) for score in rows(RUN.replace("lab-1\n", "lab-1 (high)\n", 1)).scores} == {("lab-1", "high")}
    parsed = rows(RUN.replace("lab-1\n", "lab-1 (32k think)\n", 1) + "  thinking_tokens: 24576\n")
    assert {(score.model, score.effort) for score in parsed.scores} == {("lab-1", "24k")}


def test_the_editor_of_an_architect_is_a_variant() -> None:
    parsed = rows(RUN.replace("diff", "architect") + "  editor_model: lab-2\n  editor_edit_format: editor-diff\n")
    assert {(score.harness, score.variant) for score in parsed.scores} == {("architect", "editor lab-2")}


def test_the_three_leaderboards_are_three_benchmarks() -> None:
    parsed = SOURCE.rows(gathered(polyglot_leaderboard__yml=RUN, edit_leaderboard__yml=RUN, refactor_leaderboard__yml=RUN))
    assert {score.benchmark for score in parsed.scores} == {"aider_polyglot", "aider_edit", "aider_refactor"}
    with pytest.raises(BadPayload, match=r"none of aider's leaderboards"):
        SOURCE.rows(gathered(other__yml=RUN))


def test_the_payload_is_gathered_from_the_three_files() -> None:
    with serving(*(answer(200, RUN.replace("35.6", rate).encode()) for rate in ("1", "2", "3"))) as server:
        found = collect(asking(Policy(allow_loopback=True)), None, server.url(""))
        asked = [request.split()[1] for request in server.requests]
    assert asked == ["/polyglot_leaderboard.yml", "/edit_leaderboard.yml", "/refactor_leaderboard.yml"]
    rates = values(SOURCE.rows(found), "benchmark", "metric")
    assert [rates[f"aider_{board}", "pass_rate_2"] for board in ("polyglot", "edit", "refactor")] == ["1", "2", "3"]


def test_a_broken_run_is_rejected_by_itself() -> None:
    parsed = rows("- 5\n- model:\n" + RUN.replace("35.6", "n/a").replace("--one", "--two") + RUN)
    assert [reject.reason for reject in parsed.rejects] == [
        "a string where a run belongs",
        "model: an empty id",
        "pass_rate_2: 'n/a' is not a number",
    ]
    assert len(parsed.scores) == 9


def test_a_key_nobody_knows_is_kept_and_reported() -> None:
    parsed = rows(RUN + "  weather: fine\n")
    assert parsed.drift == {"run.weather": 1}
    assert '"weather":"fine"' in parsed.scores[0].extra


def test_every_scalar_is_the_text_that_was_written() -> None:
    assert load("a: 35.60\nb: 2025-01-01\nc: yes\nd: 1_000\ne: 0x10\nf: ~") == {
        "a": "35.60", "b": "2025-01-01", "c": "yes", "d": "1_000", "e": "0x10", "f": "~",
    }  # fmt: skip


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "an alias"), ("- &a x\n- *a", "an alias"), ("a: 1\na: 2", "a key that occurs twice"), ("[" * 100_000, "nested too deep"),
        ("? [a]\n: b", "unhashable key"), ("a: b: c", "mapping values are not allowed"), ("a: \x00", "special characters"),
        ("x" * 4_000_001, "4,000,001 characters"), ("%YAML 9.9\n---\na", "found incompatible YAML"), ("--- a\n--- b", "expected a single document"),
    ],
)  # fmt: skip
def test_yaml_that_is_hostile_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadPayload, match=why):
        load(text)


def test_a_tag_makes_no_object() -> None:
    assert load("!!python/object/apply:os.system ['x']") == ["x"]


@pytest.mark.parametrize("text", ["", "a: b", "text", "{}"])
def test_what_is_no_list_of_runs_is_refused(text: str) -> None:
    with pytest.raises(BadPayload):
        rows(text)


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    run: dict[str, Any] = {
        "dirname": "d", "model": "m", "edit_format": "diff", "pass_rate_1": "1.5", "total_cost": "2", "date": "2025-01-01", "editor_model": "e",
        "thinking_tokens": "32000", "command": "aider",
    }  # fmt: skip
    assert sum(outcomes(SOURCE, [run, run | {"dirname": "e"}]).values()) > 300
    for broken in cut(as_json([run])):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_recordings
def test_every_real_recording_is_read_whole() -> None:
    for path, count in zip(recordings("aider"), [122, 262, 297, 327], strict=True):
        parsed = whole(SOURCE.rows(body(path)), count)
    assert len({score.run for score in parsed.scores}) == 69
    found = values(parsed, "model", "effort", "harness", "metric")
    assert found["gpt-5", "high", "diff", "pass_rate_2"] == "88"
    assert found["DeepSeek-V3.2-Exp (Chat)", "", "diff", "pass_rate_2"] == "70.2"
    assert found["DeepSeek-V3.2-Exp (Chat)", "", "diff", "cost"] == "0.8756"
    assert ("qwen-max-2025-01-25", "", "diff", "cost") not in found
    assert len({score.run for score in parsed.scores if score.model == "Qwen2.5-Coder-32B-Instruct"}) == 2
    assert min(score.value for score in parsed.scores if score.metric == "cost") > Decimal(0)


@needs_benchmarks
def test_the_older_leaderboards_are_read_whole() -> None:
    edit, refactor = real("aider/edit_leaderboard_2024-12-22.yml.gz"), real("aider/refactor_leaderboard_2024-10-22.yml.gz")
    parsed = whole(SOURCE.rows(gathered(edit_leaderboard__yml=edit, refactor_leaderboard__yml=refactor)), 476)
    assert len({score.run for score in parsed.scores if score.benchmark == "aider_edit"}) == 98
    assert len({score.run for score in parsed.scores if score.benchmark == "aider_refactor"}) == 14
    assert values(parsed, "benchmark", "run", "metric")["aider_refactor", "2024-05-04-17-45-53--refac-opus", "pass_rate_1"] == "72.3"
