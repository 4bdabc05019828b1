"""What follows from the ledger, in order: which model each listing is, which changes are held, and the tables that are served."""

from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, text

from model_assets import publishing
from model_assets.access.policy import load_policy, store_policy
from model_assets.database import connect
from model_assets.gate.held_changes import refresh_held
from model_assets.identity.links import refresh_links
from model_assets.identity.score_links import refresh_score_links
from model_assets.mentions.links import refresh_mention_links
from model_assets.sql_models import SqlModel, load_models

#: how often a publishing may begin anew where something was committed while it ran
TRIES = 3
MOVED = "select exists (select from ops.move)"


def settle(url: str, policy_file: Path, progress: Callable[[str], None] = lambda _: None) -> None:
    """Bring links, held changes, the policy and the tables among the SQL models up to what the ledger, the files and people say now.

    Each in a transaction of its own, in which readers see the old rows until it commits. Views need nothing.
    Raises SettingsError where the policy file cannot be used.
    """
    policy = load_policy(policy_file)
    with connect(url) as connection:
        store_policy(connection, policy)
    progress("links")
    with connect(url) as connection:
        refresh_links(connection)
    progress("names in benchmarks")
    with connect(url) as connection:
        refresh_score_links(connection)
    progress("names in mentions")
    with connect(url) as connection:
        refresh_mention_links(connection)
    progress("held changes")
    with connect(url) as connection:
        refresh_held(connection)
    with connect(url) as connection:
        publish_settled(connection, load_models(), progress)


def publish(url: str, progress: Callable[[str], None] = lambda _: None) -> bool:
    """Publish what moved since (see publishing.publish), in a transaction of its own. Whether anything had."""
    with connect(url) as connection:
        return publishing.publish(connection, load_models(), progress)


def publish_settled(connection: Connection, models: Mapping[str, SqlModel], progress: Callable[[str], None] = lambda _: None) -> bool:
    """Bring links and held changes up to the ledger, then publish, in the transaction of `connection`. Whether anything had moved.

    A listing that is published before it is resolved would be told as a change, and taken back by the next publishing. In Dagster a table's step
    may come before that of the links; and a sync may commit at any moment: what did so while this ran is taken up by doing it anew, as long as
    there are tries left. The last one leaves it to the next publishing.
    """
    for left in reversed(range(TRIES)):
        trial = connection.begin_nested()
        moved = bool(connection.execute(text(MOVED)).scalar_one())
        if moved:
            _resolve(connection)
        published = publishing.publish(connection, models, progress)
        if not (published and left and _moved_meanwhile(connection, moved)):
            trial.commit()
            return published
        trial.rollback()
    raise AssertionError("unreachable")


def _resolve(connection: Connection) -> bool:
    """Bring links and held changes up to the ledger. Whether any was written."""
    return sum(refresh(connection) for refresh in (refresh_links, refresh_score_links, refresh_mention_links, refresh_held)) > 0


def _moved_meanwhile(connection: Connection, resolved: bool) -> bool:
    """Whether something was committed since publishing began: its mark is there, or, where it came before the marks were taken out, resolving again
    finds something. Only who resolved before may do so now, and has its locks: others would wait for the publishing in which this is asked."""
    return bool(connection.execute(text(MOVED)).scalar_one()) or (resolved and _resolve(connection))
