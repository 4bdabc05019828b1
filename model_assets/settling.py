"""What follows from the ledger, in order: which model each listing is, which changes are held, and the tables that are served."""

from collections.abc import Callable
from pathlib import Path

from model_assets.access.policy import load_policy, store_policy
from model_assets.database import connect
from model_assets.gate.held_changes import refresh_held
from model_assets.identity.links import refresh_links
from model_assets.identity.score_links import refresh_score_links
from model_assets.mentions.links import refresh_mention_links
from model_assets.sql_models import load_models, refresh


def settle(url: str, policy_file: Path, progress: Callable[[str], None] = lambda _: None) -> None:
    """Bring links, held changes, the policy and the tables among the SQL models up to what the ledger, the files and people say now.

    Each in a transaction of its own, in which readers see the old rows until it commits. Views need nothing.
    Raises SettingsError where the policy file cannot be used.
    """
    rules = load_policy(policy_file)
    with connect(url) as connection:
        store_policy(connection, rules)
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


def publish(url: str, progress: Callable[[str], None] = lambda _: None) -> None:
    """Fill the tables among the SQL models anew, all at once: readers never see one that is newer than another."""
    with connect(url) as connection:
        for model in load_models().values():
            if model.kind == "table":
                progress(model.key)
                refresh(connection, model)
