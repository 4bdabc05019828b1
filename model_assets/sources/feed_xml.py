"""Feeds as XML: RSS (0.9 to 2.0 and RDF) and Atom, read by what their elements are called, whatever namespace they stand in.

Entities and outside references of a document's own are refused before they are followed, and so is what is nested too deep to be a feed.
"""

from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, TreeBuilder  # its parser is not used: that one follows entities

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from model_assets.errors import BadPayload

DEEPEST = 100
_ITEMS, _ROOTS = ("item", "entry"), ("rss", "feed", "RDF")


class Entry(NamedTuple):
    """An item of a feed, each part as its text; null where the feed has none. `unread` are the names of parts that nobody reads here."""

    id: str | None
    title: str | None
    link: str | None
    published: str | None
    author: str | None
    text: str | None
    summary: str | None
    categories: tuple[str, ...]
    unread: tuple[str, ...]


class Feed(NamedTuple):
    """A feed: its title, where it says that it is to be found, and its items in their order."""

    title: str | None
    link: str | None
    entries: list[Entry]


def read_feed(text: str) -> Feed:
    """A feed from its XML. Raises BadPayload where it is none, or one that is meant to hurt."""
    root = _tree(text)
    if local(root) not in _ROOTS:
        raise BadPayload(f"no feed: its outermost element is <{local(root)[:40]}>, not rss, feed or RDF. Look at what its URL serves.")
    head = next((one for one in root if local(one) == "channel"), root)
    items = [one for one in (*root, *(head if head is not root else ())) if local(one) in _ITEMS]
    own = next((one.get("href") for one in head if local(one) == "link" and one.get("rel") == "self"), None)
    return Feed(_first(head, "title"), own or _link(head), [_entry(item) for item in items])


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


class _Shallow(TreeBuilder):
    """Builds the tree, and refuses one that is too deep while it is being read."""

    depth = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadPayload(f"its XML is nested more than {DEEPEST} deep: no feed is. Look at what its URL serves.")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self.depth -= 1
        return super().end(tag)


def _tree(text: str) -> Element:
    parser = DefusedXMLParser(target=_Shallow(), encoding="utf-8")  # UTF-8 by now, whatever its first line says
    try:
        parser.feed(text.encode("utf-8"))
        root: Element = parser.close()
    except DefusedXmlException as forbidden:
        raise BadPayload(
            f"its XML defines entities or refers to outside ({type(forbidden).__name__}): that is not followed. Look at what its URL serves."
        ) from None
    except (ParseError, UnicodeEncodeError, ValueError) as broken:
        raise BadPayload(f"it is no XML ({' '.join(str(broken).split())[:100]}). Look at what its URL serves.") from None
    return root


def _entry(item: Element) -> Entry:
    body, summary = _first(item, "encoded", "content"), _first(item, "description", "summary")
    about = next((value for name, value in item.attrib.items() if name.endswith("}about")), None)
    return Entry(
        id=_first(item, "guid", "id") or about,
        title=_first(item, "title"),
        link=_link(item),
        published=_first(item, "pubDate", "published", "date", "issued", "updated"),
        author=_first(item, "creator", "author", "name"),
        text=body or summary,
        summary=summary if body else None,
        categories=_categories(item),
        unread=tuple(sorted({local(one) for one in item} - READ)),
    )


def _categories(item: Element) -> tuple[str, ...]:
    words = ((one.get("term") or one.text or "").strip() for one in item if local(one) == "category")
    return tuple(sorted({word for word in words if word}))


READ = frozenset(
    {
        *("guid", "id", "title", "link", "pubDate", "published", "date", "issued", "updated", "creator", "author", "name"),
        *("encoded", "content", "description", "summary", "category"),
    }
)


def _first(item: Element, *names: str) -> str | None:
    """The text of the first child of the first of these names that has any, with what stands in elements within it."""
    for name in names:
        for child in item:
            if local(child) == name and (text := "".join(child.itertext()).strip()):
                return text
    return None


def _link(item: Element) -> str | None:
    """The address of what the item is about: of RSS the text of <link>, of Atom the one that is no other relation than `alternate`."""
    for child in item:
        if (
            local(child) == "link"
            and child.get("rel", "alternate") == "alternate"
            and (found := (child.get("href") or child.text or "").strip())
        ):
            return found
    return None
