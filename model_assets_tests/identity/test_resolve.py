"""From listings to models, on a list and listings small enough to read."""

import random
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_assets.identity.link import Correction, Facts, Link, offer_key
from model_assets.identity.resolve import Resolver, resolve_all
from model_assets.identity.tables import provider_of

LIST = [
    Facts("models_dev_models", "models.dev", id, released_on=released)
    for id, released in {
        "anthropic/claude-sonnet-4-5": date(2025, 9, 29),
        "anthropic/claude-sonnet-4-5-20250929": date(2025, 9, 29),
        "anthropic/claude-sonnet-4-0": date(2025, 5, 22),
        "anthropic/claude-sonnet-4-20250514": date(2025, 5, 22),
        "anthropic/claude-opus-4-8": date(2026, 5, 28),
        "anthropic/claude-3-5-sonnet-20241022": date(2024, 10, 22),
        "openai/gpt-4o": None,
        "openai/gpt-4o-2024-05-13": None,
        "openai/gpt-4o-2024-08-06": None,
        "openai/gpt-4o-mini": None,
        "openai/gpt-3.5-turbo": None,
        "openai/gpt-5.5": None,
        "alibaba/qwen3-32b": None,
        "alibaba/qwen3-235b-a22b": None,
        "alibaba/qwen3-coder-30b-a3b-instruct": None,
        "alibaba/qwen3-coder-480b-a35b-instruct": None,
        "alibaba/qwen3.5-397b-a17b": None,
        "google/gemini-3-pro-preview": None,
        "google/gemini-3.1-flash-lite": date(2026, 5, 7),
        "google/gemini-3.1-flash-lite-preview": date(2026, 3, 3),
        "google/gemini-3-pro-image-preview": None,
        "google/gemma-4-31b-it": None,
        "google/gemma-4-26b-a4b-it": None,
        "meta/llama-3.3-70b-instruct": None,
        "meta/llama-4-maverick-17b-instruct": None,
        "mistral/mistral-large-2411": None,
        "mistral/mistral-large-2512": None,
        "mistral/mistral-large-latest": None,
        "moonshotai/kimi-k2-thinking": None,
        "moonshotai/kimi-k2.5": None,
        "moonshotai/kimi-k2.7-code": None,
        "minimax/MiniMax-M2.5": None,
        "minimax/MiniMax-M2.5-highspeed": None,
        "nvidia/nemotron-3-super-120b-a12b": None,
        "nvidia/nemotron-3-nano-30b-a3b": None,
        "nvidia/mistral-nemotron": None,
        "xai/grok-4.20-0309-reasoning": None,
        "xai/grok-4.20-0309-non-reasoning": None,
        "xiaomi/mimo-v2.5": None,
        "zhipuai/glm-5.1": None,
        "deepseek/deepseek-r1": None,
    }.items()
]
OTHERS = [
    Facts("litellm", "anthropic", "claude-3-5-sonnet-20240620"),
    Facts("models_dev", "xai", "grok-4"),
    Facts("models_dev", "openai", "gpt-3.5-turbo"),
    Facts("models_dev", "openai", "gpt-3.5-turbo-instruct"),
    Facts("models_dev", "google", "gemma-3-4b-it"),
    Facts("models_dev", "google", "gemma-3-27b-it"),
    Facts("openrouter", "openrouter", "moonshotai/kimi-k2", hugging_face_id="moonshotai/Kimi-K2-Instruct"),
    Facts("models_dev", "groq", "groq/compound"),
    Facts("models_dev", "nano-gpt", "huihui-ai/Llama-3.3-70B-Instruct-abliterated"),
    Facts("models_dev", "one-host", "somelab/strange-7b"),
    Facts("models_dev", "one-host", "gpt-9-ultra"),
    Facts("models_dev", "one-host", "deepseek-v9"),
    Facts("models_dev", "other-host", "deepseek/deepseek-v9"),
    Facts("models_dev", "openrouter", "google/gemini-3-pro-image"),
    Facts("models_dev", "openrouter", "google/gemini-3-pro-image-preview"),
]
RESOLVER = Resolver(LIST, OTHERS)
T0, T1, T2 = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))


