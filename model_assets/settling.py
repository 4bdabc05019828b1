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
    publish(url, progress)


def publish(url: str, progress: Callable[[str], None] = lambda _: None) -> bool:
    """Publish what moved since (see publishing.publish), in a transaction of its own. Whether anything had."""
    with connect(url) as connection:
        return publishing.publish(connection, load_models(), progress)


def publish_settled(connection: Connection, models: Mapping[str, SqlModel]) -> bool:
    """Bring links and held changes up to the ledger, then publish, in the transaction of `connection`. Whether anything had moved.

    For Dagster, where a table's step may come before that of the links: a listing that is published before it is resolved would be told as a
    change, and taken back by the next publishing.
    """
    if connection.execute(text("select exists (select from ops.move)")).scalar_one():
        for refresh in (refresh_links, refresh_score_links, refresh_mention_links, refresh_held):
            refresh(connection)
    return publishing.publish(connection, models)
