"""Hacker News by Algolia's search (https://hn.algolia.com/api): what discussions and jobs have in common."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from model_assets.contracts import Mention, Popularity
from model_assets.fetching import strict_json
from model_assets.sources.base import Parsed, as_json, id_problem, kind, mapping, sequence
from model_assets.sources.gathered import Part, parts
from model_assets.sources.items import instant, raw_text

SEARCH = "https://hn.algolia.com/api/v1/search_by_date"
ITEM = "https://news.ycombinator.com/item?id="
FEED = "news.ycombinator.com"
#: read, or known and left in the raw payload: what changes on every look (children, scores of the search), what is said twice
KNOWN = frozenset(
    {
        *("objectID", "title", "url", "author", "created_at", "created_at_i", "story_text", "comment_text", "points", "num_comments"),
        *("_tags", "_highlightResult", "children", "updated_at", "story_id", "parent_id", "story_title", "story_url", "relevancy_score"),
        *("dead", "_snippetResult", "_rankingInfo"),
    }
)


def search_url(**asked: object) -> str:
    """The address of a search, newest first."""
    return f"{SEARCH}?{urlencode(asked)}"


def decode(body: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    """(address, answer) of each search of a payload; a bare answer is one by itself. Raises BadPayload."""
    return [(part.url, answer(part)) for part in parts(body, alone="")]


def answer(part: Part) -> Mapping[str, Any]:
    """What a search answered. Raises BadPayload where it is no list of hits."""
    found = mapping(strict_json.loads(part.body.encode("utf-8", "surrogatepass")), "an answer of Hacker News' search")
    sequence(found.get("hits"), "`hits` of an answer of Hacker News' search")
    return found


def left_out(parsed: Parsed, url: str, found: Mapping[str, Any], read: int) -> None:
    """Report how many hits of a search the payload does not hold: only the newest are asked for."""
    total = found.get("nbHits")
    if isinstance(total, int) and total > read:
        asked = str(found.get("params") or url)
        parsed.odd(str(found.get("query") or "search")[:60] or "search", "hits", asked, f"{read} of {total:,} hits were read, the newest")


def sound_hit(parsed: Parsed, hit: object) -> tuple[str, Mapping[str, Any]] | None:
    """(id, hit); null, and rejected, where it has no id of Hacker News."""
    if not isinstance(hit, dict):
        parsed.reject("mention", FEED, None, f"{kind(hit)} where a hit belongs", hit)
        return None
    item = hit.get("objectID")
    if not isinstance(item, str) or not item.isascii() or not item.isdecimal() or len(item) > 15:
        known = item if isinstance(item, str) and not id_problem(item) else None
        parsed.reject("mention", FEED, known, f"{kind(item)} {str(item)[:40]!r} where the number of an item belongs", hit)
        return None
    return item, hit


def mention(
    parsed: Parsed, item: str, hit: Mapping[str, Any], sort: str, title: str | None, text: str | None, extra: Mapping[str, object]
) -> None:
    """Add what was published there, and apart from it its points and comments. Keys nobody knows are drift, and kept in `extra`."""
    unknown = {key: hit[key] for key in hit.keys() - KNOWN}
    for key in unknown:
        parsed.drift[f"hit.{key}"] += 1
    at = hit.get("created_at_i")
    published = instant(parsed, item, "published_at", hit.get("created_at") if at is None else at)
    author = raw_text(parsed, item, "author", hit.get("author"))
    row = Mention(FEED, item, sort, title, ITEM + item, author, published, text, as_json({**extra, **unknown}))
    parsed.mentions.append(row)
    points, comments = (_count(parsed, item, name, hit.get(name)) for name in ("points", "num_comments"))
    if points is not None or comments is not None:
        parsed.popularity.append(Popularity(FEED, item, points=points, comments=comments))


def _count(parsed: Parsed, item: str, name: str, found: object) -> int | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**53:
        parsed.odd(item, name, found, "no whole number of them")
        return None
    return found
