"""A database that says nothing more, though connections to it stand: a proxy between, which stops, and goes on."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from model_assets.api.database import Database, taking
from model_assets.api.silence import Listening
from model_assets.database import connect
from model_assets_tests.api.conftest import serving


class Proxy:
    """Hands on what both sides say, but for what one says while it is `silent`: that waits."""

    def __init__(self, host: str, port: int) -> None:
        self.behind = (host, port)
        self.speaks = threading.Event()
        self.speaks.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.behind)
                self.open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.speaks.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        self.speaks.set()
        for one in [self.listener, *self.open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def behind_proxy(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of a database, and the database's URL through it."""
    there = make_url(url)
    proxy = Proxy(there.host or "127.0.0.1", there.port or 5432)
    yield proxy, there.set(host="127.0.0.1", port=proxy.listener.getsockname()[1]).render_as_string(hide_password=False)
    proxy.end()


@pytest.fixture
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    with behind_proxy(url) as found:
        yield found


def test_a_request_to_a_database_that_fell_silent_is_a_503_in_time_and_the_next_is_answered_once_it_speaks(
    proxied: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Listening, "silence", 2.0)
    proxy, url = proxied
    with serving(url) as api:
        assert api.client().get("/api/v1/models?q=before").status_code == 200
        proxy.speaks.clear()
        began = time.monotonic()
        answer = api.client().get("/api/v1/models?q=silent")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert time.monotonic() - began < 20  # two seconds to hear something, three to connect again
        proxy.speaks.set()
        deadline = time.monotonic() + 60
        while api.client().get("/api/v1/models?q=after").status_code != 200:
            assert time.monotonic() < deadline


def test_what_may_take_long_is_waited_for_and_the_next_statement_on_that_connection_is_not(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Listening, "silence", 2.0)
    database = Database(url, writers=1)
    slow = text("select pg_sleep(3)")
    with database.writing("a test") as connection, taking(connection, 60):
        connection.execute(slow)
    with pytest.raises(OperationalError, match="has said nothing"), database.writing("a test") as connection:
        connection.execute(slow)
    database.close()


def test_a_machine_that_is_gone_is_found_so_by_our_side_too(url: str):
    database = Database(url)
    with connect(url) as slow, database.reading() as reader:
        for connection, most in ((slow, 60), (reader, 12)):
            driver = connection.connection.driver_connection
            assert driver is not None
            with socket.socket(fileno=os.dup(driver.fileno())) as ours:
                assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == most * 1000
                options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                idle, interval, count = (ours.getsockopt(socket.IPPROTO_TCP, option) for option in options)
                assert idle + interval * count == most
    database.close()
