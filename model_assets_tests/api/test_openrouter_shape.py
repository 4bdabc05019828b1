"""OpenRouter's shape: prices that are exact, what is unknown left out, and a list in which one model comes first."""

import json
from typing import Any

import pytest

from model_assets.api.openrouter_shape import in_shape, pricing
from model_assets.api.routes.openrouter import body_of, with_first


def price(meter: str, amount: str | None, state: str = "paid", above: int = 0, window: str | None = None) -> dict[str, Any]:
    return {"meter": meter, "state": state, "amount": amount, "above": above, "window": window}


def test_an_amount_per_million_is_written_out_per_token_without_an_exponent() -> None:
    assert pricing([price("input", "0.0375"), price("output", "15"), price("request", "10")]) == {
        "prompt": "0.0000000375",
        "completion": "0.000015",
        "request": "0.01",
    }


def test_an_unknown_price_is_left_out_a_free_one_is_0_and_one_that_depends_on_the_route_is_minus_1() -> None:
    found = pricing([price("input", "0", "free"), price("output", None, "unknown"), price("image", "0.04")])
    assert found == {"prompt": "0"}  # no key of theirs means images made
    assert pricing([price("input", None, "dynamic"), price("output", None, "dynamic"), price("cache_read", None, "dynamic")]) == {
        "prompt": "-1",
        "completion": "-1",
    }


def test_a_price_of_hours_is_an_override_and_the_dearest_of_them_stands_for_it() -> None:
    day, night = "10:00-01:00 UTC", "01:00-10:00 UTC on sat,sun UTC"
    found = pricing([price("input", "0.22", window=day), price("input", "0.44", window=night), price("input", "1", above=128_000)])
    assert found == {
        "prompt": "0.00000044",
        "overrides": [
            {"utc_start": 1000, "utc_end": 100, "prompt": "0.00000022"},
            {"utc_start": 100, "utc_end": 1000, "utc_days": ["saturday", "sunday"], "prompt": "0.00000044"},
            {"min_prompt_tokens": 128_000, "prompt": "0.000001"},
        ],
    }


def test_where_the_price_of_an_hour_is_unknown_no_other_stands_for_it() -> None:
    hours = [price("input", "0.22", window="10:00-01:00 UTC"), price("input", None, "unknown", window="01:00-10:00 UTC")]
    assert "prompt" not in pricing(hours)


def test_what_the_contract_has_no_column_for_comes_from_extra() -> None:
    row = {
        "id": "~lab/m-latest", "canonical_slug": "lab/m-2", "hugging_face_id": None, "name": "M", "description": None, "context_length": 8,
        "max_completion_tokens": None, "input_modalities": ["image", "text"], "output_modalities": ["text"], "capabilities": ["tool_call"],
        "knowledge_cutoff": "2025-03", "expiration_date": None, "prices": [], "access": {"status": "active"},
        "extra": {"created": 1787336476, "tokenizer": "Other", "supported_parameters": ["max_tokens"], "default_parameters": {"top_p": "0.95"},
                  "alias_target": {"slug": "lab/m-2"}, "top_provider_context_length": 4},
    }  # fmt: skip
    found = in_shape(row, enhanced=True)
    assert found["canonical_slug"] == "~lab/m-latest"
    assert found["architecture"]["modality"] == "text+image->text"
    assert found["supported_parameters"] == ["max_tokens", "tools"]
    assert found["top_provider"] == {"context_length": 4, "max_completion_tokens": None, "is_moderated": False}
    assert (found["default_parameters"], found["created"], found["pricing"]) == ({"top_p": 0.95}, 1787336476, {})
    assert found["access"] == {"status": "active"}
    assert "access" not in in_shape(row)


@pytest.mark.parametrize("first", ["a", "b", 'c"\n', "d"])
def test_any_model_can_come_first_and_the_others_keep_their_order(first: str) -> None:
    models = [{"id": id, "name": "x\n,"} for id in ("a", "b", 'c"\n', "d")]
    body, place = with_first(body_of(models), first)
    found = [one["id"] for one in json.loads(body)["data"]]
    assert found == [first, *(one["id"] for one in models if one["id"] != first)]
    assert place == [one["id"] for one in models].index(first)


def test_a_model_that_is_not_in_the_list_moves_nothing() -> None:
    body = body_of([{"id": "a"}, {"id": "ab"}])
    assert with_first(body, "b") == (body, 0)
    assert with_first(body_of([]), "a") == (body_of([]), 0)
