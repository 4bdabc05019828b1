"""Jobs: the newest "Who is hiring?" thread of Hacker News, one posting per comment.

Source  https://hn.algolia.com/api/v1/search_by_date (public, no key; a thread begins each month)
Grain   one mention per posting; answers to postings are left out
Units   instants in UTC
Past    the thread of a past month is not asked for again; its postings stay in the ledger, their claims ended

The title of a posting is its first paragraph, by custom company, role and place. Postings name people and how to reach them, as published.
"""

import re
from collections.abc import Mapping
from typing import Any

from model_assets.errors import FetchFailed
from model_assets.sources.base import Ask, Parsed, Source
from model_assets.sources.gathered import Request, known_parts, pack, part_of
from model_assets.sources.hacker_news import FEED, answer, decode, left_out, mention, search_url, sound_hit
from model_assets.sources.items import raw_text

#: Algolia gives no hit beyond the thousandth of a search
PAGE, MOST_PAGES = 500, 2
THREADS = Request(search_url(tags="story,author_whoishiring", hitsPerPage=20))
_HIRING = re.compile(r"who is hiring\b", re.IGNORECASE)


def gather_postings(ask: Ask, kept: bytes | None) -> bytes:
    """The list of threads, and the comments of the newest one. Raises FetchFailed where a request fails, or there is no thread."""
    known = known_parts(kept)
    threads = part_of(ask, known, THREADS, "the list of threads")
    thread = newest_thread(answer(threads)["hits"])
    if thread is None:
        raise FetchFailed("Hacker News lists no thread that asks who is hiring. Try again later.", "protocol")
    found = [threads]
    for page in range(MOST_PAGES):
        asked = Request(search_url(tags=f"comment,story_{thread}", hitsPerPage=PAGE, page=page))
        found.append(part_of(ask, known, asked, f"page {page + 1} of the postings"))
        if len(answer(found[-1])["hits"]) < PAGE:
            break
    return pack(found)


def newest_thread(hits: list[Any]) -> str | None:
    """The number of the newest thread that asks who is hiring (the same author asks who wants to be hired, too); null where there is none."""
    numbers = [
        int(hit["objectID"])
        for hit in hits
        if isinstance(hit, dict) and _HIRING.search(str(hit.get("title"))) and re.fullmatch("[0-9]{1,15}", str(hit.get("objectID")))
    ]
    return str(max(numbers)) if numbers else None


def parse(payload: Any) -> Parsed:
    """One mention per posting: the comments that answer the thread itself. A hit that is none is rejected by itself."""
    parsed, seen = Parsed(), set()
    comments = [(url, found) for url, found in payload if "comment" in url or not url]
    read = sum(len(found["hits"]) for _, found in comments)
    for url, found in comments[:1]:
        left_out(parsed, url, found, read)
    for _, found in comments:
        for one in found["hits"]:
            hit = sound_hit(parsed, one)
            if hit and hit[0] not in seen:
                seen.add(hit[0])
                _posting(parsed, *hit)
    return parsed


def _posting(parsed: Parsed, item: str, hit: Mapping[str, Any]) -> None:
    if "comment_text" not in hit and "title" in hit:  # a thread, not an answer to one
        return
    if hit.get("parent_id") != hit.get("story_id"):
        return
    text = raw_text(parsed, item, "text", hit.get("comment_text"))
    if text is None:
        parsed.reject("mention", FEED, item, "a posting without a word", hit)
        return
    mention(parsed, item, hit, "job", text.partition("<p>")[0].strip()[:1000] or None, text, {"thread": hit.get("story_id")})


jobs = SOURCE = Source(
    "jobs", "https://hn.algolia.com/api/v1/search_by_date", parse, about=__doc__ or "", kind="mentions", decode=decode,
    gather=gather_postings,
)  # fmt: skip
