"""What an id says by its shape alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_assets.identity.grammar import Reading, key_of, read, same_snapshot
from model_assets.identity.tables import provider_of


def words(listed_id: str, sold_by: str = "") -> str:
    """The words of an id, in the order of their key."""
    return " ".join(key_of(read(listed_id, sold_by).words))


@pytest.mark.parametrize(
    "listed_id",
    [
        "claude-sonnet-4-5", "claude-sonnet-4.5", "claude-4.5-sonnet", "claude_sonnet_4_5", "anthropic/claude-sonnet-4.5", "claude-sonnet-v4p5",
        "anthropic--claude-4.5-sonnet", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5@default",
        "bedrock/us-east-1/anthropic.claude-sonnet-4-5-20250929-v1:0", "openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4-5-latest",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0", "vertex_ai/claude-sonnet-4-5@20250929",
    ],
)  # fmt: skip
def test_separators_word_order_ways_regions_and_dates_make_no_other_name(listed_id):
    assert words(listed_id) == "4.5 claude sonnet"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("accounts/fireworks/models/deepseek-v3p1", "deepseek-ai/DeepSeek-V3.1"),
        ("meta.llama3-3-70b-instruct-v1:0", "meta-llama/Llama-3.3-70B-Instruct"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5", "nvidia/llama-3.3-nemotron-super-49b-v1.5"),
        ("moonshotai/chat-completion/models/Kimi-K2_6", "kimi-k2.6"),
        ("gpt-oss:120b", "openai/gpt-oss-120b"),
        ("hf:zai-org/GLM-5.1", "zai-glm-5.1"),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B", "nemotron-3-nano-30b-a3b"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("grok-4-20", "grok-4.20"),
        ("@cf/openai/gpt-oss-120b", "openai.gpt-oss-120b-1:0"),
        ("zai-org/glm-4.7-maas", "glm-4.7"),
    ],
)
def test_two_spellings_have_one_key(one, other):
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-5", "gpt-5.5"), ("gpt-4", "gpt-4o"), ("claude-3-5-sonnet", "claude-3-7-sonnet"), ("glm-4.5", "glm-4.5v"), ("o1", "o3"),
        ("qwen3-32b", "qwen3-30b-a3b"), ("text-embedding-004", "text-embedding-005"), ("gemma-4-E2B-it", "gemma-4-E4B-it"),
        ("grok-4.20-reasoning", "grok-4.20-non-reasoning"), ("mistral-7b-instruct-v0.1", "mistral-7b-instruct-v0.2"), ("llama-3-70b", "llama-3-8b"),
    ],
)  # fmt: skip
def test_a_version_or_a_size_is_never_dropped(one, other):
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("listed_id", "snapshot"),
    [
        ("claude-3-5-haiku-20241022", "2024-10-22"), ("gpt-4o-2024-05-13", "2024-05-13"), ("gpt-4o-2024-0513", "2024-05-13"),
        ("doubao-seed-1-6-250615", "2025-06-15"), ("mistral-large-2411", "2024-11"), ("vertex_ai/mistral-large@2411-001", "2024-11"),
        ("command-r-08-2024", "2024-08"), ("gpt-4-0613", "0613"), ("deepseek-r1-0528", "0528"), ("gemini-2.5-pro-preview-05-06", "0506"),
        ("gemini-2.5-flash-preview-09-2025", "2025-09"), ("gemini-2.0-flash-001", "001"), ("grok-4.20-beta-0309-reasoning", "0309"),
        ("claude-opus-4@20250514", "2025-05-14"), ("qwen3.5-plus-02-15", "0215"),
    ],
)  # fmt: skip
def test_a_date_of_the_calendar_is_a_snapshot_however_it_is_written(listed_id, snapshot):
    assert read(listed_id).snapshot == snapshot


@pytest.mark.parametrize(
    "listed_id",
    [
        "claude-3-20251399",
        "gpt-4-1399",
        "llama3-70b-8192",
        "model-20190101",
        "gemini-embedding-001",
        "text-embedding-ada-002",
        "0613",
        "gpt-4-32k",
    ],
)
def test_digits_that_are_no_day_or_month_of_the_calendar_stay_in_the_name(listed_id):
    assert read(listed_id).snapshot == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2025-05-28", "0528", True), ("2024-11", "2024-11-18", True), ("", "2025-05-28", True), ("2024-05-13", "2024-08-06", False),
        ("0528", "0324", False), ("2024-11", "2025-12", False), ("001", "002", False),
    ],
)  # fmt: skip
def test_snapshots_agree_as_far_as_both_say(one, other, same):
    assert same_snapshot(one, other) is same
    assert same_snapshot(other, one) is same


@pytest.mark.parametrize(
    ("listed_id", "sold_by", "part", "found"),
    [
        ("qwen/qwen3-32b:free", "openrouter", "variant", ("free",)),
        ("claude-3-7-sonnet-thinking:32768", "nano-gpt", "variant", ("32768",)),
        ("hd/1024-x-1792/dall-e-3", "openai", "variant", ("hd", "1024-x-1792")),
        ("bedrock/eu-central-1/1-month-commitment/anthropic.claude-v1", "amazon-bedrock", "variant", ("1-month-commitment",)),
        ("novita/glm-4.7", "poe", "variant", ("via-novita-ai",)),
        ("azure-gpt-4o", "nano-gpt", "variant", ("via-azure",)),
        ("Qwen/Qwen3-32B-TEE", "chutes", "build", ("tee",)),
        ("TEE/glm-5", "nano-gpt", "build", ("tee",)),
        ("Qwen3_5-9B-Q4_K_M", "atomic-chat", "build", ("q4_k_m",)),
        ("zai-org/GLM-5.1-FP8", "vultr", "build", ("fp8",)),
        ("nvidia/NVIDIA-Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16", "vultr", "build", ("bf16",)),
        ("eu.anthropic.claude-opus-4-8", "amazon-bedrock", "region", "eu"),
        ("azure/global-standard/gpt-4o-2024-08-06", "azure", "region", "global"),
        ("mars.anthropic.claude-opus-4-8", "amazon-bedrock", "region", "mars"),
        ("mistral-large-latest", "mistral", "alias", "latest"),
        ("vertex_ai/codestral@latest", "google-vertex", "alias", "latest"),
        ("huihui-ai/Qwen3-32B-abliterated", "nano-gpt", "derived", "abliterated"),
        ("ft:gpt-4o-2024-08-06:acme::id", "openai", "derived", "ft"),
    ],
)
def test_plan_mode_way_build_region_alias_and_derivation_are_told_apart(listed_id, sold_by, part, found):
    assert getattr(read(listed_id, sold_by), part) == found


@pytest.mark.parametrize(
    ("listed_id", "sold_by", "author"),
    [
        ("x-ai/grok-4.3", "openrouter", "xai"), ("grok/grok-4.3", "orcarouter", "xai"), ("z-ai/glm-5", "openrouter", "zhipuai"),
        ("zai-org/GLM-5", "togetherai", "zhipuai"), ("meta-llama/Llama-3.3-70B-Instruct", "", "meta"), ("kimi/kimi-k2.5", "", "moonshotai"),
        ("MiniMaxAI/MiniMax-M2", "", "minimax"), ("gpt-5", "azure", "openai"), ("o4-mini", "azure", "openai"), ("mistralai/mistral-nemotron", "", "nvidia"),
        ("k2p7", "kimi-for-coding", "moonshotai"), ("duo-chat-opus-4-8", "gitlab", "anthropic"), ("deepseek.r1-v1:0", "amazon-bedrock", "deepseek"),
        ("sao10k/l3-8b-lunaris", "novita-ai", "sao10k"), ("databricks-gpt-5-5", "databricks", "openai"), ("gpt-oss-120b", "groq", "openai"),
    ],
)  # fmt: skip
def test_the_author_is_whom_the_path_names_or_whose_family_the_name_is_of(listed_id, sold_by, author):
    assert read(listed_id, sold_by).authors[0] == author


def test_providers_of_the_sources_that_send_one_bill_are_one_and_editions_of_their_own_are_not():
    vertex = {
        provider_of(id).name for id in ("google-vertex", "google-vertex-anthropic", "vertex_ai-anthropic_models", "vertex_ai-llama_models")
    }
    bedrock = {provider_of(id).name for id in ("amazon-bedrock", "bedrock", "bedrock_converse", "aws")}
    assert vertex == {"google-vertex"}
    assert bedrock == {"amazon-bedrock"}
    assert provider_of("gemini").name == provider_of("google").name == "google"
    assert provider_of("azure_text").name == provider_of("azure").name == "azure"
    assert len({provider_of(id).name for id in ("zai", "zhipuai", "zai-coding-plan", "alibaba", "alibaba-cn")}) == 5
    assert provider_of("Some_Host").name == "some-host"


@given(st.text(max_size=80), st.sampled_from(["", "amazon-bedrock", "openrouter", "databricks", "azure"]))
def test_nothing_that_stands_where_an_id_belongs_is_an_error(text, sold_by):
    assert isinstance(read(text, sold_by), Reading)
