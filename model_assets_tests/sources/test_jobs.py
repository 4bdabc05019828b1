"""Postings of "Who is hiring?", from comments small enough to read to the real list of threads."""

import gzip
import json
from typing import Any

import pytest

from model_assets.errors import FetchFailed
from model_assets.sources.base import Parsed
from model_assets.sources.gathered import Part, pack, parts
from model_assets.sources.jobs import PAGE, SOURCE, gather_postings, newest_thread
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.shared_data import SHARED, needs_recordings
from model_assets_tests.sources.damaged import outcomes
from model_assets_tests.sources.test_discussions import found, looking_at, story

THREADS = found(
    story(900, title="Ask HN: Who wants to be hired? (May 2026)"),
    story(800, title="Ask HN: Who is hiring? (May 2026)"),
    story(100, title="Ask HN: Who is hiring? (April 2026)"),
)


def posting(number: int, words: str = "Lab | Engineer | Remote<p>We use GPT-4o", **said: Any) -> dict[str, Any]:
    return {
        "objectID": str(number), "author": "bo", "created_at_i": 1777629600, "comment_text": words, "story_id": 800, "parent_id": 800,
        "story_title": "Ask HN: Who is hiring? (May 2026)", "_tags": ["comment", "story_800"], "points": None, "num_comments": None, **said,
    }  # fmt: skip


def read(*postings: Any, threads: dict[str, Any] = THREADS, **said: Any) -> Parsed:
    one, two = (
        "https://hn.algolia.com/api/v1/search_by_date?tags=story",
        "https://hn.algolia.com/api/v1/search_by_date?tags=comment%2Cstory_800",
    )
    return SOURCE.rows(pack([Part(one, None, json.dumps(threads)), Part(two, None, json.dumps(found(*postings, **said)))]))


def test_a_posting_is_a_job_and_its_title_is_its_first_paragraph():
    parsed = read(posting(1))
    (one,) = parsed.mentions
    assert one[:6] == ("news.ycombinator.com", "1", "job", "Lab | Engineer | Remote", "https://news.ycombinator.com/item?id=1", "bo")
    assert one.text == "Lab | Engineer | Remote<p>We use GPT-4o"
    assert json.loads(one.extra) == {"thread": 800}
    assert parsed.popularity == []
    assert not parsed.drift


def test_answers_to_postings_are_left_out_and_threads_are_no_postings():
    assert [one.item for one in read(posting(1), posting(2, parent_id=1)).mentions] == ["1"]


@pytest.mark.parametrize(
    "broken", [posting(2, words=""), posting(2, comment_text=None), posting(2, comment_text=5), "x", posting(2, objectID="-")]
)
def test_a_posting_that_is_none_is_rejected_by_itself(broken: Any):
    parsed = read(posting(1), broken)
    assert [one.item for one in parsed.mentions] == ["1"]
    assert len(parsed.rejects) == 1


def test_postings_beyond_what_the_search_gives_are_said():
    assert [odd.why for odd in read(posting(1), nbHits=1500).oddities] == ["1 of 1,500 hits were read, the newest"]


def test_the_newest_thread_is_the_one_that_asks_who_is_hiring():
    assert newest_thread(THREADS["hits"]) == "800"
    assert newest_thread([story(1, title="Ask HN: Freelancer?"), None, story("x", title="Who is hiring?")]) is None


def test_the_thread_is_found_and_read_page_by_page():
    full = found(*(posting(number) for number in range(PAGE)), nbHits=PAGE + 1)
    answers = [answer(200, json.dumps(one).encode()) for one in (THREADS, full, found(posting(PAGE), nbHits=PAGE + 1))]
    with serving(*answers) as server:
        body = gather_postings(looking_at(server), None)
        assert ["story_800" in request for request in server.requests] == [False, True, True]
    assert len(parts(body)) == 3
    parsed = SOURCE.rows(body)
    assert len(parsed.mentions) == PAGE + 1
    assert not parsed.oddities


def test_without_a_thread_it_is_a_failure_and_no_payload():
    with serving(answer(200, json.dumps(found()).encode())) as server, pytest.raises(FetchFailed, match="who is hiring"):
        gather_postings(looking_at(server), None)


def test_nothing_that_a_damaged_posting_holds_reaches_the_ledger_unsound():
    def parse(answer: object) -> Parsed:
        return SOURCE.rows(json.dumps(answer, default=str).encode())

    assert sum(outcomes(parse, found(*(posting(number) for number in range(3)))).values()) > 150


@needs_recordings
def test_the_newest_of_the_real_threads_is_found():
    path = SHARED / "payloads" / "mentions" / "hn_search_whoishiring_2026-05-19.json.gz"
    assert newest_thread(json.loads(gzip.decompress(path.read_bytes()))["hits"]) == "47975571"
