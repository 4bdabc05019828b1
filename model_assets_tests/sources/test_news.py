"""News feeds, from items small enough to read to the real ones; and what is meant to hurt."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from sqlalchemy import text

from model_assets import pipeline
from model_assets.contracts import Mention
from model_assets.database import connect
from model_assets.errors import BadPayload, FetchFailed, SettingsError
from model_assets.fetching.http import Policy
from model_assets.frames import broken_rows
from model_assets.ledger import observations
from model_assets.ledger.claims import MENTION
from model_assets.soundness import unsound
from model_assets.sources.base import Parsed
from model_assets.sources.feed_list import DEFAULT, read_feeds
from model_assets.sources.gathered import Part, pack, parts
from model_assets.sources.news import SOURCE, gather
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.shared_data import SHARED, needs_recordings
from model_assets_tests.test_hostile_payloads import HOSTILE

ONCE = Policy(attempts=1, connect_timeout=5, read_timeout=10, body_deadline=20, total_deadline=30, allow_loopback=True)
FEEDS = SHARED / "payloads" / "mentions"
BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><item><title>&x;</title></item></channel></rss>'
DEEP = "<rss><channel>" + "<a>" * 5_000 + "</a>" * 5_000 + "<item><title>t</title></item></channel></rss>"


def rss(*items: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>T</title>{"".join(items)}</channel></rss>'


def item(title: str = "t", guid: str = "g", **parts: str) -> str:
    return (
        "<item>" + "".join(f"<{name}>{escape(said)}</{name}>" for name, said in {"title": title, "guid": guid, **parts}.items()) + "</item>"
    )


def payload(**feeds: str) -> bytes:
    """A payload of some feeds, `a` being that of https://a.example/feed."""
    return pack(Part(f"https://{name}.example/feed", None, xml) for name, xml in feeds.items())


def read(*items: str) -> Parsed:
    return SOURCE.rows(payload(a=rss(*items)))


def one(*items: str) -> Mention:
    (found,) = read(*items).mentions
    return found


def test_an_item_of_rss_is_a_mention_of_its_feed():
    found = one(
        item("Hello", "id-1", link="https://a.example/1", pubDate="Tue, 23 Jun 2026 02:00:00 +0200", description="<p>x</p>", author="me")
    )
    assert found[:7] == ("a.example/feed", "id-1", "news", "Hello", "https://a.example/1", "me", datetime(2026, 6, 23, tzinfo=UTC))
    assert found.text == "<p>x</p>"


def test_an_entry_of_atom_is_read_by_its_alternate_link_and_the_name_of_its_author():
    xml = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>i</id><title>T</title><published>2026-07-30T17:59:56Z</published>'
        '<link rel="enclosure" href="https://x/audio"/><link rel="alternate" href="https://x/1"/><author><name>Ann</name></author>'
        '<summary>short</summary><content type="html">&lt;b>long&lt;/b></content><category term="cs.AI"/></entry></feed>'
    )
    (found,) = SOURCE.rows(payload(a=xml)).mentions
    assert (found.item, found.url, found.author, found.text) == ("i", "https://x/1", "Ann", "<b>long</b>")
    assert found.published_at == datetime(2026, 7, 30, 17, 59, 56, tzinfo=UTC)
    assert json.loads(found.extra) == {"categories": ["cs.AI"], "summary": "short"}


def test_an_item_of_rdf_is_read_beside_its_channel():
    xml = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<channel><title>C</title></channel><item rdf:about="https://x/1"><title>T</title><dc:date>2026-01-02</dc:date></item></rdf:RDF>'
    )
    (found,) = SOURCE.rows(payload(a=xml)).mentions
    assert (found.item, found.title, found.published_at) == ("https://x/1", "T", datetime(2026, 1, 2, tzinfo=UTC))


def test_what_has_no_guid_is_known_by_its_link_and_what_has_neither_by_a_hash_that_stays_the_same():
    assert one("<item><title>t</title><link>https://x/1</link></item>").item == "https://x/1"
    bare = "<item><title>t</title></item>"
    assert one(bare).item == one(bare).item != one("<item><title>u</title></item>").item
    assert one(bare).item.startswith("sha256:")


def test_items_that_share_a_guid_are_told_apart_whatever_their_order():
    ways = [read(*items).mentions for items in ((item("a"), item("b")), (item("b"), item("a")))]
    assert len({found.item for found in ways[0]}) == 2
    assert set(ways[0]) == set(ways[1])


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("Tue, 23 Jun 2026 10:00:00 GMT", 10),
        ("Tue, 23 Jun 2026 10:00:00 EST", 15),
        ("Tue, 23 Jun 2026 10:00:00 CEST", 8),
        ("23 Jun 2026 10:00 -0730", 17),
        ("2026-06-23T10:00:00+09:00", 1),
        ("2026-06-23T10:00:00", 10),
        ("Tue, 23 Jun 2026 10:00:00 XYZT", None),
        ("Tue, 31 Feb 2026 10:00:00 GMT", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("yesterday", None),
        ("Tue, 23 Jun 2026 99:00:00 +9999999999", None),
    ],
)
def test_a_date_is_an_instant_in_utc_or_null_and_said_so(written: str, read_as: int | None):
    parsed = read(item(pubDate=written))
    found = parsed.mentions[0].published_at
    assert (found.hour if found else None) == read_as
    assert bool(parsed.oddities) == (read_as is None)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "ftp://x/y", "//x/y", "https://x/ y", "nonsense"])
