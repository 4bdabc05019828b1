"""Artificial Analysis, from entries small enough to read to every real payload; and where its key goes."""

import json
import logging
from typing import Any

import pytest

from model_assets import pipeline
from model_assets.database import connect
from model_assets.errors import BadPayload, FetchFailed, SourceOff
from model_assets.fetching.http import Policy
from model_assets.ledger import observations
from model_assets.settings import read_settings
from model_assets.sources.artificial_analysis import SOURCE, collect
from model_assets.sources.base import Ask, Parsed
from model_assets.sources.gathered import parts
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.sources.score_rows import as_json, cut, needs_benchmarks, only, outcomes, real, values, whole

KEY = "aa_0123456789_secret"
QUICK = Policy(attempts=1, allow_loopback=True)
ENTRY: dict[str, Any] = {
    "id": "c99f3bde", "name": "Lab 1 (Reasoning, High Effort)", "slug": "lab-1-high", "release_date": "2025-08-05",
    "model_creator": {"id": "e", "name": "Lab", "slug": "lab"},
    "evaluations": {"artificial_analysis_intelligence_index": 14.9, "mmlu_pro": 0.775, "hle": None, "terminalbench_v2_1": 0.138576779026217},
    "pricing": {"price_1m_input_tokens": 0}, "median_output_tokens_per_second": 333.275,
}  # fmt: skip


def rows(*entries: object, **envelope: object) -> Parsed:
    """What becomes of the API's answer."""
    return SOURCE.rows(as_json({"status": 200, "prompt_options": {}, "data": list(entries)} | envelope))


def page(number: int, of: int) -> bytes:
    """A page of the free tier, with one entry."""
    entry = ENTRY | {"name": f"Lab {number}", "slug": f"lab-{number}", "evaluations": {"artificial_analysis_coding_index": number}}
    pagination = {"page": number, "page_size": 1, "total_pages": of, "has_more": number < of}
    return as_json({"tier": "free", "intelligence_index_version": 4.1, "pagination": pagination, "data": [entry]})


def test_indices_and_fractions_stand_side_by_side_each_in_its_unit() -> None:
    parsed = rows(ENTRY)
    assert values(parsed, "benchmark", "version", "metric", "unit") == {
        ("artificial_analysis_intelligence_index", "", "index", "index"): "14.9",
        ("mmlu_pro", "", "score", "fraction"): "0.775",
        ("terminal_bench", "2.1", "score", "fraction"): "0.138576779026217",
    }
    assert {(score.model, score.effort, score.variant, score.run, score.runner) for score in parsed.scores} == {
        ("Lab 1", "high", "Reasoning", "lab-1-high", "Artificial Analysis")
    }
    assert not parsed.prices
    assert not parsed.drift
    assert json.loads(parsed.scores[0].extra).keys() == {"listed_as", "id", "creator", "released"}


def test_levels_of_reasoning_are_told_apart() -> None:
    low = ENTRY | {"name": "Lab 1 (low)", "slug": "lab-1-low"}
    parsed = rows(ENTRY, low)
    assert {(score.model, score.effort) for score in parsed.scores} == {("Lab 1", "high"), ("Lab 1", "low")}


def test_reasoning_that_is_other_weights_is_another_model() -> None:
    found = rows(*(ENTRY | {"name": name, "slug": name} for name in ("Qwen3 30B A3B 2507 (Reasoning)", "Qwen3 30B A3B (Reasoning)")))
    assert {(row.model, row.variant) for row in found.scores} == {("Qwen3 30B A3B 2507 Thinking", ""), ("Qwen3 30B A3B", "Reasoning")}


def test_the_version_of_an_index_and_what_it_took_to_run_are_kept_where_they_are_stated() -> None:
    cost = {"artificial_analysis_intelligence_index_cost": {"total_cost": 1040.88, "cost_per_task": {"total_cost": 0.5855}}}
    parsed = rows(ENTRY | cost, intelligence_index_version=4.1)
    found = values(parsed, "benchmark", "version", "metric")
    assert found["artificial_analysis_intelligence_index", "4.1", "index"] == "14.9"
    assert found["artificial_analysis_intelligence_index", "4.1", "cost"] == "1040.88"
    assert found["mmlu_pro", "", "score"] == "0.775"


def test_an_evaluation_nobody_knows_is_reported_for_its_unit_is_unsaid() -> None:
    parsed = rows(ENTRY | {"evaluations": {"new_bench": 0.5, "artificial_analysis_new_index": 50}, "colour": "green"})
    assert only(parsed).benchmark == "artificial_analysis_new_index"
    assert parsed.drift == {"model.evaluations.new_bench": 1, "model.colour": 1}


def test_a_broken_entry_is_rejected_by_itself() -> None:
    good = {"evaluations": {"mmlu_pro": 0.5}}
    parsed = rows(5, ENTRY | good | {"name": None}, ENTRY | {"evaluations": []}, ENTRY | {"evaluations": {"gpqa": "50%"}}, ENTRY | good)
    assert only(parsed).benchmark == "mmlu_pro"
    assert [(reject.provider, reject.listed_id) for reject in parsed.rejects] == [
        (None, None),
        ("mmlu_pro", None),
        (None, "Lab 1"),
        ("gpqa", "Lab 1"),
    ]


