"""Changes as people and feed readers take them: a sentence for each, Atom (RFC 4287), JSON Feed 1.1."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

Change = Mapping[str, Any]
ATOM = "http://www.w3.org/2005/Atom"
JSON, ATOM_TYPE, JSON_FEED_TYPE = "application/json", "application/atom+xml", "application/feed+json"
TITLE = "Model Assets: changes"
EMPTY = "1970-01-01T00:00:00Z"  # when a feed was updated in which nothing ever was
#: what XML 1.0 cannot hold, not even as a reference
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sentence(change: Change) -> str:
    """What happened, in a line of plain text."""
    kind, model, at = change["type"], change["model_id"], change["provider"] or ""
    told = {
        "model_added": f"{model} is new",
        "model_gone": f"{model} is gone: no source lists it any more",
        "model_back": f"{model} is back",
        "model_deprecated": f"{model} is deprecated",
        "model_retirement_announced": f"{model} retires on {_of(change, 'after', 'retires_on')}",
        "offer_added": f"{at} sells {model}",
        "offer_ended": f"{at} sells {model} no longer",
        "price_added": f"{at} prices {_meter(change)} of {model}: {_amount(change, 'after')}",
        "price_changed": f"{at} charges {_amount(change, 'after')} for {_meter(change)} of {model}, before {_amount(change, 'before')}",
        "price_ended": f"{at} has no price for {_meter(change)} of {model} any more, before {_amount(change, 'before')}",
        "became_free": f"{model} became free at {at}",
        "stopped_being_free": f"{model} is not free at {at} any more",
        "dispute_opened": f"Sources differ about {_meter(change)} of {model} at {at}",
        "dispute_closed": f"Sources do not differ any more about {_meter(change)} of {model} at {at}",
        "model_available": f"{model} can be used by more than before",
        "withdrawn": f"Taken back: {_of(change, 'before', 'type').replace('_', ' ')} of {model}",
    }
    return f"{told[kind]}."


def _of(change: Change, part: str, name: str) -> str:
    return str((change[part] or {}).get(name) or "")


def _meter(change: Change) -> str:
    """What is priced, with what sets it apart from the usual price."""
    condition = change["condition"]
    apart = [
        str(condition[name])
        for name in ("service_tier", "time_window", "region", "detail")
        if condition.get(name, "standard") != "standard"
    ]
    if condition.get("prompt_above_tokens"):
        apart.append(f"above {condition['prompt_above_tokens']} prompt tokens")
    return condition.get("meter", "") + (f" ({', '.join(apart)})" if apart else "")


def _amount(change: Change, part: str) -> str:
    if _of(change, part, "state") != "paid":
        return _of(change, part, "state")
    return f"{_of(change, part, 'amount')} {change['condition'].get('currency', '')} per {change['condition'].get('per', '')}"


def atom(changes: Sequence[Change], base: str, address: str, older: str | None) -> bytes:
    """An Atom feed of changes. `base` is the API's address, `address` the feed's own, `older` that of the next page."""
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")
    _put(feed, "id", f"{base}/api/v1/changes")
    _put(feed, "title", TITLE)
    _put(feed, "updated", updated(changes))
    _put(_put(feed, "author"), "name", "Model Assets")
    _put(feed, "link", rel="self", type=ATOM_TYPE, href=address)
    if older:
        _put(feed, "link", rel="next", type=ATOM_TYPE, href=older)
    for change in changes:
        entry = _put(feed, "entry")
        _put(entry, "id", f"urn:uuid:{change['id']}")
        _put(entry, "title", sentence(change), type="text")
        _put(entry, "published", change["at"])
        _put(entry, "updated", change["recorded_at"])
        _put(entry, "category", term=change["type"])
        _put(entry, "link", rel="alternate", type=JSON, href=link_of(change, base))
        _put(entry, "content", json.dumps(change, ensure_ascii=False, indent=1), type="text")
    return bytes(ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True))


def _put(parent: ElementTree.Element, name: str, words: str | None = None, **attributes: str) -> ElementTree.Element:
    """An element below `parent`; what XML cannot hold becomes the replacement character."""
    made = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", {key: _xml(value) for key, value in attributes.items()})
    made.text = None if words is None else _xml(words)
    return made


def _xml(words: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", words)


def json_feed(changes: Sequence[Change], base: str, address: str, older: str | None) -> bytes:
    """The same as a JSON Feed 1.1; `_model_assets` holds the whole change."""
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1", "title": TITLE, "home_page_url": f"{base}/api/v1/changes", "feed_url": address,
        **({"next_url": older} if older else {}),
        "authors": [{"name": "Model Assets"}],
        "items": [
            {
                "id": f"urn:uuid:{change['id']}", "url": link_of(change, base), "title": sentence(change), "content_text": sentence(change),
                "date_published": change["at"], "date_modified": change["recorded_at"], "tags": [change["type"]], "_model_assets": change,
            }
            for change in changes
        ],
    }  # fmt: skip
    return json.dumps(feed, ensure_ascii=False).encode()


def updated(changes: Sequence[Change]) -> str:
    """When the newest of the changes was recorded."""
    # as instants: as text a whole second comes after its own fractions
    return max((change["recorded_at"] for change in changes), key=datetime.fromisoformat, default=EMPTY)


def link_of(change: Change, base: str) -> str:
    """The page of the model a change is about."""
    return f"{base}/api/v1/models/{quote(change['model'] or change['model_id'], safe='/:@')}"
