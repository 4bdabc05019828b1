"""News of labs and from those who write about them: the items of RSS and Atom feeds.

Source  the feeds of sources/feeds.yml, or of the file that MODEL_NEWS_FEEDS names
Grain   one mention per feed and item
Units   instants in UTC
Past    not served: a feed holds its newest items; what leaves it stays in the ledger, its claim ended

The feed of a mention is the feed's address without `https://`. One observation is of all feeds. A feed that fails, or is no feed, says nothing
about its items: what held of them goes on, the feed is reported, and the others are read.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from model_assets.contracts import Mention, Reject
from model_assets.errors import BadPayload, FetchFailed
from model_assets.settings import read_settings
from model_assets.sources.base import Answer, Ask, Parsed, Source, as_json, id_problem
from model_assets.sources.feed_list import DEFAULT, read_feeds
from model_assets.sources.feed_xml import Entry, read_feed
from model_assets.sources.gathered import Part, Request, known_parts, pack, part_of, parts
from model_assets.sources.items import instant, raw_text, stable_id, web_link

ACCEPT = "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
#: what feeds are written in besides UTF-8; others are refused rather than guessed
_CHARSETS = {"iso-8859-1": "cp1252", "iso-8859-15": "iso-8859-15", "windows-1252": "cp1252", "us-ascii": "ascii", "windows-1251": "cp1251"}


def gather(ask: Ask, kept: bytes | None) -> bytes:
    """All feeds of the list, each as it came; a feed that fails has an empty body. Raises FetchFailed where all fail, SettingsError."""
    feeds = read_feeds(read_settings().model_news_feeds or DEFAULT)
    known = known_parts(kept)  # one that failed has no validator there, and is asked for whole
    found, failures = [], []
    for url in feeds:
        try:
            found.append(part_of(_in_utf_8(ask), known, Request(url, accept=ACCEPT), None))
        except FetchFailed as failed:
            failures.append(failed)
            found.append(Part(url, None, ""))
    if len(failures) == len(feeds):
        raise FetchFailed(f"none of {len(feeds)} feeds could be read; the first said: {failures[0]}", failures[0].kind)
    return pack(found)


class _Text:
    """An answer whose body is UTF-8."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body, self.headers = body, headers


def _in_utf_8(ask: Ask) -> Ask:
    """Asks in the same way; a body in another encoding that its XML declares comes as UTF-8, the same text letter for letter."""

    def asked(url: str, **how: Any) -> Answer | None:
        answer = ask(url, **how)
        declared = _ENCODING.match(answer.body[:200]) if answer else None
        charset = _CHARSETS.get(declared[1].decode().lower()) if declared else None
        if answer is None or charset is None:
            return answer
        return _Text(answer.body.decode(charset, errors="replace").encode(), answer.headers)

    return asked


def decode(body: bytes) -> list[Part]:
    """The feeds of a payload; a bare feed is one by itself. Raises BadPayload."""
    return parts(body, alone="")


def parse(payload: Any) -> Parsed:
    """One mention per item of each feed. A feed that cannot be read is in doubt as a whole. Raises BadPayload where none can."""
    parsed, broken = Parsed(), []
    for part in payload:
        try:
            _read(parsed, part)
        except BadPayload as bad:
            broken.append(bad)
            name = feed_name(part.url) or None
            parsed.odd(name or "a feed", "feed", part.body[:60], str(bad))
            parsed.rejects.append(Reject("mention", name, None, str(bad), as_json({"url": part.url, "begins": part.body[:200]})))
    if len(broken) == len(payload):
        raise BadPayload(f"none of {len(payload)} feeds can be read; of the first: {broken[0]}")
    return parsed


def feed_name(url: str) -> str:
    """How a feed is called: its address without the scheme."""
    return re.sub(r"^https?://", "", url)


def _read(parsed: Parsed, part: Part) -> None:
    if not part.body:
        raise BadPayload("it could not be fetched this time; its items stay as they are. It is asked again with the next look.")
    feed = read_feed(part.body)
    name = feed_name(part.url or feed.link or "") or stable_id(feed.title)
    if problem := id_problem(name):
        raise BadPayload(f"it has no usable address: {problem}. Look at what it says of itself.")
    shared = Counter(_id(entry) for entry in set(feed.entries))
    for entry in feed.entries:
        mention = _mention(parsed, name, entry, shared[_id(entry)] > 1)
        if mention.title is None and mention.text is None and mention.url is None:
            parsed.reject("mention", name, mention.item, "an item that says nothing", entry._asdict())
        else:
            parsed.mentions.append(mention)
    if not feed.entries:
        raise BadPayload("it has no items, which never means that all are gone. Look at what its URL serves.")


def _mention(parsed: Parsed, feed: str, entry: Entry, shared: bool) -> Mention:
    item = _id(entry)
    if shared:  # some feeds give one guid to several items: told apart by what they say
        item = stable_id(item, entry.title, entry.link, entry.published)
    extra: dict[str, object] = {"categories": list(entry.categories)} if entry.categories else {}
    if entry.summary:
        extra["summary"] = entry.summary
    for unread in entry.unread:
        parsed.drift[f"item.{unread[:100]}"] += 1
    return Mention(
        feed,
        item,
        "news",
        raw_text(parsed, item, "title", entry.title),
        web_link(parsed, item, "url", entry.link),
        raw_text(parsed, item, "author", entry.author),
        instant(parsed, item, "published_at", entry.published),
        raw_text(parsed, item, "text", entry.text),
        as_json(extra),
    )


def _id(entry: Entry) -> str:
    """The feed's own id of an item; else its link; else a hash of its title, date and text, which stays the same while they do."""
    own = entry.id or entry.link
    if own is None:
        return stable_id(entry.title, entry.published, entry.text)
    return stable_id(own) if id_problem(own) else own


news = SOURCE = Source(
    "news",
    "https://github.com/Olshansk/rss-feeds",
    parse,
    about=__doc__ or "",
    kind="mentions",
    decode=decode,
    gather=gather,
)
