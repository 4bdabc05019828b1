"""Connections for requests: few, short, with only the rights that a request needs, and tried again where two of them met."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from model_assets.access.roles import READER, WRITER, role_exists
from model_assets.api.silence import Listening
from model_assets.database import SESSION, gone_after, session, with_driver
from model_assets.readiness import sqlstate

T = TypeVar("T")
TRIALS = 3
#: serialization failure, deadlock: neither transaction is at fault, and the one that was ended may be tried again
TRY_AGAIN = ("40001", "40P01")
#: how many requests at once may hold a connection in a line that others may keep for as long as a statement may take
IN_LINE = 2
SESSION_OF_REQUESTS = {**SESSION, "statement_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}


class Database:
    """The pools of a process: `readers` connections that read, as the role that may, and a few that write. Who finds none free within
    `patience` seconds is told to come again. Nothing is connected before it is needed, so that a server that is down keeps nobody from starting."""

    def __init__(self, url: str, readers: int = 12, writers: int = 4, patience: float = 1.0) -> None:
        self.url = url
        self.readers, self.writers, self.patience = readers, writers, patience
        self._line = threading.BoundedSemaphore(IN_LINE)

    def json(self, statement: str, bound: dict[str, object] | None = None) -> str | None:
        """The one text that a statement makes; all that it reads is of one moment. Null where there is no row, or the row is null."""
        found = self.row(statement, bound)
        return None if found is None else found[0]

    def row(self, statement: str, bound: dict[str, object] | None = None) -> Row[Any] | None:
        """The first row that a statement makes; all that it reads is of one moment. Null where there is none."""
        query = text(statement)

        def once() -> Row[Any] | None:
            with self._reader.connect() as connection:
                return connection.execute(query, bound or {}).first()

        return again(once)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction of one moment, for what takes several statements."""
        with self._reader.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, actor: str, request_id: str = "", why: str = "") -> Iterator[Connection]:
        """A transaction as the role that writes decisions and requests; the audit names the actor, the request and the reason."""
        with self._writer.begin() as connection:
            connection.execute(
                text(
                    "select set_config('model_assets.actor', :actor, true), set_config('model_assets.request_id', :request_id, true),"
                    " set_config('model_assets.why', :why, true)"
                ),
                {"actor": actor, "request_id": request_id, "why": why},
            )
            yield connection

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Around `writing` that waits for those who publish or write to the audit: only a few do at once, so that the others of the few connections
        stay for whoever waits for nobody. Who finds no place within `patience` seconds is told to come again, as who finds no connection."""
        if not self._line.acquire(timeout=self.patience):
            raise PoolTimeout(f"{IN_LINE} requests wait in line already")
        try:
            yield
        finally:
            self._line.release()

    def close(self) -> None:
        """End every connection."""
        for name in ("_reader", "_writer"):
            if name in vars(self):
                vars(self).pop(name).dispose()

    @cached_property
    def _reader(self) -> Engine:
        # a statement is its own transaction: one trip to the server instead of three; what is dead when it is taken out is tried again
        return self._engine(READER, self.readers, read_only=True).execution_options(isolation_level="AUTOCOMMIT")

    @cached_property
    def _writer(self) -> Engine:
        return self._engine(WRITER, self.writers, read_only=False)

    def _engine(self, role: str, size: int, *, read_only: bool) -> Engine:
        with session(self.url) as connection:  # whoever set the server up may not have been allowed to make roles
            rights = {"role": role} if role_exists(connection, role) else {}
        settings = {**SESSION_OF_REQUESTS, **rights, "default_transaction_read_only": "on" if read_only else "off"}
        if read_only:  # only who changes the tables themselves is in a reader's way, and that takes long
            settings["lock_timeout"] = "1s"
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        engine = create_engine(
            with_driver(self.url, "psycopg"), pool_size=size, max_overflow=0, pool_timeout=self.patience, pool_recycle=1800,
            pool_pre_ping=not read_only,
            connect_args={"connect_timeout": 3, "application_name": f"model-assets api ({role})", "options": options, **gone_after(12)},
        )  # fmt: skip
        event.listen(engine, "do_connect", lambda _dialect, _record, words, named: Listening.connect(*words, **named))
        return engine


@contextmanager
def taking(connection: Connection, seconds: int) -> Iterator[None]:
    """Let each statement within take so many seconds, in a transaction."""
    connection.execute(text("select set_config('statement_timeout', :timeout, true)"), {"timeout": f"{seconds}s"})
    driver = connection.connection.driver_connection
    assert isinstance(driver, Listening)
    driver.silence = 2 * seconds
    try:
        yield
    finally:
        driver.silence = Listening.silence


def again(what: Callable[[], T]) -> T:
    """Do something that is a whole transaction; again where it was ended for another one's sake, or its connection had died before."""
    for trial in range(TRIALS):
        try:
            return what()
        except DBAPIError as error:
            if trial == TRIALS - 1 or not (sqlstate(error) in TRY_AGAIN or (error.connection_invalidated and trial == 0)):
                raise
            time.sleep(random.uniform(0.01, 0.05) * 2**trial)  # noqa: S311
    raise AssertionError("unreachable")
