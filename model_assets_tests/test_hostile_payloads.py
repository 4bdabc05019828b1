"""Text and numbers that are meant to break things (fault U14, U15, U16), at every place of every source's payload, up to the database."""

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from model_assets import pipeline
from model_assets.database import connect
from model_assets.ledger import observations
from model_assets.soundness import unsound
from model_assets.sources import SOURCES

HOSTILE: list[Any] = [
    "\x00", "\ud800", "\u202eabc", "\u200b", "x" * 1_000_000, "<script>alert(1)</script>", "'; drop table history.price; --", "{{7*7}}", "\\",
    "a\tb\nc", '","', "{a,b}", "None", "\x1f", "\U0001f642", "=cmd|' /C calc'!A0", 2**70, -1, None, [], {}, True, "NaN", 1e308,
]  # fmt: skip
ENTRIES = 30
PAYLOADS: dict[str, Any] = {
    "openrouter": {
        "data": [
            {
                "id": f"lab/m{number}", "name": f"m{number}", "canonical_slug": "x", "hugging_face_id": "h", "description": "d", "created": 1,
                "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "t"}, "context_length": 5,
                "pricing": {"prompt": "0.1e-6", "completion": "1e-6", "request": "0.1"}, "expiration_date": "2026-01-01",
                "top_provider": {"context_length": 5, "max_completion_tokens": 4}, "supported_parameters": ["tools"],
            }
            for number in range(ENTRIES)
        ]
    },
    "models_dev": {
        "p": {
            "id": "p", "name": "P", "doc": "https://x", "env": ["A"], "npm": "n",
            "models": {
                f"m{number}": {
                    "id": f"m{number}", "name": "n", "family": "f", "limit": {"context": 5, "output": 4}, "open_weights": True, "reasoning": True,
                    "cost": {"input": 1, "output": 2, "tiers": [{"input": 3, "output": 4, "tier": {"type": "context", "size": 200000}}]},
                    "modalities": {"input": ["text"], "output": ["text"]}, "release_date": "2026-01", "knowledge": "2025-01",
                }
                for number in range(ENTRIES)
            },
        }
    },
    "litellm": {
        f"m{number}": {
            "litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 5,
            "source": "https://x", "supported_modalities": ["text"], "metadata": {"a": "b"},
            "search_context_cost_per_query": {"search_context_size_low": 0.1},
        }
        for number in range(ENTRIES)
    },
    "huggingface": [
        {
            "_id": "1", "id": f"lab/m{number}", "modelId": f"lab/m{number}", "author": "lab", "sha": "a" * 40, "private": False, "gated": False,
            "downloads": 5, "likes": 1, "tags": ["litert", "license:other"], "siblings": [{"rfilename": "m.tflite"}], "pipeline_tag": "other",
            "library_name": "litert", "createdAt": "2026-01-01T00:00:00.000Z", "config": {"architectures": ["BertForMaskedLM"]},
            "cardData": {"license": "other", "license_name": "n", "license_link": "https://x", "base_model": "a/b", "summary": "s"},
        }
        for number in range(ENTRIES)
    ],
    "genai_prices": [
        {
            "id": "p", "name": "P", "pricing_urls": ["https://x"],
            "models": [
                {
                    "id": f"m{number}", "name": "n", "description": "d", "match": {"equals": "m"}, "context_window": 5,
                    "prices": {"input_mtok": 1, "output_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}]}},
                }
                for number in range(ENTRIES)
            ],
        }
    ],
    "discussions": {
        "nbHits": ENTRIES, "page": 0, "query": "q", "params": "query=q",
        "hits": [
            {
                "objectID": f"{number}", "title": "t", "url": "https://x", "author": "a", "created_at": "2026-01-01T00:00:00Z",
                "created_at_i": 1777629600, "story_text": "<p>t", "points": 1, "num_comments": 2, "_tags": ["story"], "children": [1],
            }
            for number in range(ENTRIES)
        ],
    },
    "jobs": {
        "nbHits": ENTRIES, "page": 0,
        "hits": [
            {
                "objectID": f"{number}", "author": "a", "created_at_i": 1777629600, "comment_text": "a<p>b", "story_id": 5, "parent_id": 5,
                "story_title": "s", "points": None, "_tags": ["comment"], "created_at": "2026-01-01T00:00:00Z", "updated_at": "x",
            }
            for number in range(ENTRIES)
        ],
    },
}  # fmt: skip


def places(found: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a payload, of its entries only the first."""
    for key in list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ():
        if key == 1 or key == "m1":
            return
        yield (*path, key)
        yield from places(found[key], (*path, key))


def spoilt(payload: Any, place: tuple[str | int, ...], hostile: Any) -> Iterator[bytes]:
    """The payload with a hostile value at a place; and, where it is a text, with a hostile key there."""
    for as_key in (False, True):
        if as_key and not (isinstance(hostile, str) and isinstance(place[-1], str)):
            continue
        whole = copy.deepcopy(payload)
        at = whole
        for step in place[:-1]:
            at = at[step]
        if as_key:
            at[hostile] = at.pop(place[-1])
        else:
            at[place[-1]] = hostile
        yield json.dumps(whole).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_hostile_reaches_the_database_as_an_error_and_the_ledger_stays_sound(url: str, name: str) -> None:
    source, chance = SOURCES[name], random.Random(1)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    outcomes: Counter[str] = Counter()
    for place in places(PAYLOADS[name]):
        for hostile in chance.sample(HOSTILE, 3):
            for body in spoilt(PAYLOADS[name], place, hostile):
                at += timedelta(minutes=1)
                with connect(url) as connection:
                    one = observations.record(connection, name, at, body, url="http://x", origin="recording")
                audited = pipeline.audit(url, source, one)
                if audited.outcome != "refused":
                    audited = pipeline.publish(url, source, audited, lambda _: None)
                outcomes[audited.outcome] += 1
    assert outcomes.total() > 60
    assert outcomes["changes"] > 5
    with connect(url) as connection:
        assert not any(unsound(connection).values())
