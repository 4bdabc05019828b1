"""models.dev's list of models, from entries small enough to read to the real recordings."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.base import Parsed
from model_assets.sources.models_dev_models import SOURCE, parse
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.damaged import outcomes, said, sound
from model_assets_tests.sources.score_rows import key, only, values
from model_assets_tests.sources.score_rows import sound as sound_scores
from model_assets_tests.sources.score_rows import whole as whole_scores

WEIGHTS = [{"label": "Hugging Face", "url": "https://huggingface.co/Qwen/Qwen3-32B"}]


def one(id: str = "lab/m", **entry: object) -> Listing:
    """What becomes of one model."""
    return said(parse({id: {"id": id, **entry}}))


def test_a_model_is_listed_by_its_canonical_id_at_a_provider_that_sells_nothing():
    parsed = parse({"alibaba/qwen3-32b": {"id": "alibaba/qwen3-32b", "name": "Qwen3 32B", "family": "qwen"}})
    listing = said(parsed)
    assert (listing.provider, listing.listed_id, listing.author, listing.name) == (
        "models.dev",
        "alibaba/qwen3-32b",
        "alibaba",
        "Qwen3 32B",
    )
    assert parsed.prices == []
    assert parsed.price_values == 0


def test_attributes_are_read_as_those_of_a_providers_model():
    listing = one(
        release_date="2025-04", open_weights=True, limit={"context": 1000, "output": 0}, modalities={"input": ["text"]}, reasoning=True
    )
    assert (listing.released_on, listing.released_on_precision) == (date(2025, 4, 1), "month")
    assert (listing.context_tokens, listing.max_output_tokens) == (1000, None)
    assert listing.capabilities == ("reasoning",)
    assert listing.open_weights is True


def test_weights_give_the_id_on_hugging_face_and_a_licence_is_kept():
    listing = one(weights=WEIGHTS, license="MIT")
    assert (listing.hugging_face_id, listing.license) == ("Qwen/Qwen3-32B", "MIT")
    assert json.loads(listing.extra)["weights"] == WEIGHTS


@pytest.mark.parametrize(
    "weights", [None, [], "x", [None], [{"url": 5}], [{"url": "https://example.com/a/b"}], [{"url": "https://huggingface.co/"}]]
)
def test_weights_that_are_elsewhere_or_nowhere_give_none(weights):
    assert one(weights=weights).hugging_face_id is None


def scored(*results: object) -> Parsed:
    """What becomes of a model's benchmark results."""
    return parse({"lab/m": {"benchmarks": list(results)}})


def test_a_benchmark_result_is_a_score_and_no_attribute_of_the_model():
    parsed = scored(
        {
            "name": "SWE-Bench Pro", "score": Decimal("15.1"), "metric": "pass@1", "harness": "Gemini CLI", "variant": "high",
            "dataset": "hard-aa", "source": "https://a.example", "date": "2026-05-28",
        }
    )  # fmt: skip
    assert not parsed.drift
    assert said(parsed).extra == "{}"
    score = only(parsed)
    assert score[:10] == ("swe_bench_pro", "lab/m", "", "hard-aa", "pass@1", "Gemini CLI", "high", "", "", "")
    assert (score.value, score.unit, score.measured_on, score.url) == (Decimal("15.1"), "pct", date(2026, 5, 28), "https://a.example")


def test_results_that_cannot_be_compared_are_told_apart():
    one = {"name": "Terminal-Bench", "score": 1}
    parsed = scored(
        one,
        one | {"version": "2.1"},
        one | {"dataset": "hard"},
        one | {"harness": "Codex"},
        one | {"variant": "max"},
        one | {"metric": "a"},
    )
    assert len({key(score) for score in parsed.scores}) == 6


def test_a_variant_that_is_no_level_of_effort_stays_a_variant_and_a_metric_without_a_unit_counts_points():
    score = only(scored({"name": "B", "score": 5, "variant": "thinking", "metric": "score"}))
    assert (score.effort, score.variant, score.unit) == ("", "thinking", "score")