def test_a_link_that_leads_anywhere_but_to_the_web_is_null_and_said_so(link: str):
    parsed = read(item(link=link))
    assert parsed.mentions[0].url is None
    assert [odd.field for odd in parsed.oddities] == ["url"]


@pytest.mark.parametrize(
    "words", ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\u202eabc", "'; drop table x; --", "{{7*7}}", "[x](javascript:y)"]
)
def test_text_meant_to_hurt_is_kept_as_it_came(words: str):
    assert one(item(words, description=words))[3] == words
    assert one(item(words, description=words)).text == words


def test_an_item_that_says_nothing_is_rejected_by_itself():
    parsed = read("<item><guid>g</guid></item>", item(guid="h"))
    assert [found.item for found in parsed.mentions] == ["h"]
    assert [(reject.provider, reject.listed_id) for reject in parsed.rejects] == [("a.example/feed", "g")]


@pytest.mark.parametrize("bad", [BOMB, OUTSIDE, DEEP, "", "<html></html>", "<rss><channel>", "{}", "<rss><channel/></rss>"])
def test_a_feed_that_is_none_or_meant_to_hurt_is_in_doubt_and_the_others_are_read(bad: str):
    parsed = SOURCE.rows(payload(a=rss(item()), b=bad))
    assert [found.feed for found in parsed.mentions] == ["a.example/feed"]
    assert [(reject.relation, reject.provider, reject.listed_id) for reject in parsed.rejects] == [("mention", "b.example/feed", None)]
    assert [odd.listed_id for odd in parsed.oddities] == ["b.example/feed"]
    with pytest.raises(BadPayload):
        SOURCE.rows(payload(b=bad))


def test_a_document_of_its_own_entities_is_not_even_begun():
    assert "entities" in SOURCE.rows(payload(a=rss(item()), b=BOMB)).rejects[0].reason
    assert "entities" in SOURCE.rows(payload(a=rss(item()), b=OUTSIDE)).rejects[0].reason
    assert "deep" in SOURCE.rows(payload(a=rss(item()), b=DEEP)).rejects[0].reason


def test_every_hostile_text_at_every_place_of_an_item_is_stored_sound(url: str):
    names = ("title", "guid", "link", "pubDate", "author", "description", "category", "strange")
    at, merged = datetime(2026, 1, 1, tzinfo=UTC), 0
    for hostile in HOSTILE:
        words = hostile if isinstance(hostile, str) else json.dumps(hostile)
        items = [item(f"good {number}", f"good {number}") for number in range(30)] + [
            "<item><title>t</title><guid>" + name + "</guid>" + f"<{name}>{escape(words)}</{name}></item>" for name in names
        ]
        feeds = {"https://a.example": rss(*items[:30]), "https://b.example": rss(*items)}
        body = json.dumps({"gathered": 1, "parts": [{"url": where, "body": xml} for where, xml in feeds.items()]}).encode()
        parsed = SOURCE.rows(body)
        assert not broken_rows(MENTION, [row for row in parsed.mentions if len(row.item) <= 512 and row.item.isprintable()])
        at += timedelta(minutes=1)
        with connect(url) as connection:
            observed = observations.record(connection, "news", at, body, url="http://x", origin="recording")
        audited = pipeline.audit(url, SOURCE, observed)
        merged += pipeline.publish(url, SOURCE, audited, lambda _: None).outcome != "refused"
    assert merged == len(HOSTILE)
    with connect(url) as connection:
        assert not any(unsound(connection).values())


def load(url: str, minute: int, body: bytes) -> None:
    with connect(url) as connection:
        at = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
        observed = observations.record(connection, "news", at, body, url="http://x", origin="recording")
    assert pipeline.publish(url, SOURCE, pipeline.audit(url, SOURCE, observed), lambda _: None).outcome != "refused"


def held(url: str) -> set[tuple[str, str, bool]]:
    with connect(url) as connection:
        found = connection.execute(text("select feed, item, upper_inf(seen) from history.mention"))
        return {(feed.partition(".")[0], item, now) for feed, item, now in found}


