"""Links in the database: which model each listing is, over time. A function of the listings ever seen, the rules here, and people's words."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sqlalchemy import Connection, text

from model_assets.identity.corrections import corrections_of
from model_assets.identity.link import Correction, Facts, Link
from model_assets.identity.resolve import Resolver
from model_assets.identity.tables import aliases
from model_assets.ledger.claims import LISTING, key_id
from model_assets.ledger.derived import is_current, keep_inputs, replace_differing
from model_assets.sources.base import as_json

NAME = "history.link"
COLUMNS = ("source", "provider", "listed_id", "key_id", "seen", *Link._fields[3:])
#: the independent list names models; it sells nothing
CANONICAL_SOURCE = "models_dev_models"
#: sources that make no model known: to one anybody may upload, the other is our own file, which is there to be checked
CHECKED_ONLY = ("huggingface", "curated")
JUST_BEFORE = timedelta(microseconds=1)

FACTS = f"""
select distinct on (source, provider, listed_id) {", ".join(Facts._fields)}
from history.listing
order by source, provider, listed_id, lower(seen) desc
"""
# a hint that moves is how a source says that its alias names another model from now on
HINTS = """
select source, provider, listed_id, canonical_hint, lower(seen) as since
from history.listing
where canonical_hint is not null and (source, provider, listed_id) in (
    select source, provider, listed_id from history.listing group by source, provider, listed_id having count(distinct canonical_hint) > 1
)
order by source, provider, listed_id, lower(seen)
"""
LISTED = "select coalesce(sum(hashtextextended(digest::text || lower(seen), 0)::numeric), 0)::text from history.listing"


def refresh_links(connection: Connection) -> int:
    """Resolve every listing ever seen, and write the links that differ; where nothing moved since the last time, nothing is read.

    Returns how many links were written or taken out. In the transaction of `connection`, one process at a time.
    """
    words = corrections_of(connection)
    inputs = as_json([said_of_listings(connection), rules_version(), [list(word) for word in words]])
    inputs = hashlib.sha256(inputs.encode()).hexdigest()
    if is_current(connection, NAME, inputs):
        return 0
    written = replace_differing(connection, NAME, ("key_id", "seen"), COLUMNS, _rows(connection, words))
    # what follows joins the whole ledger with the links: planned by guesses, right after a first load, that takes a hundred times as long
    connection.execute(text("analyze history.listing, history.price, history.link"))
    keep_inputs(connection, NAME, inputs)
    return written


def said_of_listings(connection: Connection) -> str:
    """A digest of every claim of a listing that the ledger holds."""
    found: str = connection.execute(text(LISTED)).scalar_one()
    return found


def resolver_of(connection: Connection) -> Resolver:
    """The resolver over all listings that the ledger holds, and the corrections that count."""
    return resolver_over(facts_of(connection), corrections_of(connection))


def facts_of(connection: Connection) -> list[Facts]:
    """What was last said of every listing ever seen."""
    return [Facts(*row) for row in connection.execute(text(FACTS))]


def resolver_over(facts: Sequence[Facts], words: Sequence[Correction] = ()) -> Resolver:
    """The resolver over some listings, those of the provider-independent list among them. What CHECKED_ONLY say makes no model known."""
    canonical = [one for one in facts if one.source == CANONICAL_SOURCE]
    return Resolver(canonical, [one for one in facts if one.source not in (CANONICAL_SOURCE, *CHECKED_ONLY)], words)


def rules_version() -> str:
    """A digest of the grammar and the curated files: with another one, every link is found anew."""
    folder = Path(__file__).parent
    found = hashlib.sha256()
    for path in sorted([*folder.glob("*.py"), *folder.glob("*.yml")]):
        found.update(path.read_bytes())
    return found.hexdigest()


def _rows(connection: Connection, words: Sequence[Correction]) -> Iterator[tuple[object, ...]]:
    facts = facts_of(connection)
    hints: dict[tuple[str, str, str], list[tuple[str, datetime]]] = defaultdict(list)
    for *listed, hint, since in connection.execute(text(HINTS)):
        hints[tuple(listed)].append((hint, since))
    corrected: dict[str, list[datetime]] = defaultdict(list)
    for word in words:
        corrected[word.listed_id].append(word.decided_at)
    resolver = resolver_over(facts, words)
    for one in facts:
        moves = {*moves_of(one.listed_id), *corrected[one.listed_id]} | {since for _, since in hints[one[:3]][1:]}
        for since, until, link in _spans(resolver, one, hints[one[:3]], sorted(moves)):
            yield _row(link, since, until)


def moves_of(listed_id: str) -> set[datetime]:
    """When a curated alias begins or ends to stand for a model."""
    bounds = (bound for alias in aliases().get(listed_id.lower(), ()) for bound in (alias.since, alias.until))
    return {bound for bound in bounds if bound is not None}


def _spans(
    resolver: Resolver, facts: Facts, hints: Sequence[tuple[str, datetime]], moves: Sequence[datetime]
) -> list[tuple[datetime | None, datetime | None, Link]]:
    """(since, until, link), each null where it has no end; neighbours that say the same are one."""
    if not moves:
        return [(None, None, resolver.resolve(facts))]
    spans: list[tuple[datetime | None, datetime | None, Link]] = []
    for since, until in pairwise([None, *moves, None]):
        said = [hint for hint, at in hints if since is not None and at <= since] or [hint for hint, _ in hints[:1]]
        then = facts._replace(canonical_hint=said[-1]) if said else facts
        link = resolver.resolve(then, at=since or moves[0] - JUST_BEFORE)
        if spans and spans[-1][2] == link:
            spans[-1] = (spans[-1][0], until, link)
        else:
            spans.append((since, until, link))
    return spans


def _row(link: Link, since: datetime | None, until: datetime | None) -> tuple[object, ...]:
    seen = f"[{since.isoformat() if since else ''},{until.isoformat() if until else ''})"
    listed = link[:3]
    values = link._replace(evidence=as_json(link.evidence), suggestions=list(link.suggestions))  # type: ignore[arg-type]
    return (*listed, key_id(link.source, LISTING, (link.provider, link.listed_id)), seen, *values[3:])
