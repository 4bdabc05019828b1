"""Which model, of those that a caller may see, an id stands for. What a caller may not see is as if it was not there, whatever would be said of it."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from model_assets.access.visibility import sees
from model_assets.answers.naming import LINK_COLUMNS, Named, first_hand, listed_as, meaning
from model_assets.api.asking import Seen
from model_assets.api.errors import Problem, not_found
from model_assets.identity.link import Link
from model_assets.identity.links import resolver_of
from model_assets.identity.resolve import Resolver

_CHOSEN = f"select {LINK_COLUMNS} from history.link as link where upper_inf(link.seen) and"
PLAN = f"{_CHOSEN} link.model = :model and link.variant = :variant"
OFFER = f"{_CHOSEN} link.offer = :given"
SLUG = f"{_CHOSEN} link.model = (select min(model) from catalog.curated where slug = :given having count(distinct model) = 1)"
#: offers that are kept from everybody but admins: of plans that wait, or are disabled
HIDDEN_OFFERS = "select unnest(hidden_offers) from catalog.model_card where model_id = any(:models)"


class Found(NamedTuple):
    """What an id stands for: its card's id, the parts that the id names, how it was found, and offers that this caller may not see."""

    card: str
    named: Named
    rule: str
    hidden: tuple[str, ...]

    def shown(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of offers that the caller may see."""
        return [row for row in rows if row.get("offer") not in self.hidden]

    @property
    def resolved_as(self) -> dict[str, Any]:
        """What the id means, for the answer: the parts that it names are null where it names none."""
        link, parts = self.named.link, self.named
        return {
            "id": self.card,
            "model": parts.model,
            "snapshot": parts.snapshot or None,
            "variant": parts.variant or None,
            "build": parts.build or None,
            "region": parts.region or None,
            "alias": link.alias or None,
            "rule": self.rule,
            "confidence": str(link.confidence),
        }


class Resolvers:
    """The resolver over all that is listed, made once for each time at which all of it was published; it takes a second, and only ids that nobody
    lists need it. The last two are kept: while a new one is published some still read the one before. The number of what is published would make it
    anew with each decision of an admin, which no link hangs on."""

    KEPT = 2

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Resolver] = OrderedDict()

    def of(self, connection: Connection, published_at: str) -> Resolver:
        """The resolver of what was published at a time."""
        with self._lock:  # others wait for the one that makes it
            if published_at not in self._known:
                self._known[published_at] = resolver_of(connection)
            self._known.move_to_end(published_at)
            while len(self._known) > self.KEPT:
                self._known.popitem(last=False)
            return self._known[published_at]

    def resolve(self, seen: Seen, given: str, provider: str | None, at: datetime | None) -> Link:
        """The link of an id that nobody lists; its model is null where no strict rule finds one."""
        resolver = self.of(seen.connection, seen.meta["published_at"])
        with self._lock:  # it remembers answers
            best = resolver.resolve_id(given, provider, at)
            return best if best.model or provider else resolver.resolve_name("", given)


RESOLVERS = Resolvers()


def find(seen: Seen, given: str, provider: str | None = None, at: datetime | None = None) -> Found:
    """What an id stands for: the word of a provider counts first where one is named, then that of a provider's own feed. Raises Problem: 404
    where nothing that the caller may see has it, 409 where it stands for several that they see."""
    links = first_hand(seen.connection, visible(seen, links_of(seen, given, provider, at))) if given.strip() else []
    if not links:
        raise not_found("model", given)
    cards = sorted({card_of(link) for link in links})
    models = sorted({link.model for link in links if link.model})
    if len(models) > 1 or (not models and len(cards) > 1):
        raise Problem(409, "AMBIGUOUS", f"{given[:200]!r} stands for several. Say which, by its id: {', '.join((models or cards)[:10])}.")
    named = meaning(given, links)
    return Found(named.model or cards[0], named, named.link.rule, hidden_offers(seen, models))


def links_of(seen: Seen, given: str, provider: str | None = None, at: datetime | None = None) -> list[Link]:
    """All links of an id, seen or not: as listed or canonical; a model with its variant; an offer; a slug; else what the resolver finds."""
    model, _, variant = given.rpartition(":")
    found = (
        (listed_as(seen.connection, given, provider, at) if provider else [])
        or listed_as(seen.connection, given, None, at)
        or (_chosen(seen, PLAN, model=model, variant=variant) if model and variant else [])
        or _chosen(seen, OFFER, given=given)
        or _chosen(seen, SLUG, given=given)
    )
    if found:
        return found
    best = RESOLVERS.resolve(seen, given, provider, at)
    return [best] if best.model else []


def visible(seen: Seen, links: Sequence[Link]) -> list[Link]:
    """Those links whose model, and whose plan of it, the caller may see."""
    if not links:
        return []
    cards = sorted({card_of(link) for link in links})
    query = f"select card.model_id from catalog.model_card as card where card.model_id = any(:cards) and {sees(seen.tier)}"
    shown = set(seen.connection.scalars(text(query), {"cards": cards}))
    if seen.tier == "admin":
        return [link for link in links if card_of(link) in shown]
    plans = sorted({subject_of(link) for link in links if link.model and link.variant})
    flag = f"access.is_{seen.tier}"
    kept = f"select model_id from access.model_access as access where model_id = any(:plans) and not ({flag} and decided_status = 'active')"
    hidden = set(seen.connection.scalars(text(kept), {"plans": plans})) if plans else set()
    return [link for link in links if card_of(link) in shown and subject_of(link) not in hidden]


def hidden_offers(seen: Seen, models: Sequence[str]) -> tuple[str, ...]:
    """The offers of models that a caller who sees the models may not see."""
    if not models or seen.tier == "admin":
        return ()
    return tuple(seen.connection.scalars(text(HIDDEN_OFFERS), {"models": list(models)}))


def unsold(seen: Seen, links: Sequence[Link]) -> list[Link]:
    """Links of what a caller sees; of an offer that is hidden from them only which model it is, and not who lists it."""
    hidden = set(hidden_offers(seen, sorted({link.model for link in links if link.model})))
    return [link._replace(source="", provider="", listed_id="") if link.offer in hidden else link for link in links]


def card_of(link: Link) -> str:
    """The id under which catalog.model_card has a listing."""
    return link.model or link.offer


def subject_of(link: Link) -> str:
    """What a decision about a listing is about."""
    return f"{link.model}:{link.variant}" if link.model and link.variant else card_of(link)


def _chosen(seen: Seen, query: str, **bound: str) -> list[Link]:
    return [Link._make(row) for row in seen.connection.execute(text(query), bound)]