@pytest.mark.parametrize("found", ["33%", "10-20", "n/a", "", [], {}, True, "1e999"])
def test_a_score_that_is_no_number_is_rejected_by_itself(found):
    parsed = scored({"name": "B", "score": found}, {"name": "C", "score": "33.4"})
    assert (only(parsed).benchmark, only(parsed).value) == ("c", Decimal("33.4"))
    assert [(reject.relation, reject.provider, reject.listed_id, reject.row is None) for reject in parsed.rejects] == [
        ("score", "b", "lab/m", False)
    ]


@pytest.mark.parametrize("result", [None, 5, [], {}, {"score": 5}, {"name": None, "score": 5}, {"name": "?", "score": 5}])
def test_a_result_of_no_benchmark_leaves_all_results_of_the_model_in_doubt(result):
    parsed = scored(result, {"name": "C", "score": 5})
    assert only(parsed).benchmark == "c"
    assert [(reject.relation, reject.provider, reject.listed_id, reject.row) for reject in parsed.rejects] == [
        ("score", None, "lab/m", None)
    ]


def test_benchmarks_that_are_no_list_leave_all_results_of_the_model_in_doubt():
    parsed = parse({"lab/m": {"benchmarks": {"name": "B"}}})
    assert len(parsed.listings) == 1
    assert [(reject.relation, reject.provider, reject.listed_id) for reject in parsed.rejects] == [("score", None, "lab/m")]


def test_a_key_of_a_result_nobody_knows_is_kept_and_reported():
    parsed = scored({"name": "B", "score": 5, "colour": "green"})
    assert parsed.drift == {"model.benchmarks.colour": 1}
    assert json.loads(only(parsed).extra) == {"colour": "green", "name": "B"}


def test_a_key_nobody_knows_is_kept_and_reported():
    parsed = parse({"lab/m": {"colour": "green"}})
    assert parsed.drift == {"model.colour": 1}
    assert json.loads(said(parsed).extra) == {"colour": "green"}


def test_a_price_in_a_list_that_sells_nothing_is_reported_and_no_row():
    parsed = parse({"lab/m": {"cost": {"input": 1}}})
    assert parsed.prices == []
    assert parsed.unmapped == {"model.cost.input": 1}


@pytest.mark.parametrize(("id", "entry"), [("m", {}), ("/m", {}), ("lab/", {}), ("", {}), ("lab/m", None), ("lab/m", [])])
def test_an_entry_that_is_no_model_is_rejected_by_itself(id, entry):
    parsed = parse({id: entry, "lab/good": {}})
    assert [listing.listed_id for listing in parsed.listings] == ["lab/good"]
    assert [(reject.relation, reject.listed_id) for reject in parsed.rejects] == [("listing", id or None), ("score", id or None)]


@pytest.mark.parametrize("payload", [None, [], "x", {}, {"m": {}}])
def test_a_payload_without_a_model_is_refused(payload):
    with pytest.raises(BadPayload):
        parse(payload)


def test_nothing_that_a_damaged_entry_holds_reaches_the_ledger_unsound():
    whole: Any = {
        f"lab/m{number}": {
            "id": f"lab/m{number}", "weights": WEIGHTS, "limit": {"context": 5}, "license": "MIT",
            "benchmarks": [{"name": "B", "score": 5, "metric": "score", "variant": "low", "date": "2026-01", "source": "https://a", "version": "1"}],
        }
        for number in range(3)
    }  # fmt: skip
    assert sum(outcomes(lambda payload: sound_scores(parse(payload)), whole).values()) > 100


@needs_recordings
def test_every_real_recording_is_read_whole():
    counts = []
    for path in recordings("models_dev_models"):
        parsed = sound(SOURCE.parse(strict_json.loads(body(path))))
        assert not parsed.rejects
        assert not parsed.drift
        counts.append(len(parsed.listings))
        found = values(whole_scores(parsed, 243), "benchmark", "split", "model", "metric", "harness")
    assert counts == [180, 220]
    assert found["aider_polyglot", "", "alibaba/qwen-max", "percent correct", ""] == "21.8"
    assert found["swe_bench_pro", "", "google/gemini-3.1-pro-preview", "resolve rate", ""] == "54.2"
    assert found["swe_bench_pro", "public", "google/gemini-3.1-pro-preview", "resolve rate", ""] == "46.1"