def test_items_of_a_feed_that_could_not_be_read_stay_and_those_that_left_a_feed_end(url: str):
    load(url, 1, payload(a=rss(*(item(guid=str(number)) for number in range(30))), b=rss(item(guid="b"))))
    load(url, 2, payload(a=rss(*(item(guid=str(number)) for number in range(1, 31))), b=""))
    found = held(url)
    assert ("b", "b", True) in found
    assert ("a", "0", False) in found
    assert ("a", "30", True) in found
    load(url, 3, payload(a=rss(item(guid="31")), b=rss(item(guid="c"))))
    assert {(feed, name) for feed, name, now in held(url) if now} == {("a", "31"), ("b", "c")}


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the list of feeds that is read."""

    def write(*feeds: str) -> None:
        (tmp_path / "feeds.yml").write_text("feeds:\n" + "".join(f"  - {feed}\n" for feed in feeds))
        monkeypatch.setenv("MODEL_NEWS_FEEDS", str(tmp_path / "feeds.yml"))

    return write


def test_all_feeds_are_asked_for_and_one_that_fails_loses_only_itself(listed: Callable[..., None]):
    with serving(answer(200, rss(item("one")).encode()), answer(500), answer(200, rss(item("three")).encode())) as server:
        listed(*(server.url(f"/{number}") for number in (1, 2, 3)))
        parsed = SOURCE.rows(gather(pipeline.asking(ONCE), None))
    assert [found.title for found in parsed.mentions] == ["one", "three"]
    assert len(parsed.rejects) == 1


def test_a_feed_that_has_not_changed_is_taken_from_the_payload_kept_and_one_that_failed_is_asked_for_whole(listed: Callable[..., None]):
    with serving(
        answer(200, rss(item("one")).encode(), 'ETag: "1"'), answer(500), answer(304), answer(200, rss(item("two")).encode())
    ) as server:
        listed(server.url("/1"), server.url("/2"))
        first = gather(pipeline.asking(ONCE), None)
        second = gather(pipeline.asking(ONCE), first)
        assert [('if-none-match: "1"' in request.lower()) for request in server.requests] == [False, False, True, False]
    assert [found.title for found in SOURCE.rows(second).mentions] == ["one", "two"]


def test_where_no_feed_can_be_read_it_is_a_failure_and_no_payload(listed: Callable[..., None]):
    with serving(answer(500), answer(404)) as server:
        listed(server.url("/1"), server.url("/2"))
        with pytest.raises(FetchFailed, match="none of 2 feeds") as failed:
            gather(pipeline.asking(ONCE), None)
        assert "all or none" not in str(failed.value), "one feed that can be read would do"


def test_a_feed_in_latin_letters_keeps_its_words(listed: Callable[..., None]):
    xml = rss(item("Büro – ñ")).replace("UTF-8", "windows-1252").encode("cp1252")
    with serving(answer(200, xml)) as server:
        listed(server.url())
        body = gather(pipeline.asking(ONCE), None)
    assert parts(body)[0].body == xml.decode("cp1252")
    assert SOURCE.rows(body).mentions[0].title == "Büro – ñ"


def test_the_list_that_comes_with_the_project_can_be_read():
    feeds = read_feeds(DEFAULT)
    assert len(feeds) >= 8
    assert all(feed.startswith("https://") for feed in feeds)


@pytest.mark.parametrize(
    "written",
    [
        "", "feeds: []", "feeds: x", "- x", "feeds: [ftp://x]", "feeds: [file:///etc/passwd]", "feeds: [1]", "feeds: ['https://a', 'https://a']",
        "feeds: ['https://a b']", "feeds: [&a [*a]]", "{", "feeds: [\"https://\\u202e\"]", "\x00", "a: &a [x]\nfeeds: [*a]",
    ],
)  # fmt: skip
def test_a_list_of_feeds_that_cannot_be_used_says_what_to_write(tmp_path: Path, written: str):
    (tmp_path / "feeds.yml").write_text(written)
    with pytest.raises(SettingsError, match=r"feeds\.yml"):
        read_feeds(tmp_path / "feeds.yml")


def test_a_list_of_feeds_with_aliases_is_refused_before_they_are_followed(tmp_path: Path):
    (tmp_path / "feeds.yml").write_text("a: &a https://a.example\nfeeds: [*a]")
    with pytest.raises(SettingsError, match="aliases"):
        read_feeds(tmp_path / "feeds.yml")


def test_a_list_of_feeds_that_is_not_there_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nothing\.yml"):
        read_feeds(tmp_path / "nothing.yml")


@needs_recordings
def test_every_real_feed_is_read_whole():
    counts = {}
    for path in sorted(FEEDS.glob("*.xml.gz")):
        parsed = SOURCE.rows(gzip.decompress(path.read_bytes()))
        assert not parsed.rejects
        assert not parsed.oddities
        assert all(found.title and found.url and found.published_at for found in parsed.mentions)
        assert not broken_rows(MENTION, parsed.mentions)
        counts[path.name.removesuffix(".xml.gz")] = len({found.item for found in parsed.mentions})
    assert counts == {
        "atom_arxiv_2026-08-02": 25,
        "rss_anthropic_news_2026-06-23": 231,
        "rss_anthropic_news_2026-08-22": 255,
        "rss_cohere_2026-08-22": 50,
        "rss_google_ai_2026-08-22": 10,
        "rss_interconnects_ai_2026-08-02": 20,
        "rss_mistral_2026-05-28": 54,
        "rss_openai_research_2026-08-22": 194,
        "rss_the_batch_2026-06-04": 372,
        "rss_xainews_2026-05-22": 39,
    }
