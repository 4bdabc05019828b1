"""What benchmark sources have in common: numbers, names, modes and tables."""

from decimal import Decimal
from typing import Any

import pytest

from model_assets.errors import BadPayload
from model_assets.sources.amounts import BadAmount
from model_assets.sources.base import Parsed
from model_assets.sources.scores import benchmark_named, csv_rows, effort_in, number, put, run_of, split_mode
from model_assets_tests.sources.score_rows import only


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (0, "0"), (-3, "-3"), ("35.6", "35.6"), (Decimal("0.09661007519999999"), "0.0966100752"), (" 48.0 ", "48"), ("1e2", "100"),
        (Decimal("1525.1042120660923"), "1525.10421206609"), (".5", "0.5"),
    ],
)  # fmt: skip
def test_a_number_is_exact_and_without_the_noise_of_floats(found: object, value: str) -> None:
    assert number(found) == Decimal(value)


@pytest.mark.parametrize(
    "found",
    [
        "",
        "n/a",
        "77%",
        "50-60",
        "~50",
        "NaN",
        "inf",
        "1_000",
        "٣",
        "1,5",
        True,
        None,
        [],
        {},
        10**19,
        Decimal("1e300"),
        Decimal("NaN"),
        "1e-300",
    ],
)
def test_what_is_no_number_is_none(found: object) -> None:
    with pytest.raises(BadAmount):
        number(found)


def test_a_score_that_is_no_number_puts_only_itself_in_doubt() -> None:
    parsed = Parsed()
    run = run_of(parsed, "bench", "m", split="s")
    assert run is not None
    put(parsed, run, "good", "pct", "5")
    put(parsed, run, "bad", "pct", "5-6")
    put(parsed, run, "missing", "pct", None)
    assert only(parsed).metric == "good"
    (reject,) = parsed.rejects
    assert (reject.relation, reject.provider, reject.listed_id, reject.reason) == ("score", "bench", "m", "bad: '5-6' is not a number")
    assert reject.row is not None
    assert reject.row[:6] == ("bench", "m", "", "s", "bad", "")


def test_no_dollars_are_an_unknown_cost_and_no_points_are_a_score() -> None:
    parsed = Parsed()
    run = run_of(parsed, "bench", "m")
    assert run is not None
    put(parsed, run, "cost", "usd", "0.0000")
    put(parsed, run, "pass", "pct", "0.0")
    assert (only(parsed).metric, only(parsed).value) == ("pass", 0)


def test_an_interval_that_ends_before_it_begins_is_rejected() -> None:
    parsed = Parsed()
    run = run_of(parsed, "bench", "m")
    assert run is not None
    put(parsed, run, "rating", "elo", 1000, 1010, 990)
    assert not parsed.scores
    assert "its interval ends at 990, before it begins at 1010" in parsed.rejects[0].reason


@pytest.mark.parametrize("model", [None, "", " ", 5, [], "a\x00", "a\nb", "\u202ea", "x" * 513])
def test_a_run_of_what_is_no_model_is_rejected_and_leaves_the_benchmark_in_doubt(model: object) -> None:
    parsed = Parsed()
    assert run_of(parsed, "bench", model) is None
    assert [(reject.provider, reject.listed_id, reject.row) for reject in parsed.rejects] == [("bench", None, None)]


@pytest.mark.parametrize("name", ["version", "split", "harness", "effort", "variant", "runner", "run"])
@pytest.mark.parametrize("found", [[], {}, True, "a\x00", "\ud800", "x" * 513, " "])
def test_a_part_of_a_key_that_is_no_name_is_rejected_and_leaves_the_model_in_doubt(name: str, found: Any) -> None:
    parsed = Parsed()
    assert run_of(parsed, "bench", "m", **{name: found}) is None
    assert [(reject.provider, reject.listed_id, reject.row) for reject in parsed.rejects] == [("bench", "m", None)]


