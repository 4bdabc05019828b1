"""Who speaks: the name, the reason and the request that the database writes beside every change of what access.audit keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from model_assets.database import wait_in_line

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


def _set(connection: Connection, values: tuple[str, ...]) -> None:
    connection.execute(_SET, {f"value{number}": value for number, value in enumerate(values)})