def test_a_fraction_above_one_breaks_the_contract() -> None:
    with pytest.raises(AssertionError):
        whole(rows(ENTRY | {"evaluations": {"mmlu_pro": 77.5}}), 1)


def test_one_page_of_several_is_refused() -> None:
    with pytest.raises(BadPayload, match="has 3 pages, and 1 are here"):
        SOURCE.rows(page(1, 3))
    assert only(SOURCE.rows(page(1, 1))).model == "Lab 1"


@pytest.mark.parametrize("total", [0, -1, 101, "3", None, True, 1.5])
def test_a_number_of_pages_that_is_none_is_refused(total: object) -> None:
    with pytest.raises(BadPayload, match="pages; 1 to 100 are read"):
        SOURCE.rows(as_json({"pagination": {"total_pages": total}, "data": [ENTRY]}))


@pytest.mark.parametrize("payload", [None, [], {}, {"data": {}}, {"data": None}, {"error": "no key"}])
def test_what_is_no_list_of_models_is_refused(payload: Any) -> None:
    with pytest.raises(BadPayload):
        SOURCE.rows(as_json(payload))


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    entry = ENTRY | {"artificial_analysis_intelligence_index_cost": {"total_cost": 5}}
    payload = {"data": [entry, ENTRY | {"slug": "b"}], "pagination": {"total_pages": 1}, "intelligence_index_version": 4.1}
    assert sum(outcomes(SOURCE, payload).values()) > 300
    for broken in cut(as_json(payload)):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


def test_it_is_off_without_a_key_and_says_what_to_set(url: str) -> None:
    with pytest.raises(SourceOff, match=r"artificial_analysis is off: it needs a key. Set ARTIFICIAL_ANALYSIS_API_KEY"):
        pipeline.record_live(url, SOURCE, QUICK)


def test_the_key_is_sent_as_a_header_and_kept_nowhere(url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("ARTIFICIAL_ANALYSIS_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    assert SOURCE.why_off() is None
    with serving(*(answer(200, page(number, 3), f'ETag: "{number}"') for number in (1, 2, 3)), answer(401)) as server:
        here = pipeline.replace(SOURCE, gather=lambda ask, kept: collect(ask, kept, server.url("/v2")), url=server.url("/v2"))
        observed = pipeline.record_live(url, here, QUICK)
        with pytest.raises(FetchFailed) as failed:
            pipeline.record_live(url, here, QUICK)
        asked = [request.split()[1] for request in server.requests]
        assert all(f"x-api-key: {KEY}" in request for request in server.requests)
    assert asked == ["/v2", "/v2?page=2", "/v2?page=3", "/v2"]
    with connect(url) as connection:
        kept = observations.body_of(connection, observed.sha256)
    assert len(parts(kept)) == 3
    assert {score.model for score in SOURCE.rows(kept).scores} == {"Lab 1", "Lab 2", "Lab 3"}
    everywhere = f"{kept!r} {failed.value!r} {failed.value.__cause__!r} {caplog.text} {read_settings()!r}"
    assert KEY not in everywhere
    assert "Check the access token" in str(failed.value)


def test_an_answer_that_is_no_list_is_kept_so_that_it_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFICIAL_ANALYSIS_API_KEY", KEY)
    ask: Ask = pipeline.asking(QUICK)
    with serving(answer(200, b"<html>maintenance")) as server:
        kept = collect(ask, None, server.url())
        assert server.connections == 1
    assert parts(kept)[0].body == "<html>maintenance"
    with pytest.raises(BadPayload, match="looks like an HTML page"):
        SOURCE.rows(kept)


@needs_benchmarks
def test_every_real_payload_is_read_whole() -> None:
    for day, count in (("2026-06-23", 5606), ("2026-07-22", 6133)):
        parsed = whole(SOURCE.rows(real(f"artificial_analysis/llms_models_archive_{day}.json.gz")), count)
    found = values(parsed, "benchmark", "model", "effort", "unit")
    assert found["mmlu_pro", "gpt-oss-120b", "low", "fraction"] == "0.775"
    assert found["artificial_analysis_intelligence_index", "gpt-oss-120b", "low", "index"] == "14.9"
    assert found["aime_25", "gpt-oss-120b", "low", "fraction"] == "0.666666666666667"
    assert len({score.run for score in parsed.scores if score.benchmark == "artificial_analysis_intelligence_index"}) == 566


@needs_benchmarks
def test_the_recorded_first_page_of_the_free_tier_is_read_where_it_is_the_only_one() -> None:
    recorded = real("artificial_analysis/models_free_page1_2026-06-27.json.gz")
    with pytest.raises(BadPayload, match="has 3 pages, and 1 are here"):
        SOURCE.rows(recorded)
    payload = json.loads(recorded)
    payload["pagination"]["total_pages"] = 1
    parsed = whole(
        SOURCE.rows(as_json(payload)),
        197 + 30 + 14 + sum(bool(one["artificial_analysis_intelligence_index_cost"]) for one in payload["data"]),
    )
    assert values(parsed, "model", "effort", "version", "metric")["Gemini 3.5 Flash", "high", "4.1", "cost"] == "1040.88"
