"""Names of models as benchmarks spell them: what is of the run is left out, what is not understood is left alone."""

from datetime import UTC, datetime

import pytest

from model_assets.identity.link import Correction, Facts
from model_assets.identity.names import read_name
from model_assets.identity.resolve import Resolver

LIST = [
    "openai/o3", "openai/gpt-5", "openai/gpt-5-mini", "anthropic/claude-opus-4-5", "anthropic/claude-3-5-sonnet", "deepseek/deepseek-r1",
    "mistral/devstral", "alibaba/qwen3-32b",
]  # fmt: skip
SOLD = [
    Facts("models_dev", "anthropic", "claude-3-5-sonnet-20241022"),
    Facts("models_dev", "anthropic", "claude-opus-4-5-20251101"),
    Facts("models_dev", "openai", "gpt-5-2025-08-07"),
    Facts("models_dev", "deepseek", "deepseek-r1-0528"),
]
KNOWN = Resolver([Facts("models_dev_models", "models.dev", id) for id in LIST], SOLD)


@pytest.mark.parametrize(
    ("spelled", "model", "snapshot"),
    [
        ("o3 (high)", "openai/o3", ""),
        ("O3", "openai/o3", ""),
        ("gpt-5-2025-08-07_medium", "openai/gpt-5", "2025-08-07"),
        ("gpt-5-mini-high", "openai/gpt-5-mini", ""),
        ("gpt-5 mini (FC)", "openai/gpt-5-mini", ""),
        ("claude-opus-4-5-20251101-thinking-64k-high-effort", "anthropic/claude-opus-4-5", "2025-11-01"),
        ("claude-opus-4-5-20251101_120K", "anthropic/claude-opus-4-5", "2025-11-01"),
        ("Claude 3.5 Sonnet (20241022)", "anthropic/claude-3-5-sonnet", "2024-10-22"),
        ("Claude 3.5 Sonnet (Oct 2024)", "anthropic/claude-3-5-sonnet", "2024-10"),
        ("DeepSeek R1 (0528)", "deepseek/deepseek-r1", "0528"),
        ("Qwen3 32B (no think)", "alibaba/qwen3-32b", ""),
    ],
)
def test_a_name_is_the_model_that_it_says_whatever_it_says_of_the_run(spelled: str, model: str, snapshot: str) -> None:
    link = KNOWN.resolve_name("aider", spelled)
    assert (link.model, link.snapshot, link.listed_id, link.source, link.provider) == (model, snapshot, spelled, "aider", "")


@pytest.mark.parametrize(
    ("spelled", "why"),
    [
        ("DeepSeek R1 + claude-3-5-sonnet-20241022", "more than one model"),
        ("Qwen3 32B diff, no think, Alibaba API", "more than one model"),
        ("gpt-5 (distilled by somebody)", "'distilled by somebody' is not understood"),
        ("Claude 3.5 Sonnet (20241022) (20240620)", "two dates"),
        ("Claude 3.5 Sonnet (20990101)", "not understood"),
        ("gpt-6", "no model is known"),
        ("gpt-5-2025-01-01", "nobody lists a snapshot"),
        ("devstral-medium", "no model is known"),
        ("Optimus Alpha", "neither an author nor a family"),
        ("(high)", "no one model"),
    ],
)
def test_a_name_that_is_not_understood_whole_is_no_model_and_says_why(spelled: str, why: str) -> None:
    link = KNOWN.resolve_name("aider", spelled)
    assert (link.model, link.rule) == (None, "unresolved")
    assert why in link.evidence["why"]


def test_an_id_without_marks_is_tried_as_it_is_before_anything_is_taken_off() -> None:
    assert read_name("mistral-medium").ids == ("mistral-medium",)
    assert read_name("gpt-5.1-2025-11-13-medium").ids == ("gpt-5.1-2025-11-13-medium", "gpt-5.1-2025-11-13")


@pytest.mark.parametrize("spelled", ["", "()", "([)]", "x" * 600, "🦙 (🦙)", "a + b (c, d; e)", "1", "-", "_high", "\u202egpt-5"])
def test_no_name_is_too_odd_to_be_read(spelled: str) -> None:
    assert KNOWN.resolve_name("aider", spelled).model is None


def test_a_person_can_say_what_a_name_is_and_what_it_is_not() -> None:
    said = datetime(2026, 1, 1, tzinfo=UTC)
    words = [
        Correction("aider", None, "Optimus Alpha", "openai/gpt-5", "ann", said, "announced"),
        Correction(None, None, "o3 (high)", None, "bob", said, "no"),
    ]
    known = Resolver([Facts("models_dev_models", "models.dev", id) for id in LIST], SOLD, words)
    assert known.resolve_name("aider", "Optimus Alpha").model == "openai/gpt-5"
    assert known.resolve_name("epoch", "Optimus Alpha").model is None
    assert (known.resolve_name("aider", "o3 (high)").model, known.resolve_name("aider", "o3").model) == (None, "openai/o3")