def test_a_date_or_a_link_that_is_none_is_left_out_and_reported() -> None:
    parsed = Parsed()
    run = run_of(parsed, "bench", "m", date="2025-02-31", url="example.com", version=Decimal("4.1"))
    assert run is not None
    assert (run.measured_on, run.url, run.version) == (None, None, "4.1")
    assert [oddity.field for oddity in parsed.oddities] == ["date", "url"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("GPT-5.5 (xhigh)", ("GPT-5.5", "xhigh", "")),
        ("Claude Sonnet 5 (Adaptive Reasoning, Max Effort)", ("Claude Sonnet 5", "max", "Adaptive Reasoning")),
        ("Claude Opus 4.7 (Non-reasoning, High Effort)", ("Claude Opus 4.7", "high", "Non-reasoning")),
        ("claude-opus-4-20250514 (32k thinking)", ("claude-opus-4-20250514", "32k", "")),
        ("claude-3-7-sonnet-20250219 (32k thinking tokens)", ("claude-3-7-sonnet-20250219", "32k", "")),
        ("claude-opus-4-20250514 (no think)", ("claude-opus-4-20250514", "", "no think")),
        ("GPT-5 (2025-08-07) (medium reasoning)", ("GPT-5 (2025-08-07)", "medium", "")),
        ("DeepSeek V3 (0324)", ("DeepSeek V3 (0324)", "", "")),
        ("o3 (high) + gpt-4.1", ("o3 (high) + gpt-4.1", "", "")),
        ("Gemini 2.5 Pro Preview (May' 25)", ("Gemini 2.5 Pro Preview (May' 25)", "", "")),
        ("m (low, high)", ("m (low, high)", "", "")),
        (" (high)", (" (high)", "", "")),
        ("high)", ("high)", "", "")),
        ("m (high", ("m (high", "", "")),
    ],
)
def test_brackets_at_the_end_of_a_name_are_its_mode_only_where_they_speak_of_one(name: str, found: tuple[str, str, str]) -> None:
    assert split_mode(name) == found


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        ("gpt-5.1-high", "high"), ("gpt-5.3-codex_high", "high"), ("claude-sonnet-4-6_16K", "16k"), ("gpt-5.1-2025-11-13_none", "none"),
        ("claude-3-7-sonnet-20250219-thinking-32k", "32k"), ("claude-opus-4-8-xhigh-effort", "xhigh"), ("x-max-effort", "max"),
        ("gemini-2.5-pro-06-05-highthinking", "high"), ("o3-2025-04-16_medium", "medium"), ("gpt-5.4-mini-low", "low"),
        ("mistral-medium", ""), ("magistral-medium", ""), ("phi-3-medium", ""), ("qwen-max", ""), ("gpt-5.1-codex-max", ""), ("phi-3-mini-128k", ""),
        ("gpt-4-32k", ""), ("step-2-16k-exp", ""), ("high", ""),
    ],
)  # fmt: skip
def test_an_effort_is_read_from_the_end_of_an_id_where_nothing_else_can_be_meant(name: str, effort: str) -> None:
    assert effort_in(name) == effort


def test_benchmarks_that_sources_spell_differently_have_one_name() -> None:
    assert benchmark_named("SWE-Bench Verified") == ("swe_bench", "", "Verified")
    assert benchmark_named("Terminal-Bench Hard") == benchmark_named("terminalbench_hard") == ("terminal_bench", "", "hard")
    assert benchmark_named("Aider Polyglot") == ("aider_polyglot", "", "")
    assert benchmark_named("???") == ("", "", "")


def test_a_table_is_read_by_column_with_line_breaks_in_cells_and_rows_of_another_length() -> None:
    rows = csv_rows('\ufeffa,b\r\n"x\ny",2\nz\n1,2,3\n\n', frozenset({"a"}), "it")
    assert rows == [{"a": "x\ny", "b": "2"}, {"a": "z", "b": None}, {"a": "1", "b": "2", "": ["3"]}]


@pytest.mark.parametrize("text", ["", "b\n1", "a,a\n", "a,\n", "a,b\x00\n", 'a\n"x', 'a\n"x"y\n', "a\n" + "x" * 200_000, "<html>"])
def test_a_text_that_is_no_such_table_is_refused(text: str) -> None:
    with pytest.raises(BadPayload, match=r"it .*in raw"):
        csv_rows(text, frozenset({"a"}), "it")
