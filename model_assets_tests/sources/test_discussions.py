"""Stories of Hacker News, from hits small enough to read to the real answers."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from model_assets import pipeline
from model_assets.contracts import Popularity
from model_assets.database import connect
from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching.http import Policy
from model_assets.frames import broken_rows
from model_assets.ledger import observations
from model_assets.ledger.claims import MENTION
from model_assets.sources.base import Answer, Ask, Parsed
from model_assets.sources.discussions import QUERIES, SOURCE, gather_stories
from model_assets.sources.gathered import Part, pack
from model_assets.sources.hacker_news import decode
from model_assets_tests.fetching.misbehaving import Misbehaving, answer, serving
from model_assets_tests.shared_data import SHARED, needs_recordings
from model_assets_tests.sources.damaged import outcomes

ONCE = Policy(attempts=1, connect_timeout=5, read_timeout=10, body_deadline=20, total_deadline=30, allow_loopback=True)
MENTIONS = SHARED / "payloads" / "mentions"


def story(number: int | str = 1, **said: Any) -> dict[str, Any]:
    return {
        "objectID": str(number), "title": f"Story {number}", "author": "ann", "created_at": "2026-05-01T10:00:00Z", "created_at_i": 1777629600,
        "points": 5, "num_comments": 2, "_tags": ["story"], "children": [7], "updated_at": "2026-05-02T00:00:00Z", **said,
    }  # fmt: skip


def found(*hits: Any, **said: Any) -> dict[str, Any]:
    return {"hits": list(hits), "nbHits": len(hits), "page": 0, **said}


def body(*answers: dict[str, Any]) -> bytes:
    return pack(Part(f"https://hn.algolia.com/{number}", None, json.dumps(one)) for number, one in enumerate(answers))


def read(*hits: Any, **said: Any) -> Parsed:
    return SOURCE.rows(json.dumps(found(*hits, **said)).encode())


def looking_at(server: Misbehaving) -> Ask:
    """Asks a server on loopback for what was asked of the search."""
    ask = pipeline.asking(ONCE)

    def asked(url: str, **how: Any) -> Answer | None:
        return ask(server.url("/" + url.partition("?")[2]), **how)

    return asked


def test_a_story_is_a_discussion_and_its_points_are_no_claim():
    parsed = read(story(5, title="A <b>title</b>", url="https://x.example/1", story_text="<p>words"))
    (one,) = parsed.mentions
    assert one[:6] == ("news.ycombinator.com", "5", "discussion", "A <b>title</b>", "https://news.ycombinator.com/item?id=5", "ann")
    assert one.published_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert (one.text, json.loads(one.extra)) == ("<p>words", {"link": "https://x.example/1"})
    assert parsed.popularity == [Popularity("news.ycombinator.com", "5", points=5, comments=2)]
    assert not parsed.drift


def test_what_changes_on_every_look_changes_no_claim():
    before, after = (read(story(points=points, num_comments=points, updated_at=str(points), children=[points])) for points in (1, 2))
    assert before.mentions == after.mentions
    assert before.popularity != after.popularity


def test_a_story_that_several_searches_find_is_one():
    assert len(SOURCE.rows(body(found(story(1), story(2)), found(story(2), story(3)))).mentions) == 3


def test_what_a_search_leaves_out_is_said():
    assert [odd.why for odd in read(story(), nbHits=1234, query="gpt").oddities] == ["1 of 1,234 hits were read, the newest"]
    assert not read(story()).oddities


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///x", 5, "https://x y"])
def test_a_link_that_is_none_is_left_out_and_said(link: Any):
    parsed = read(story(url=link))
    assert parsed.mentions[0].extra == "{}"
    assert [odd.field for odd in parsed.oddities] == ["link"]


@pytest.mark.parametrize(
    "hit",
    [
        None,
        [],
        story(objectID="x"),
        story(objectID=5),
        story(objectID="\u0665"),
        story(objectID="9" * 99),
        story(title=None),
        story(title="\x00"),
    ],
)
def test_a_hit_that_is_no_story_is_rejected_by_itself(hit: Any):
    parsed = read(hit, story(2))
    assert [one.item for one in parsed.mentions] == ["2"]
    assert len(parsed.rejects) == 1


@pytest.mark.parametrize("points", [-1, True, "5", [], 2**70])
def test_a_count_that_is_none_is_left_out_and_said(points: Any):
    parsed = read(story(points=points))
    assert parsed.popularity[0].points is None
    assert [odd.field for odd in parsed.oddities] == ["points"]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"message": "no", "status": 400}', b'{"hits": {}}', b"<html>"])
def test_an_answer_without_hits_is_refused(payload: bytes):
    with pytest.raises(BadPayload):
        SOURCE.rows(payload)


def test_a_text_beyond_all_bounds_is_cut_and_said():
    parsed = read(story(story_text="x" * 500_001))
    assert len(parsed.mentions[0].text or "") == 500_000
    assert [odd.field for odd in parsed.oddities] == ["text"]


def test_a_key_nobody_knows_is_kept_and_reported():
    parsed = read(story(colour="green"))
    assert parsed.drift == {"hit.colour": 1}
    assert json.loads(parsed.mentions[0].extra) == {"colour": "green"}


def test_nothing_that_a_damaged_hit_holds_reaches_the_ledger_unsound():
    def parse(answer: object) -> Parsed:
        parsed = SOURCE.rows(json.dumps(answer, default=str).encode())
        assert all(one.title is None or one.title.encode() for one in parsed.mentions)
        return parsed

    assert sum(outcomes(parse, found(*(story(number, url="https://x", story_text="t") for number in range(3)))).values()) > 200


def test_every_query_is_asked_for_and_one_that_fails_fails_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODEL_DISCUSSION_QUERIES", "Claude Opus, gpt ,")
    both = [answer(200, json.dumps(found(story(number))).encode()) for number in (1, 2)]
    with serving(*both) as server:
        parsed = SOURCE.rows(gather_stories(looking_at(server), None))
        assert [request.split()[1] for request in server.requests] == [
            "/tags=story&query=Claude+Opus&hitsPerPage=200",
            "/tags=story&query=gpt&hitsPerPage=200",
        ]
    assert [one.item for one in parsed.mentions] == ["1", "2"]
    with serving(both[0], answer(500)) as server, pytest.raises(FetchFailed):
        gather_stories(looking_at(server), None)


def test_without_a_setting_the_labs_and_families_are_asked_for():
    with serving(*[answer(200, json.dumps(found(story(number))).encode()) for number in range(len(QUERIES))]) as server:
        assert len(decode(gather_stories(looking_at(server), None))) == len(QUERIES)
        assert [f"query={query}&" in request for query, request in zip(QUERIES, server.requests, strict=True)] == [True] * len(QUERIES)


def load(url: str, minute: int, payload: bytes, record: Callable[..., Any] = observations.record) -> str:
    with connect(url) as connection:
        one = record(connection, "discussions", datetime(2026, 1, 1, 0, minute, tzinfo=UTC), payload, url="http://x", origin="recording")
    return pipeline.publish(url, SOURCE, pipeline.audit(url, SOURCE, one), lambda _: None).outcome


def test_a_look_that_counts_more_points_writes_no_claim_and_the_new_points(url: str):
    assert load(url, 1, body(found(story(1, points=1), story(2)))) == "changes"
    assert load(url, 2, body(found(story(1, points=9), story(2)))) == "nothing changed"
    with connect(url) as connection:
        assert connection.execute(text("select points from ops.popularity where entry = '1'")).scalar_one() == 9
        assert connection.execute(text("select count(*) from history.mention")).scalar_one() == 2


@needs_recordings
@pytest.mark.parametrize(
    ("name", "count"),
    [("hn_search_anthropic_2026-05-07", 6), ("hn_search_by_date_2026-08-02", 30), ("hn_search_whoishiring_2026-05-19", 12)],
)
def test_every_real_answer_is_read_whole(name: str, count: int):
    parsed = SOURCE.rows(gzip.decompress((MENTIONS / f"{name}.json.gz").read_bytes()))
    assert len(parsed.mentions) == len(parsed.popularity) == count
    assert not parsed.rejects
    assert not parsed.drift
    assert {odd.field for odd in parsed.oddities} <= {"hits"}
    assert not broken_rows(MENTION, parsed.mentions)
