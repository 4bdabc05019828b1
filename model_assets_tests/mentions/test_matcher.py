"""Which models a text names: rather none than a wrong one."""

from functools import cache

import pytest

from model_assets.identity.known import Known
from model_assets.identity.link import Facts
from model_assets.identity.recorded import facts_of
from model_assets.mentions.matcher import Matcher
from model_assets.mentions.spellings import Spellings
from model_assets.settings import BUNDLED_RECORDINGS

LIST = (
    "anthropic/claude-opus-4-5", "anthropic/claude-sonnet-4-5", "anthropic/claude-3-5-sonnet-20241022", "openai/gpt-4", "openai/gpt-4o",
    "openai/gpt-4o-mini", "openai/gpt-5", "openai/gpt-oss-120b", "openai/o1", "openai/o3-mini", "google/gemini-2.5-pro", "google/gemini-2.5-flash",
    "google/gemini-2.5-flash-image", "google/gemini-3-pro-preview", "google/gemini-pro", "deepseek/deepseek-r1", "deepseek/deepseek-v3",
    "meta/llama-3.1-405b-instruct", "meta/llama-3.1-8b-instruct", "meta/llama-4-scout-17b-16e-instruct", "alibaba/qwen3-32b",
    "alibaba/qwen3-next-80b-a3b-instruct", "alibaba/qwen3-next-80b-a3b-thinking", "bytedance/seed-2.0-pro", "stepfun/step-3", "mistral/mistral-large",
    "amazon/nova-2-lite", "alibaba/qwen2.5-coder-7b-instruct", "alibaba/qwen2.5-coder-32b-instruct", "xai/grok-4", "mistral/codestral",
)  # fmt: skip


@cache
def matcher() -> Matcher:
    return Matcher(Spellings(Known([Facts("models_dev_models", "models.dev", id) for id in LIST], [])))


def names(text: str, beside: str = "") -> dict[str, str]:
    """words -> model, of what a text names."""
    return {found.words: next(iter(found.models)) for found in matcher().find(text, beside) if len(found.models) == 1}


