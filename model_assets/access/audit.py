"""Who speaks: the name, the reason and the request that the database writes beside every change of what access.audit keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from model_assets.database import wait_in_line

#: who changes what audit and books name, where it is no person: syncs, ends of words, and whoever has a key or secret
BY_POLICY, BY_CLOCK, BY_KEY, BY_SECRET = "policy", "clock", "ADMIN_KEY", "CRON_SECRET"
#: no user's id, in whatever case: it would look as if one of these had spoken. The last three judge payloads, count views and follow requests
NO_USERS = frozenset(name.casefold() for name in (BY_POLICY, BY_CLOCK, BY_KEY, BY_SECRET, "gate", "views", "sync request"))
_SETTINGS = ("model_assets.actor", "model_assets.why", "model_assets.request_id", "model_assets.publishes")
_READ = text(f"select {', '.join(f'''coalesce(current_setting('{name}', true), '')''' for name in _SETTINGS)}")
_SET = text(f"select {', '.join(f'''set_config('{name}', :value{number}, true)''' for number, name in enumerate(_SETTINGS))}")


@contextmanager
def speaking(connection: Connection, actor: str, why: str = "", request_id: str = "") -> Iterator[None]:
    """Within it, what is changed in the transaction of `connection` is changed by `actor`; after it, by who spoke before.

    It takes the audit's place in the line at once: whoever changes first and comes to the audit later could wait for one who waits for him.
    Who speaks of decisions publishes what follows from them in the same transaction: none of it is marked for others to publish.
    """
    before = connection.execute(_READ).one()
    _set(connection, (actor, why, request_id, "on"))
    wait_in_line(connection, "access.hold_audit()")
    yield
    _set(connection, tuple(before))  # not after an error: then the transaction, or its savepoint, is taken back with what was set


def is_no_user(user_id: str) -> bool:
    """Whether an id is one by which the audit names somebody who is no person: no user may have it."""
    return user_id.strip().casefold() in NO_USERS


def _set(connection: Connection, values: tuple[str, ...]) -> None:
    connection.execute(_SET, {f"value{number}": value for number, value in enumerate(values)})
