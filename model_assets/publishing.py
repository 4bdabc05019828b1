"""Publishing: the tables among the SQL models follow the ledger all at once, under a number that changes with what they hold."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, text

from model_assets.access.decide import decide, end_expired_words
from model_assets.changes.record import record_changes
from model_assets.database import wait_in_line
from model_assets.sql_models import SqlModel, refresh

CHANNEL = "model_assets_published"
_LOCK = "pg_advisory_xact_lock(hashtext('model_assets.publish'))"
#: decisions follow from this table, and other tables from decisions
DECIDED_BY = "access.offer_access"
#: what follows from decisions, in order, and by which column its rows are found
FOLLOWS_DECISIONS = {
    "catalog.model_card": "model_id",
    "catalog.offer_card": "model_id",
    "catalog.model_sellers": "model_id",
    "catalog.provider_card": "provider",
    "catalog.base_price_span": "model_id",
    "catalog.seller_span": "model_id",
}
CARDS = "select distinct coalesce(base_model_id, model_id) from access.decision where model_id = any(:ids)"
SELLERS = "select distinct provider from catalog.offer_card where model_id = any(:cards)"
#: SQL, over catalog.published: at which instant what is published reads differently though nobody writes anything. A price starts or ends on a day
#: that its source announced, a person's word ends, a model is new no more; and with each day of UTC, for what follows the date. The indexes on dated
#: prices and on words with an end are small.
COMES_AT = """least(
    date_trunc('day', published_at, 'UTC') + interval '24 hours',
    (select least(min(effective_from) filter (where effective_from > published_at), min(effective_to) filter (where effective_to > published_at))
     from history.price where effective_from > published_at or effective_to > published_at),
    (select min(decided_until) from access.decision where decided_until > published_at),
    (select min(first_seen_at + activate_new_after) from access.decision cross join access.policy_setting
     where rule_status = 'new' and first_seen_at + activate_new_after > published_at)
)"""

#: Milliseconds since 1970, and more than before: a number that was given out is not given again after an older state of the database came back,
#: however that was done, and stands for one content for ever.
ANNOUNCE = """
update catalog.published set
    version = greatest(version + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint),
    published_at = case when :whole then now() else published_at end
returning version
"""


def publish(connection: Connection, models: Mapping[str, SqlModel], progress: Callable[[str], None] = lambda _: None) -> bool:
    """Fill the tables and the decisions anew, in the transaction of `connection`; false, and nothing written, where nothing moved since.

    Readers see all of it or nothing, and never wait. One process at a time. What is written while this runs is published by the next one.
    """
    line_up(connection)
    expired = end_expired_words(connection)
    # marks of writing that is not committed yet are not seen, and stay
    moved = connection.execute(text("delete from ops.move")).rowcount
    came = connection.execute(text(f"select {COMES_AT} <= now() from catalog.published")).scalar_one()
    if not (moved or expired or came):
        return False
    tables = [model for model in models.values() if model.kind == "table"]
    first = _above(models, DECIDED_BY)
    for model in sorted(tables, key=lambda model: model.key not in first):  # a stable sort: each after those it builds on
        progress(model.key)
        refresh(connection, model)
        if model.key == DECIDED_BY:
            progress("decisions")
            decide(connection)
    progress("changes")
    record_changes(connection)
    announce(connection)
    return True


def line_up(connection: Connection) -> None:
    """Wait until nobody publishes, and keep others waiting until the transaction ends. Whoever then changes decisions may publish them."""
    wait_in_line(connection, _LOCK)


def publish_decisions(connection: Connection, models: Mapping[str, SqlModel], model_ids: Sequence[str]) -> int:
    """Bring what follows from the decisions on some models up to them, in the transaction of `connection`, which has to have lined up before it
    changed them: what is served never follows half of them. Returns the new number of what is published."""
    cards = list(connection.scalars(text(CARDS), {"ids": list(model_ids)}))
    # who sells a model does not hang on decisions, only who sees it
    found = {"model_id": cards, "provider": list(connection.scalars(text(SELLERS), {"cards": cards}))}
    for key, column in FOLLOWS_DECISIONS.items():
        refresh(connection, models[key], only=(column, found[column]))
    return announce(connection, whole=False)


def announce(connection: Connection, *, whole: bool = True) -> int:
    """Give what is published a new number, and tell those who keep pages of it when the transaction commits. Returns the number. Only where the
    whole was published it counts as published now: what comes by itself (COMES_AT) after that is still to be followed."""
    version: int = connection.execute(text(ANNOUNCE), {"whole": whole}).scalar_one()
    connection.execute(text("select pg_notify(:channel, :version)"), {"channel": CHANNEL, "version": str(version)})
    return version


def _above(models: Mapping[str, SqlModel], key: str) -> set[str]:
    """A model and all that it is built on."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        model = models.get(waiting.pop())
        if model is not None and model.key not in found:
            found.add(model.key)
            waiting.extend(model.refs)
    return found