@pytest.mark.parametrize(
    ("text", "words", "model"),
    [
        ("We tried GPT-4o today", "GPT-4o", "openai/gpt-4o"),
        ("GPT-4o mini is cheap", "GPT-4o mini", "openai/gpt-4o-mini"),
        ("gpt 4o's answer", "gpt 4o", "openai/gpt-4o"),
        ("GPT\u20114", "GPT\u20114", "openai/gpt-4"),
        ("Is Claude Sonnet 4.5 any good?", "Claude Sonnet 4.5", "anthropic/claude-sonnet-4-5"),
        ("(claude-sonnet-4-5)", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("Claude 4.5 Sonnet", "Claude 4.5 Sonnet", "anthropic/claude-sonnet-4-5"),
        ("Claude Code with Opus 4.5.", "Opus 4.5", "anthropic/claude-opus-4-5"),
        ("on gpt-oss-120b", "gpt-oss-120b", "openai/gpt-oss-120b"),
        ("Llama 3.1 405B", "Llama 3.1 405B", "meta/llama-3.1-405b-instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B-Instruct", "meta/llama-3.1-8b-instruct"),
        ("Llama-3.1-8B-Instruct-FP8", "Llama-3.1-8B-Instruct", "meta/llama-3.1-8b-instruct"),
        ("Llama 4 Scout", "Llama 4 Scout", "meta/llama-4-scout-17b-16e-instruct"),
        ("DeepSeek-R1", "DeepSeek-R1", "deepseek/deepseek-r1"),
        ("<b>DeepSeek</b> V3", "DeepSeek V3", "deepseek/deepseek-v3"),
        ("Gemini 3 Pro", "Gemini 3 Pro", "google/gemini-3-pro-preview"),
        ("Gemini 2.5 Flash Image", "Gemini 2.5 Flash Image", "google/gemini-2.5-flash-image"),
        ("GPT-4-based agents", "GPT-4", "openai/gpt-4"),
        ("gpt-4o-2024-08-06", "gpt-4o", "openai/gpt-4o"),
        ("OpenAI's o1 reasons", "o1", "openai/o1"),
        ("o3-mini", "o3-mini", "openai/o3-mini"),
        ("Seed 2.0 Pro", "Seed 2.0 Pro", "bytedance/seed-2.0-pro"),
        ("Qwen3-32B", "Qwen3-32B", "alibaba/qwen3-32b"),
        ("Grok 4 in 2026", "Grok 4", "xai/grok-4"),
    ],
)
def test_a_name_is_found_as_people_write_it(text: str, words: str, model: str):
    assert names(text) == {words: model}


@pytest.mark.parametrize(
    "text",
    [
        "Claude, Gemini, GPT and Llama",
        "Claude 4, Llama 3.1, Qwen3, Gemini 2.5",
        "Gemini Pro",
        "Codestral",
        "GPT-5 Turbo",
        "GPT-4 Omni",
        "gpt-4o-realtime",
        "Claude Opus 4.5.1",
        "Claude Opus 4.55",
        "Grok 4 Heavy",
        "Mistral Large 9",
        "DeepSeek-R1-Distill-Foo-9B",
        "my-gpt-4",
        "somebody/Llama-3.1-8B-Instruct",
        "https://example.com/gpt-4o and www.example.com/gpt-4",
        "gpt-4.txt",
        "@gpt-4",
        "gpt-4@example.com",
        "#gpt-4o",
        "GPT-4x",
        "XGPT-4",
        "Step 3: mix the eggs",
        "step-3 of the plan",
        "an o1 visa, by OpenAI's lawyers",
        "o1 without its maker",
        "-O3 and O1 by OpenAI",
        "Opus 4.5 without its brand",
        "opus 4 of Beethoven",
        "the Nova 2 is a car",
        "Gemini 2.5 Flash image understanding is not Flash Image",
        "uncensored GPT-4",
        "the mistral large team",
        "Llama 3.1 405B 9B",
        "llama 3 1 405b",
        "Llama 3.1\n405B",
        "Llama 3.1, 405B",
        "",
        "\x00\ud800\u202e",
    ],
)
def test_what_may_be_something_else_is_no_name(text: str):
    found = set(names(text).values())
    assert found <= {"google/gemini-2.5-flash"}
    assert not found or "image understanding" in text


def test_a_name_in_small_words_that_any_sentence_holds_is_not_the_longer_one():
    assert "Gemini 2.5 Flash image" not in names("Gemini 2.5 Flash image understanding")


def test_the_brand_may_be_spoken_of_beside_the_text():
    assert names("Opus 4.5 is out", "New from Anthropic") == {"Opus 4.5": "anthropic/claude-opus-4-5"}


def test_words_of_several_models_are_told_as_such_and_are_the_name_of_none():
    (found,) = matcher().find("Qwen3-Next is here")
    assert sorted(found.models) == ["alibaba/qwen3-next-80b-a3b-instruct", "alibaba/qwen3-next-80b-a3b-thinking"]


def test_a_name_without_the_size_in_which_its_models_differ_is_not_even_one_of_several():
    assert matcher().find("Qwen2.5-Coder is here") == []


def test_the_longest_name_counts_and_each_is_told_with_its_place_in_the_text_as_it_came():
    raw = "<p>GPT-4o &amp; <i>GPT-4o mini</i>, then GPT-4"
    found = matcher().find(raw)
    assert [one.words for one in found] == ["GPT-4o", "GPT-4o mini", "GPT-4"]
    assert all(raw[one.start :].startswith(one.words) for one in found)


@pytest.mark.parametrize("name", LIST)
def test_a_canonical_id_names_its_own_model_or_none(name: str):
    found = {id for one in matcher().find(f"We use {name} here, of OpenAI") for id in one.models}
    own = matcher().find(name)
    assert len(found) <= 1
    assert not own or len(own) == 1


def test_every_spelling_of_the_bundled_list_leads_back_to_the_model_it_is_of():
    facts = facts_of(BUNDLED_RECORDINGS)
    known = Known([one for one in facts if one.source == "models_dev_models"], [one for one in facts if one.source != "models_dev_models"])
    found = Matcher(Spellings(known))
    wrong = [
        (id, [sorted(one.models) for one in names])
        for id, model in known.list_ids.items()
        if (names := found.find(f"OpenAI {id.partition('/')[2]} x")) and model.id not in set().union(*(one.models for one in names))
    ]
    assert wrong == []
    assert sum(bool(found.find(id.partition("/")[2])) for id in known.list_ids) > len(known.list_ids) / 2


def test_the_digest_of_spellings_moves_with_the_models_that_are_known_and_not_with_their_order():
    facts = [Facts("models_dev_models", "models.dev", id) for id in LIST]
    assert Spellings(Known(facts, [])).digest == Spellings(Known(facts[::-1], [])).digest
    assert Spellings(Known(facts, [])).digest != Spellings(Known(facts[1:], [])).digest
