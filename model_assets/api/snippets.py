"""Quick starts: how to ask a model at a provider, in curl, Python and JavaScript. Keys are named by their environment variable, never held."""

import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

SAY = "Hello"
#: the sources whose ids are those that the provider's API takes, the surest first
SPELT_BY = ("openrouter", "models_dev", "genai_prices", "litellm")


class Provider(NamedTuple):
    """How a provider is asked."""

    url: str
    key: str
    docs: str
    style: str = "openai"


@cache
def providers() -> dict[str, Provider]:
    """The providers whose API is known, by their canonical name."""
    found = yaml.safe_load((Path(__file__).parent / "providers.yml").read_text(encoding="utf-8"))
    return {name: Provider(**about) for name, about in found.items()}


def quick_starts(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A quick start per known provider that lists a model now. Rows of `listed` have provider (canonical), source, listed_id and snapshot; of several
    ids at a provider the surest is taken, one without a date first."""
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(listed, key=_surest):
        if row["provider"] in providers() and not (row["source"] == "litellm" and "/" in row["listed_id"]):  # a prefix of LiteLLM's own
            best.setdefault(row["provider"], row)
    return [quick_start(name, row["listed_id"]) for name, row in sorted(best.items())]


def _surest(row: dict[str, Any]) -> tuple[Any, ...]:
    place = SPELT_BY.index(row["source"]) if row["source"] in SPELT_BY else len(SPELT_BY)
    return bool(row["snapshot"]), place, len(row["listed_id"]), row["listed_id"]


def quick_start(name: str, model: str) -> dict[str, Any]:
    """How to ask a model, by its id at a known provider. Ids are other people's text: each language has them quoted its own way."""
    provider = providers()[name]
    url, headers, body = _request(provider, model)
    return {
        "provider": name,
        "model": model,
        "docs_url": provider.docs,
        "key_variable": provider.key,
        "curl": _curl(url, headers, body),
        "python": _openai_python(provider, model) if provider.style == "openai" else _python(url, headers, body),
        "javascript": _openai_javascript(provider, model) if provider.style == "openai" else _javascript(url, headers, body),
    }


class Header(NamedTuple):
    """A header; `key` is the variable whose value comes after `value`, null for none."""

    name: str
    value: str
    key: str | None = None


def _request(provider: Provider, model: str) -> tuple[str, list[Header], dict[str, Any]]:
    messages = [{"role": "user", "content": SAY}]
    if provider.style == "anthropic":
        headers = [Header("x-api-key", "", provider.key), Header("anthropic-version", "2023-06-01")]
        return f"{provider.url}/messages", headers, {"model": model, "max_tokens": 1024, "messages": messages}
    if provider.style == "google":
        url = f"{provider.url}/models/{quote(model, safe='')}:generateContent"
        return url, [Header("x-goog-api-key", "", provider.key)], {"contents": [{"parts": [{"text": SAY}]}]}
    path = "chat" if provider.style == "cohere" else "chat/completions"
    return f"{provider.url}/{path}", [Header("Authorization", "Bearer ", provider.key)], {"model": model, "messages": messages}


def _curl(url: str, headers: list[Header], body: dict[str, Any]) -> str:
    lines = [f"curl {shlex.quote(url)}", "-H 'Content-Type: application/json'"]
    lines += [f'-H "{one.name}: {one.value}{f"${one.key}" if one.key else ""}"' for one in headers]
    lines.append(f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def _openai_python(provider: Provider, model: str) -> str:
    return f"""import os

from openai import OpenAI

client = OpenAI(base_url={provider.url!r}, api_key=os.environ[{provider.key!r}])
answer = client.chat.completions.create(
    model={model!r},
    messages=[{{"role": "user", "content": {SAY!r}}}],
)
print(answer.choices[0].message.content)
"""


def _python(url: str, headers: list[Header], body: dict[str, Any]) -> str:
    said = ", ".join(f"{one.name!r}: {_sum(repr(one.value), one.value, one.key and f'os.environ[{one.key!r}]')}" for one in headers)
    return f"""import os

import httpx

answer = httpx.post(
    {url!r},
    headers={{{said}}},
    json={body!r},
    timeout=60,
)
print(answer.raise_for_status().json())
"""


def _openai_javascript(provider: Provider, model: str) -> str:
    return f"""import OpenAI from "openai";

const client = new OpenAI({{ baseURL: {_js(provider.url)}, apiKey: process.env.{provider.key} }});
const answer = await client.chat.completions.create({{
  model: {_js(model)},
  messages: [{{ role: "user", content: {_js(SAY)} }}],
}});
console.log(answer.choices[0].message.content);
"""


def _javascript(url: str, headers: list[Header], body: dict[str, Any]) -> str:
    said = ", ".join(f"{_js(one.name)}: {_sum(_js(one.value), one.value, one.key and f'process.env.{one.key}')}" for one in headers)
    return f"""const answer = await fetch({_js(url)}, {{
  method: "POST",
  headers: {{ "Content-Type": "application/json", {said} }},
  body: JSON.stringify({_js(body)}),
}});
console.log(await answer.json());
"""


def _sum(written: str, value: str, key: str | None) -> str:
    """A header's value as code: text, and what comes from the environment."""
    return " + ".join(part for part in (written if value or not key else "", key) if part)


def _js(value: object) -> str:
    return json.dumps(value)