def link(listed_id: str, provider: str = "somewhere", **facts: object) -> Link:
    """The link of a listing at a reseller."""
    return RESOLVER.resolve(Facts("models_dev", provider, listed_id, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("listed_id", "provider", "model", "rule"),
    [
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o", "exact"),
        ("gpt-4o", "openai", "openai/gpt-4o", "exact"),
        ("GPT-4O", "openai", "openai/gpt-4o", "exact"),
        ("umans-flash", "umans-ai", None, "unresolved"),  # its model is not in this list
        ("umans-coder", "umans-ai", "moonshotai/kimi-k2.7-code", "alias"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon-bedrock", "anthropic/claude-sonnet-4-5", "grammar"),
        ("databricks-gpt-5-5", "databricks", "openai/gpt-5.5", "grammar"),
        ("umans-kimi-k2.7", "umans-ai", "moonshotai/kimi-k2.7-code", "grammar"),
        ("k2p5", "kimi-for-coding", "moonshotai/kimi-k2.5", "grammar"),
        ("qwen35-397b-a17b", "llmgateway", "alibaba/qwen3.5-397b-a17b", "grammar; a number read as a version"),
        ("grok-4-20-beta-0309-non-reasoning", "llmgateway", "xai/grok-4.20-non-reasoning", "reviewed: words left out"),
        ("mistralai/mistral-nemotron", "nvidia", "nvidia/mistral-nemotron", "grammar"),
        ("nvidia.nemotron-super-3-120b", "amazon-bedrock", "nvidia/nemotron-3-super-120b-a12b", "reviewed: build-up left out"),
        ("@cf/nvidia/nemotron-3-120b-a12b", "cloudflare", "nvidia/nemotron-3-super-120b-a12b", "reviewed: named by its sizes"),
        ("meta-llama/llama-4-maverick", "openrouter", "meta/llama-4-maverick-17b-instruct", "reviewed: words left out"),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "x", "meta/llama-4-maverick-17b-instruct", "reviewed: build-up left out"),
        ("gemini-3-pro", "neon", "google/gemini-3-pro-preview", "reviewed: words left out"),
        ("google/gemma-4-31B-turbo-TEE", "chutes", "google/gemma-4-31b-it", "reviewed: words left out"),
        ("deepseek-r1-671b", "venice", "deepseek/deepseek-r1", "grammar"),
    ],
)
def test_each_rule_finds_its_model_in_the_order_exact_alias_grammar_reviewed(listed_id, provider, model, rule):
    found = link(listed_id, provider)
    assert (found.model, found.rule) == (model, rule)


def test_a_stricter_rule_is_surer():
    links = [link("openai/gpt-4o"), link("gpt-4-o"), link("gpt-4o"), link("gemini-3-pro"), link("grok-4"), link("nothing")]
    sure = {found.rule: found.confidence for found in links}
    assert sure == {"exact": 1, "unresolved": 0, "grammar": sure["grammar"], "reviewed: words left out": Decimal("0.85")}
    assert link("grok-4").confidence < link("grok-4.20-0309-reasoning").confidence


@pytest.mark.parametrize(
    ("listed_id", "part", "found"),
    [
        ("qwen/qwen3-32b:free", "variant", "free"),
        ("coding-xiaomi-mimo-v2.5-free", "variant", "coding-free"),
        ("claude-sonnet-4-5-think", "variant", "thinking"),
        ("anthropic/claude-opus-4.8-fast", "variant", "fast"),
        ("gemini-3.1-flash-lite-preview", "variant", ""),
        ("qwen3-32b-fp8", "build", "fp8"),
        ("eu.anthropic.claude-opus-4-8", "region", "eu"),
        ("mistral-large-latest", "alias", "latest"),
        ("mistral-large-2411", "snapshot", "2024-11"),
        ("mistral-large-3", "snapshot", "2025-12"),
        ("deepseek-r1-0528", "snapshot", "0528"),
    ],
)
def test_variant_build_region_alias_and_snapshot_are_told_apart_from_the_model(listed_id, part, found):
    result = link(listed_id, "aihubmix")
    assert result.model
    assert getattr(result, part) == found


@pytest.mark.parametrize(
    "listed_id",
    ["minimax-m2.5-highspeed", "kimi-k2-thinking", "gpt-3.5-turbo-instruct", "moonshotai/kimi-k2", "qwen3-coder-480b", "gemma-3-4b-it"],
)
def test_a_word_that_is_part_of_a_models_name_is_not_taken_for_a_mode(listed_id):
    found = link(listed_id)
    assert found.model
    assert found.variant == ""
    assert found.model.split("/")[1].lower().startswith(listed_id.split("/")[-1])


@pytest.mark.parametrize(
    "listed_id",
    ["claude-sonnet-9.7", "gpt-6", "qwen3-coder", "gemma-4", "gemma-3", "llama-4", "gpt-9-ultra", "auto", "qwen3-99b", "claude", ""],
)
def test_what_no_rule_finds_or_what_fits_two_stays_unresolved_with_suggestions_that_are_not_used(listed_id):
    found = link(listed_id)
    assert (found.model, found.rule, found.confidence) == (None, "unresolved", 0)
    assert found.offer == f"somewhere:?{listed_id}"
    assert found.evidence["why"]


def test_suggestions_name_the_nearest_models():
    assert RESOLVER.resolve_id("claude-sonnet-9.7").suggestions[0] == "anthropic/claude-sonnet-4-5"


def test_the_shown_spellings_are_one_model_and_its_sibling_is_another():
    ids = ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4.5")
    assert {RESOLVER.resolve_id(id).model for id in ids} == {"anthropic/claude-sonnet-4-5"}
    assert RESOLVER.resolve_id("claude-sonnet-4-20250514").model == "anthropic/claude-sonnet-4-0"


def test_a_snapshot_nobody_has_listed_is_refused_and_a_listed_one_is_not():
    assert RESOLVER.resolve_id("claude-sonnet-4-5-20250929").snapshot == "2025-09-29"
    refused = RESOLVER.resolve_id("claude-sonnet-4-5-20300101")
    assert (refused.model, refused.suggestions[0]) == (None, "anthropic/claude-sonnet-4-5")


def test_dated_releases_are_snapshots_of_one_model_whether_or_not_the_list_has_it_undated():
    gpt = {RESOLVER.resolve_id(f"gpt-4o-{day}")[3:7:3] for day in ("2024-05-13", "2024-08-06")}
    assert gpt == {("openai/gpt-4o", "2024-05-13"), ("openai/gpt-4o", "2024-08-06")}
    assert {link(id).model for id in ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", "claude-3.5-sonnet")} == {
        "anthropic/claude-3-5-sonnet"
    }


def test_a_name_that_its_seller_lists_as_tuned_too_is_not_the_tuned_model_and_elsewhere_it_is():
    base, tuned, other = (
        Facts("litellm", provider, id)
        for provider, id in (
            ("fireworks_ai", "accounts/fireworks/models/llama-v3p3-70b"),
            ("fireworks_ai", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
            ("groq", "llama-3.3-70b"),
        )
    )
    resolver = Resolver(LIST, [base, tuned, other])
    links = [resolver.resolve(facts) for facts in (base, tuned, other)]
    assert [one.model for one in links] == [None, "meta/llama-3.3-70b-instruct", "meta/llama-3.3-70b-instruct"]
    assert links[0].evidence["why"].startswith("its seller lists the tuned model")
    assert Resolver(LIST, [base]).resolve(base).model == "meta/llama-3.3-70b-instruct"


def test_a_base_model_that_is_known_is_what_its_own_name_means_next_to_the_tuned_one():
    names = ["llama-3.3-70b", "llama-3.3-70b-instruct"]
    listings = [Facts("litellm", host, id) for host in ("replicate", "fireworks_ai") for id in names]
    resolver = Resolver(LIST, listings)
    assert [resolver.resolve(facts).model for facts in listings] == ["meta/llama-3.3-70b", "meta/llama-3.3-70b-instruct"] * 2


@pytest.mark.parametrize("typed", ["3", "v3", "r1", "k2", "claude", "anthropic/claude", "llama-3.3-70b", "qwen35-397b-a17b"])
def test_a_typed_id_that_nobody_lists_is_refused_where_only_a_loose_rule_finds_it_or_it_is_only_a_version(typed):
    resolver = Resolver(LIST, [Facts("litellm", "anthropic", "claude-v1"), Facts("litellm", "deepseek", "deepseek-v3")])
    refused = resolver.resolve_id(typed)
    assert (refused.model, refused.rule) == (None, "unresolved")
    assert refused.evidence["why"]


def test_a_typed_id_that_is_listed_may_be_found_by_a_loose_rule_unless_a_seller_means_another_model_by_it():
    groq = Facts("litellm", "groq", "llama-3.3-70b")
    assert Resolver(LIST, [groq]).resolve_id("llama-3.3-70b").model == "meta/llama-3.3-70b-instruct"
    fireworks = [Facts("litellm", "fireworks_ai", id) for id in ("llama-3.3-70b", "llama-3.3-70b-instruct")]
    refused = Resolver(LIST, [groq, *fireworks]).resolve_id("llama-3.3-70b")
    assert refused.model is None
    assert "those who list it do not all mean that" in refused.evidence["why"]


@pytest.mark.parametrize("typed", ["anthropic/gpt-4o", "mistralai/gpt-4o", "google/claude-sonnet-4-5", "deepseek/qwen3-32b"])
def test_an_author_that_the_name_contradicts_is_refused(typed):
    resolver = Resolver(LIST, [*OTHERS, Facts("genai_prices", "google", "claude-sonnet-4-5")])
    refused = resolver.resolve_id(typed)
    assert refused.model is None
    assert refused.evidence["why"].startswith("its path names ")
    assert link(typed).model is None


@pytest.mark.parametrize("way", ["azure", "azure-ai", "bedrock", "aws", "google-vertex", "vertex_ai", "snowflake", "groq", "vercel"])
def test_a_provider_before_a_name_is_no_author_that_could_contradict_it(way):
    assert RESOLVER.resolve_id(f"{way}/gpt-4o").model == "openai/gpt-4o"
    assert link(f"{way}/gpt-4o", way).model == "openai/gpt-4o"


def test_who_converts_weights_does_not_contradict_their_author():
    assert link("nvidia/Llama-3.3-70B-Instruct-FP8").model == "meta/llama-3.3-70b-instruct"
    assert link("nvidia/llama-3.3-70b-instruct").model is None


@pytest.mark.parametrize(
    ("listed_id", "author", "derivative_of"),
    [
        ("Qwerky-72B", "featherless", ""),
        ("featherless-ai/Qwerky-72B", "featherless", ""),
        ("Qwen3-32B-ArliAI-RpR-v1", "arliai", "alibaba/qwen3-32b"),
        ("llama-3.1-sonar-large-128k-online", "perplexity", ""),
        ("kuaishou/kat-coder-pro-v1", "kwaipilot", ""),
    ],
)
def test_what_is_made_from_anothers_weights_belongs_to_who_made_it(listed_id, author, derivative_of):
    resolver = Resolver(LIST, [Facts("models_dev", host, listed_id) for host in ("one-host", "other-host")])
    found = resolver.resolve(Facts("models_dev", "one-host", listed_id))
    assert (found.author, found.derivative_of) == (author, derivative_of)


def test_the_newest_of_a_family_is_no_model_and_azures_spelling_makes_none():
    listings = [Facts("litellm", "moonshot", f"moonshot/kimi-latest{length}") for length in ("", "-8k", "-128k")]
    resolver = Resolver(LIST, listings)
    assert [resolver.resolve(facts).model for facts in listings] == [None] * 3
    assert {link(id, "azure").model for id in ("gpt35", "gpt-35-turbo")} == {"openai/gpt-3.5-turbo"}
    assert link("gpt-35-16k", "azure").model == "openai/gpt-3.5-turbo-16k"


def test_dated_weights_that_were_trained_to_think_are_no_mode_of_those_without_and_dated_instruct_is_their_snapshot():
    names = ["Qwen/Qwen3-32B-Instruct-2507", "Qwen/Qwen3-32B-Thinking-2507"]
    listings = [Facts("genai_prices", "huggingface_nscale", name) for name in names]
    resolver = Resolver(LIST, listings)
    assert [resolver.resolve(facts).model for facts in listings] == ["alibaba/qwen3-32b", "alibaba/qwen3-32b-thinking"]


def test_a_derivative_is_another_model():
    found = link("huihui-ai/Llama-3.3-70B-Instruct-abliterated", "nano-gpt")
    assert found.model == "huihui-ai/llama-3.3-70b-instruct-abliterated"
    assert found.derivative_of == "meta/llama-3.3-70b-instruct"
    unknown = RESOLVER.resolve_id("somebody/Qwen3-32B-abliterated")
    assert (unknown.model, unknown.derivative_of) == (None, "alibaba/qwen3-32b")


def test_a_fine_tune_that_a_source_lists_is_a_model_of_its_own_and_somebodys_own_is_refused():
    listed = link("ft:gpt-4o-2024-08-06", "openai")
    assert (listed.model, listed.derivative_of, listed.snapshot) == ("openai/ft:gpt-4o", "openai/gpt-4o", "2024-08-06")
    assert RESOLVER.resolve_id("ft:gpt-4o-2024-08-06:acme::id").model is None
    assert RESOLVER.resolve_id("ft:gpt-4o:acme::id").model is None


def test_beyond_the_list_a_model_has_its_authors_own_id():
    assert link("x-ai/grok-4").model == "xai/grok-4"
    assert link("unsloth/gemma-3-27b-it").model == "google/gemma-3-27b-it"


def test_two_sellers_make_a_name_known_and_one_reseller_does_not():
    assert link("deepseek-v9").model == "deepseek/deepseek-v9"
    assert link("gpt-9-ultra", "one-host").model is None


def test_an_organisation_nobody_else_could_mean_makes_its_name_known():
    assert link("somelab/strange-7b", "one-host").model == "somelab/strange-7b"


def test_a_name_that_is_sold_next_to_its_preview_is_not_the_preview():
    assert link("google/gemini-3-pro-image").model != "google/gemini-3-pro-image-preview"
    assert link("google/gemini-3-pro").model == "google/gemini-3-pro-preview"


def test_where_a_name_is_listed_in_several_sizes_none_of_them_is_the_one_without():
    listings = [Facts("models_dev", "a-host", "kimi-k2.5-8b"), Facts("models_dev", "b-host", "kimi-k2.5-1t")]
    resolver = Resolver(LIST, listings)
    assert [resolver.resolve(facts).model for facts in listings] == [None, None]
    assert Resolver(LIST, listings[1:]).resolve(listings[1]).model == "moonshotai/kimi-k2.5"


def test_a_display_name_never_joins():
    assert link("xyz-1", name="GPT-4o").model is None


def test_a_display_name_that_is_another_models_vetoes_what_is_not_exact():
    vetoed = link("gemini-3-1-flash-lite", "neon", name="Gemini 3.1 Flash Lite Preview")
    assert vetoed.model is None
    assert "google/gemini-3.1-flash-lite-preview" in vetoed.evidence["why"]
    assert link("google/gemini-3.1-flash-lite", name="Gemini 3.1 Flash Lite Preview").model == "google/gemini-3.1-flash-lite"


def test_other_facts_confirm_and_are_named_in_the_evidence():
    found = link(
        "claude-4.5-sonnet", name="Claude Sonnet 4.5", released_on=date(2025, 9, 29), canonical_hint="anthropic/claude-4.5-sonnet-20250929"
    )
    assert found.evidence["confirmed_by"] == ["name", "canonical_hint", "released_on"]
    assert link("claude-4.5-sonnet", released_on=date(2020, 1, 1)).evidence.get("confirmed_by") is None


def test_an_alias_stands_for_what_its_source_says_and_for_nothing_else():
    found = link("~anthropic/claude-opus-latest", "openrouter", canonical_hint="anthropic/claude-opus-4.8")
    assert (found.model, found.alias, found.rule) == ("anthropic/claude-opus-4-8", "latest", "alias")
    assert link("~anthropic/claude-opus-latest", "openrouter").model is None
    assert link("~anthropic/claude-opus-latest", "openrouter", canonical_hint="openai/gpt-4o").model is None
    assert link("~anthropic/claude-opus-latest", "openrouter", canonical_hint="anthropic/claude-sonnet-4-20250514").model is None


def test_the_offer_names_who_sells_what():
    found = link("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock_converse")
    assert found.offer == "amazon-bedrock:anthropic/claude-sonnet-4-5@2025-09-29#us"
    assert link("zai-org/GLM-5.1-FP8", "vultr").offer == "vultr:zhipuai/glm-5.1+fp8"
    assert offer_key("p", "a/m", "x", ("s", "l", "v", "b", "r")) == "p:a/m@s~l:v+b#r"


def test_what_google_lists_of_others_is_sold_by_vertex_ai():
    assert link("claude-sonnet-4-5", "google").sold_by == "google-vertex"
    assert link("gemini-3-pro-preview", "google").sold_by == "google"


def test_an_id_is_found_with_its_provider_before_it():
    assert RESOLVER.resolve_id("groq/groq/compound").sold_by == "groq"
    assert RESOLVER.resolve_id("gpt-4o", "azure").offer == "azure:openai/gpt-4o"
    assert RESOLVER.resolve_id("openai/gpt-4o").sold_by == ""


def test_a_persons_word_counts_before_everything_from_when_it_was_given_until_the_next():
    words = [
        Correction(None, None, "gpt-4o", "openai/gpt-4o-mini", "ann", T1, "as billed"),
        Correction(None, None, "gpt-4o", None, "bob", T2, "nobody knows"),
        Correction("models_dev", "poe", "gpt-4o", "openai/gpt-5.5", "eve", T1, "a house name there"),
    ]
    resolver = Resolver(LIST, OTHERS, words)
    listing = Facts("models_dev", "azure", "gpt-4o")
    assert [resolver.resolve(listing, at).model for at in (T0, T1, T2)] == ["openai/gpt-4o", "openai/gpt-4o-mini", None]
    now = resolver.resolve(listing)
    assert (now.model, now.rule, now.evidence["decided_by"]) == (None, "correction", "bob")
    assert resolver.resolve(Facts("models_dev", "poe", "gpt-4o")).model == "openai/gpt-5.5"


def test_the_same_facts_give_the_same_links_in_whatever_order_they_come():
    everything = [
        *OTHERS,
        *(Facts("models_dev", "somewhere", id) for id in ("qwen3-235b", "gemma-3-27b", "deepseek-v9", "kimi-k2-instruct")),
    ]
    first = {one[:3]: one for one in resolve_all(everything, LIST)}
    for seed in range(5):
        shuffled, canonical = list(everything), list(LIST)
        random.Random(seed).shuffle(shuffled)
        random.Random(seed).shuffle(canonical)
        assert {one[:3]: one for one in resolve_all(shuffled, canonical)} == first


@given(st.text(max_size=60))
def test_nothing_that_is_typed_is_an_error(text):
    assert isinstance(RESOLVER.resolve_id(text), Link)


def test_what_anybody_types_is_not_remembered_for_long() -> None:
    def type_ids(begin: int, count: int) -> None:
        for number in range(begin, begin + count):
            RESOLVER.resolve_id(f"someone-{number}/gpt-4o", f"host-{number}")

    tracemalloc.start()
    try:
        type_ids(0, 300)
        for number in range(5000):  # as many as are remembered
            provider_of(f"provider-{number}")
        before, _ = tracemalloc.get_traced_memory()
        type_ids(1000, 2000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 400_000
