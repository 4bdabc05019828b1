"""The simulated world in the shape of each source's real payload: path on its server -> bytes."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import yaml

from bench.soak.world import Model, World

MILLION = 1_000_000
Files = dict[str, bytes]


def render(name: str, world: World) -> Files:
    """What a source serves today."""
    return SHAPES[name](world, [*world.models.values()])


def _json(found: object) -> bytes:
    return json.dumps(found, default=float, separators=(",", ":")).encode()


def _about(model: Model) -> dict[str, Any]:
    return {
        "id": model.name, "name": model.name.title(), "family": model.name.partition("-")[0], "attachment": False, "reasoning": True,
        "tool_call": True, "temperature": True, "knowledge": "2025-01", "release_date": "2025-04-24", "last_updated": "2025-04-24",
        "modalities": {"input": ["text"], "output": ["text"]}, "open_weights": False, "limit": {"context": model.context, "output": 8192},
    }  # fmt: skip


def models_dev(world: World, models: Sequence[Model]) -> Files:
    found: dict[str, Any] = {}
    for model in models:
        about = {"id": model.provider, "env": ["KEY"], "npm": "@ai-sdk/x", "name": model.provider.title(), "doc": "https://docs.example"}
        provider = found.setdefault(model.provider, about | {"models": {}})
        cost = {"input": model.input, "output": model.output, "cache_read": model.input / 10}
        provider["models"][model.name] = _about(model) | {"cost": cost}
    return {"": _json(found)}


def models_dev_models(world: World, models: Sequence[Model]) -> Files:
    return {"": _json({f"{model.provider}/{model.name}": _about(model) | {"id": f"{model.provider}/{model.name}"} for model in models})}


def openrouter(world: World, models: Sequence[Model]) -> Files:
    return {"": _json({"data": [_routed(model) for model in models if model.number % 2]})}


def _routed(model: Model) -> dict[str, Any]:
    id = f"{model.provider}/{model.name}"
    return {
        "id": id, "canonical_slug": id, "hugging_face_id": None, "name": model.name.title(), "created": 1735689600,
        "description": f"{model.name}, revision {model.revision}", "context_length": model.context,
        "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other", "instruct_type": None},
        "pricing": {"prompt": f"{model.input / MILLION:f}", "completion": f"{model.output / MILLION:f}"},
        "top_provider": {"context_length": model.context, "max_completion_tokens": 8192, "is_moderated": False},
        "per_request_limits": None, "supported_parameters": ["max_tokens", "tools"],
    }  # fmt: skip


def litellm(world: World, models: Sequence[Model]) -> Files:
    return {"": _json({model.name: _map_entry(model) for model in models})}


def _map_entry(model: Model) -> dict[str, Any]:
    return {
        "litellm_provider": model.provider, "mode": "chat", "max_input_tokens": model.context, "max_output_tokens": 8192, "max_tokens": 8192,
        "input_cost_per_token": model.input / MILLION, "output_cost_per_token": model.output / MILLION, "supports_function_calling": True,
    }  # fmt: skip


def genai_prices(world: World, models: Sequence[Model]) -> Files:
    found: dict[str, Any] = {}
    for model in (model for model in models if model.number % 3):
        provider = found.setdefault(model.provider, {"id": model.provider, "name": model.provider.title(), "models": []})
        prices = {"input_mtok": model.input, "output_mtok": model.output}
        provider["models"].append({"id": model.name, "name": model.name.title(), "match": {"equals": model.name}, "prices": prices})
    return {"": _json([*found.values()])}


def huggingface(world: World, models: Sequence[Model]) -> Files:
    """The list, and of each repository what is in its files: `revision/<id>`."""
    published = [model for model in models if not model.number % 5][:60]
    page = [_repository(model) for model in published]
    weights = {
        f"/api/models/{entry['id']}/revision/{entry['sha']}": _json(
            {
                "siblings": [
                    {"rfilename": "m.tflite", "size": 1000, "lfs": {"sha256": entry["sha"] * 2}},
                    {"rfilename": "README.md", "blobId": "b"},
                ]
            }
        )
        for entry in page
    }
    return {"/api/models": _json(page), **weights}


def _repository(model: Model) -> dict[str, Any]:
    id = f"{model.provider}/{model.name}"
    return {
        "_id": str(model.number), "id": id, "modelId": id, "author": model.provider, "sha": f"{model.number:016x}{model.revision:016x}",
        "lastModified": "2025-05-01T00:00:00.000Z", "private": False, "gated": False, "downloads": model.revision * 100 + model.number,
        "likes": model.revision, "tags": ["litert", "license:mit"], "createdAt": "2025-01-01T00:00:00.000Z", "pipeline_tag": "text-generation",
        "library_name": "litert", "siblings": [{"rfilename": "README.md"}, {"rfilename": "m.tflite"}],
    }  # fmt: skip


def curated(world: World, models: Sequence[Model]) -> Files:
    entries = [
        {
            "slug": model.name, "name": model.name.title(), "provider": model.provider, "listed_id": model.name, "category": "commercial",
            "context_tokens": model.context, "input_modalities": ["text"], "output_modalities": ["text"], "best_for": ["days"], "not_for": ["nights"],
            "url": "https://maker.example/", "docs_url": f"https://maker.example/{model.name}",
        }
        for model in models[:50]
    ]  # fmt: skip
    return {"": yaml.safe_dump({"checked_on": "2026-01-01", "models": entries}, sort_keys=False).encode()}


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def epoch(world: World, models: Sequence[Model]) -> Files:
    header = ("Model version", "ECI Score", "Release date", "Organization", "Country", "Model accessibility", "Training compute (FLOP)",
              "Confidence", "Model name", "Description", "Display name")  # fmt: skip
    rows = [
        (model.name, model.score, "2025-04-24", model.provider, "", "", "", "Confident", model.name, "", model.name.title())
        for model in models
        if model.number % 2
    ]
    return {"": _csv(header, rows)}


def bfcl(world: World, models: Sequence[Model]) -> Files:
    header = (
        "Rank",
        "Overall Acc",
        "Model",
        "Model Link",
        "Latency Mean (s)",
        "Live Acc",
        "Multi Turn Acc",
        "Web Search Acc",
        "Organization",
        "License",
    )
    rows = [
        (rank, f"{model.score}%", f"{model.name} (FC)", "https://maker.example/", "1.5", f"{model.score}%", f"{model.score / 2}%",
         f"{model.score / 4}%", model.provider, "Proprietary")
        for rank, model in enumerate(models[:40], 1)
    ]  # fmt: skip
    return {"": _csv(header, rows)}


def lmarena(world: World, models: Sequence[Model]) -> Files:
    found = {}
    for place, arena in enumerate(("text", "vision", "image")):
        rated = {model.name: _rating(model.score) for model in models if model.number % 3 == place}
        found[f"/leaderboard-{arena}.json"] = _json({"full": rated})
    return found


def _rating(score: Decimal) -> dict[str, Decimal]:
    return {"rating": 1000 + score, "rating_q025": 990 + score, "rating_q975": 1010 + score}


def news(world: World, models: Sequence[Model]) -> Files:
    items = [
        f"<item><title>{said}</title><guid>{day}-{said}</guid><link>https://news.example/{day}</link>"
        f"<pubDate>Tue, 23 Jun 2020 02:00:00 +0000</pubDate><description>Of {said}.</description></item>"
        for day, said in world.news
    ]
    return {
        f"/{feed}.xml": f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>{feed}</title>{"".join(part)}</channel></rss>'.encode()
        for feed, part in (("one", items[::2]), ("two", items[1::2]))
    }


SHAPES: dict[str, Callable[[World, Sequence[Model]], Files]] = {
    shape.__name__: shape
    for shape in (
        models_dev, models_dev_models, openrouter, litellm, genai_prices, huggingface, curated, epoch, bfcl, lmarena, news,
    )
}  # fmt: skip
