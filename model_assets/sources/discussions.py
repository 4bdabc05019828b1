"""Discussions on Hacker News: stories that name labs or families of models, with their points and comments.

Source  https://hn.algolia.com/api/v1/search_by_date (public, no key, changes all the time); which words is said by MODEL_DISCUSSION_QUERIES
Grain   one mention per story
Units   instants in UTC
Past    the newest 200 stories of each search; what is older stays in the ledger, its claim ended

The address of a mention is that of the discussion; what it is about, if elsewhere, is `link` in `extra`. The search is loose: what a story is
found by says nothing; which models it names is read from its own words.
"""

from collections.abc import Mapping
from typing import Any

from model_assets.settings import read_settings
from model_assets.sources.base import Ask, Parsed, Source
from model_assets.sources.gathered import Request, gather
from model_assets.sources.hacker_news import FEED, decode, left_out, mention, search_url, sound_hit
from model_assets.sources.items import raw_text, web_link

MOST_HITS = 200
QUERIES = ("OpenAI", "Anthropic", "Gemini", "Claude", "GPT", "DeepSeek", "Llama", "Mistral", "Qwen", "Grok")


def gather_stories(ask: Ask, kept: bytes | None) -> bytes:
    """The newest stories of each search. Raises FetchFailed where one of them fails."""
    queries = read_settings().model_discussion_queries or QUERIES
    return gather(ask, kept, [Request(search_url(tags="story", query=query, hitsPerPage=MOST_HITS)) for query in queries])


def parse(payload: Any) -> Parsed:
    """One mention per story, however many searches found it. A hit that is none is rejected by itself."""
    parsed, seen = Parsed(), set()
    for url, found in payload:
        left_out(parsed, url, found, len(found["hits"]))
        for one in found["hits"]:
            hit = sound_hit(parsed, one)
            if hit and hit[0] not in seen:
                seen.add(hit[0])
                _story(parsed, *hit)
    return parsed


def _story(parsed: Parsed, item: str, hit: Mapping[str, Any]) -> None:
    title = raw_text(parsed, item, "title", hit.get("title"))
    if title is None:
        parsed.reject("mention", FEED, item, "a story without a title", hit)
        return
    link = web_link(parsed, item, "link", hit.get("url"))
    text = raw_text(parsed, item, "text", hit.get("story_text"))
    mention(parsed, item, hit, "discussion", title, text, {"link": link} if link else {})


discussions = SOURCE = Source(
    "discussions", "https://hn.algolia.com/api/v1/search_by_date", parse, about=__doc__ or "", kind="mentions", decode=decode,
    gather=gather_stories,
)  # fmt: skip
