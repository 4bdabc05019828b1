"""models.dev's list of models, from entries small enough to read to the real recordings."""

import json
from datetime import date
from typing import Any

import pytest

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.models_dev_models import SOURCE, parse
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.test_models_dev import outcomes, said, sound

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


def test_benchmarks_are_known_and_left_in_the_payload():
    parsed = parse({"lab/m": {"benchmarks": [{"name": "Aider Polyglot", "score": 21.8}]}})
    assert not parsed.drift
    assert said(parsed).extra == "{}"


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
    assert len(parsed.rejects) == 1


@pytest.mark.parametrize("payload", [None, [], "x", {}, {"m": {}}])
def test_a_payload_without_a_model_is_refused(payload):
    with pytest.raises(BadPayload):
        parse(payload)


def test_nothing_that_a_damaged_entry_holds_reaches_the_ledger_unsound():
    whole: Any = {
        f"lab/m{number}": {"id": f"lab/m{number}", "weights": WEIGHTS, "limit": {"context": 5}, "license": "MIT"} for number in range(3)
    }
    assert sum(outcomes(parse, whole).values()) > 100


@needs_recordings
def test_every_real_recording_is_read_whole():
    counts = []
    for path in recordings("models_dev_models"):
        parsed = sound(SOURCE.parse(strict_json.loads(body(path))))
        assert not parsed.rejects
        assert not parsed.drift
        counts.append(len(parsed.listings))
    assert counts == [180, 220]
