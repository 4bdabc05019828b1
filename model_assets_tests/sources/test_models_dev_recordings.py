"""models.dev, in every real recording."""

from collections import Counter
from functools import cache
from typing import Any

from model_assets.contracts import Listing, Price
from model_assets.fetching import strict_json
from model_assets.sources.base import Parsed
from model_assets.sources.models_dev import parse
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.damaged import outcomes, sound


@cache
def recorded(day: str) -> Parsed:
    """A real recording, parsed."""
    (path,) = [path for path in recordings("models_dev") if path.name.startswith(day)]
    return parse(strict_json.loads(body(path)))


def find(day: str, provider: str, listed_id: str) -> Listing:
    """What a real recording says about one listing."""
    (found,) = [row for row in recorded(day).listings if (row.provider, row.listed_id) == (provider, listed_id)]
    return found


def costs(day: str, provider: str, listed_id: str) -> dict[str, str]:
    """The standard prices of one listing in a real recording: meter -> amount, or the state where there is none."""
    rows = [row for row in recorded(day).prices if (row.provider, row.listed_id) == (provider, listed_id)]
    return {row.meter: f"{row.amount:f}" if row.amount is not None else row.state for row in rows if not row.prompt_above_tokens}


@needs_recordings
def test_every_mutation_of_a_trimmed_recording_has_a_declared_outcome():
    whole: Any = strict_json.loads(body(recordings("models_dev")[-1]))
    wanted = {"openai": 1, "anthropic": 1, "zai-coding-plan": 1, "vercel": 1}
    trimmed = {
        p: whole[p] | {"models": dict(sorted(whole[p]["models"].items(), key=lambda m: -len(str(m)))[:n])} for p, n in wanted.items()
    }
    assert outcomes(parse, trimmed).total() > 1_000


@needs_recordings
def test_every_recording_parses_and_all_its_prices_become_rows():
    seen: set[Price] = set()
    for path in recordings("models_dev"):
        parsed = parse(strict_json.loads(body(path)))
        sound(Parsed(parsed.listings if path == recordings("models_dev")[-1] else [], [row for row in parsed.prices if row not in seen]))
        seen.update(parsed.prices)
        assert parsed.share_mapped >= 0.99
        assert not parsed.rejects
        assert not parsed.drift
        assert len({row[:10] for row in parsed.prices}) == len(parsed.prices)
        assert len(parsed.prices) > 2 * len(parsed.listings)
        assert {o.why for o in parsed.oddities} <= {"not a day of the calendar", "a sentinel for no date", "a row of nines is no limit"}


@needs_recordings
def test_impossible_dates_and_sentinels_are_null():
    assert find("2026-06-24", "scaleway", "qwen3-embedding-8b").released_on is None
    assert find("2026-06-24", "azure", "claude-haiku-4-5").knowledge_cutoff is None
    assert find("2026-06-24", "frogbot", "kimi-k2.5").released_on is None
    assert find("2026-06-24", "qiniu-ai", "kling-v2-6").context_tokens is None


@needs_recordings
def test_known_corrections_show_as_price_changes():
    assert costs("2026-05-27", "helicone", "mistral-small") == {"input": "75", "output": "200"}
    assert costs("2026-05-28", "helicone", "mistral-small") == {"input": "0.075", "output": "0.2"}
    assert [costs(day, "vercel", "google/gemini-3-pro-image")["output"] for day in ("2026-06-07", "2026-06-08")] == ["120", "12"]
    assert [costs(day, "vercel", "kwaipilot/kat-coder-pro-v1")["input"] for day in ("2026-06-19", "2026-06-20")] == ["0.03", "0.3"]
    slip = [costs(day, "openrouter", "qwen/qwen3-235b-a22b-thinking-2507")["output"] for day in ("2026-05-30", "2026-05-31")]
    assert slip == ["1.495", "0.1"]
    assert costs("2026-06-24", "cloudflare-ai-gateway", "openai/gpt-3.5-turbo")["cache_read"] == "1.25"


@needs_recordings
def test_copilot_goes_from_included_to_real_prices():
    def states(day: str) -> Counter[str]:
        return Counter(row.state for row in recorded(day).prices if row.provider == "github-copilot" and row.meter == "input")

    assert states("2026-06-01").keys() == {"included"}
    assert states("2026-06-02")["paid"] >= 20


@needs_recordings
def test_a_cost_that_disappears_is_unknown():
    assert costs("2026-06-07", "vercel", "perplexity/sonar")["input"] not in ("unknown", "free")
    assert costs("2026-06-08", "vercel", "perplexity/sonar") == {"input": "unknown", "output": "unknown"}


@needs_recordings
def test_a_listing_that_is_missing_for_a_day_is_missing_for_that_day():
    def listed(day: str) -> bool:
        return any((row.provider, row.listed_id) == ("openrouter", "upstage/solar-pro-3") for row in recorded(day).listings)

    assert [listed(day) for day in ("2026-05-30", "2026-05-31", "2026-06-01")] == [True, False, True]


@needs_recordings
def test_equal_payloads_give_equal_rows_and_other_days_change_no_price():
    assert recorded("2026-06-21") == recorded("2026-06-22")
    assert set(recorded("2026-06-15").prices) == set(recorded("2026-06-16").prices)


@needs_recordings
def test_two_ids_with_one_name_stay_two_and_a_trailing_blank_is_no_part_of_a_name():
    pair = [find("2026-06-24", "cloudflare-ai-gateway", f"anthropic/claude-{version}-haiku") for version in ("3-5", "3.5")]
    assert pair[0].name == pair[1].name
    name = find("2026-06-24", "kilo", "z-ai/glm-4-32b").name
    assert name is not None
    assert name == name.strip()
