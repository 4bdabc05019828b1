"""Which models each mention names, in the database: a function of the newest words of every mention and of the models that are known."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

from model_assets.identity.links import facts_of, resolver_over, rules_version, said_of_listings
from model_assets.ledger.derived import is_current, keep_inputs, replace_differing
from model_assets.mentions.matcher import Matcher
from model_assets.mentions.spellings import Spellings

NAME = "history.mention_link"
#: under this name is kept by which spellings the items were read last
SPELLED = "history.mention_link by spellings"
SAID = "select coalesce(sum(hashtextextended(digest::text || lower(seen), 0)::numeric), 0)::text from history.mention"
NEWEST = (
    "select distinct on (key_id) key_id, digest, source, feed, item, title, text from history.mention order by key_id, lower(seen) desc"
)
UNREAD = f"""
select * from ({NEWEST}) as newest
where :everything or not exists (select from history.mention_link as read where read.key_id = newest.key_id and read.digest = newest.digest)
"""
OUTDATED = """
delete from history.mention_link as read
where not exists (select from history.mention where mention.key_id = read.key_id) or key_id = any(:keys)
"""


class MentionLink(NamedTuple):
    """A name in a mention. `model` is null where the words are those of several models (`candidates`), or where it names none: then all is."""

    key_id: int
    number: int
    digest: bytes
    source: str
    feed: str
    item: str
    model: str | None = None
    words: str | None = None
    place: str | None = None
    begins_at: int | None = None
    candidates: tuple[str, ...] = ()


def refresh_mention_links(connection: Connection) -> int:
    """Find the models that mentions name, where mentions or the known models' names have changed since the last time.

    While the names are the same, only items are read whose words are new. Returns how many links were written or taken out. In the
    transaction of `connection`, one process at a time.
    """
    said = connection.execute(text(SAID)).scalar_one()
    inputs = _digest(said, said_of_listings(connection), _rules())
    if is_current(connection, NAME, inputs):
        return 0
    spellings = Spellings(resolver_over(facts_of(connection)).known)
    spelled = _digest(spellings.digest, _rules())
    if is_current(connection, SPELLED, spelled):
        written = _read_new(connection, Matcher(spellings))
    else:
        written = replace_differing(
            connection, NAME, ("key_id", "number"), MentionLink._fields, _links(connection, Matcher(spellings), True)
        )
        keep_inputs(connection, SPELLED, spelled)
    connection.execute(text("analyze history.mention, history.mention_link"))
    keep_inputs(connection, NAME, inputs)
    return written


def links_of(matcher: Matcher, item: MentionLink, title: str | None, words: str | None) -> Iterator[MentionLink]:
    """What one item names: each model once, with the first words that do, those of the title before those of the text."""
    seen: set[frozenset[str]] = set()
    for place, said, beside in (("title", title, words), ("text", words, title)):
        for found in matcher.find(said or "", beside or ""):
            if found.models in seen:
                continue
            one = next(iter(found.models)) if len(found.models) == 1 else None
            candidates = () if one else tuple(sorted(found.models))
            yield item._replace(number=len(seen), model=one, words=found.words, place=place, begins_at=found.start, candidates=candidates)
            seen.add(found.models)
    if not seen:
        yield item


def _links(connection: Connection, matcher: Matcher, everything: bool) -> Iterator[tuple[object, ...]]:
    rows = connection.execute(text(UNREAD), {"everything": everything}, execution_options={"stream_results": True, "yield_per": 1000})
    for key, digest, source, feed, item, title, words in rows:
        for link in links_of(matcher, MentionLink(key, 0, bytes(digest), source, feed, item), title, words):
            yield (*link[:-1], list(link.candidates))


def _read_new(connection: Connection, matcher: Matcher) -> int:
    """Read the items whose words are new, and take out those that are no more."""
    rows = list(_links(connection, matcher, False))
    gone = connection.execute(text(OUTDATED), {"keys": list({row[0] for row in rows})}).rowcount
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"copy {NAME} ({', '.join(MentionLink._fields)}) from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    return gone + len(rows)


def _rules() -> str:
    """A digest of the rules by which names are found; with others, all items are read anew."""
    found = hashlib.sha256(rules_version().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
