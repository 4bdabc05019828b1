"""Which model each name is that a source of scores spells: a table beside the links of listings, a function of the ledger and people's words."""

import hashlib
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from model_assets.identity.corrections import corrections_of
from model_assets.identity.link import Correction, Link
from model_assets.identity.links import facts_of, resolver_over, rules_version, said_of_listings
from model_assets.ledger.derived import is_current, keep_inputs, replace_differing
from model_assets.sources.base import as_json

NAME = "history.score_link"
PARTS = ("model", "author", "snapshot", "alias", "variant", "build", "derivative_of", "rule", "confidence", "evidence", "suggestions")
COLUMNS = ("source", "spelled", *PARTS)
SPELLED = "select distinct source, model from history.score order by source, model"


def refresh_score_links(connection: Connection) -> int:
    """Resolve every name that a score was ever listed under; where nothing moved since the last time, nothing is resolved.

    Returns how many links were written or taken out. In the transaction of `connection`, one process at a time.
    """
    words = corrections_of(connection)
    spelled = [(source, name) for source, name in connection.execute(text(SPELLED))]
    inputs = as_json([spelled, said_of_listings(connection), rules_version(), [list(word) for word in words]])
    inputs = hashlib.sha256(inputs.encode()).hexdigest()
    if is_current(connection, NAME, inputs):
        return 0
    written = replace_differing(connection, NAME, ("source", "spelled"), COLUMNS, _rows(connection, spelled, words))
    connection.execute(text("analyze history.score, history.score_link"))
    keep_inputs(connection, NAME, inputs)
    return written


def _rows(connection: Connection, spelled: Sequence[tuple[str, str]], words: Sequence[Correction]) -> Iterator[tuple[object, ...]]:
    resolver = resolver_over(facts_of(connection), words) if spelled else None
    for source, name in spelled:
        assert resolver is not None
        yield _row(resolver.resolve_name(source, name))


def _row(link: Link) -> tuple[object, ...]:
    values = link._replace(evidence=as_json(link.evidence), suggestions=list(link.suggestions))  # type: ignore[arg-type]
    return (link.source, link.listed_id, *(getattr(values, part) for part in PARTS))
