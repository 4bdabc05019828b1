"""Bodies that come slowly, over real sockets: they are no work yet, so many of an address are waited for, and what is held of them is bounded."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from model_assets.api import arriving, connections, front
from model_assets.api.arriving import Arriving
from model_assets.api.front import Front
from model_assets.api.middleware import Around
from model_assets.api.pages import Pages
from model_assets.api.server import config
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.test_connections import echo, read_all, status_of, until
from model_assets_tests.conftest import copy_of

BODY = b'{"ids": ["gpt-4o", "nothing at all"]}'


@contextlib.contextmanager
def slow(port: int, count: int, *headers: str, sent: bytes = b"", length: int = len(BODY)) -> Iterator[list[socket.socket]]:
    """So many connections that sent the head of a request and the beginning of its body."""
    said = [f"POST /api/v1/resolve HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"]
    head = "".join([*said, *(f"{header}\r\n" for header in headers), "\r\n"]).encode()
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(count)]
        for one in made:
            one.sendall(head + sent)
        yield made


def status_line(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0]


def read_until(ending: bytes, one: socket.socket) -> bytes:
    """What is said up to an ending: a head and its body may come one after the other."""
    found = b""
    while not found.endswith(ending):
        part = one.recv(65_536)
        assert part, found
        found += part
    return found


@pytest.fixture(scope="module")
def api(server: str, bundled: str) -> Iterator[Api]:
    """An API that heeds X-Forwarded-For."""
    with copy_of(server, bundled) as url, serving(url, API_TRUSTED_PROXIES="127.0.0.1") as found:
        yield found


def port_of(api: Api) -> int:
    return int(api.address.rpartition(":")[2])


def fronts(api: Api) -> Front:
    """The part of the running application that counts what is at work."""
    found: Any = api.app.middleware_stack
    while not isinstance(found, Front):
        found = found.app
    return found


def test_requests_whose_bodies_do_not_come_take_nobodys_place(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(front, "MOST_AT_WORK", 5)
    with slow(port_of(api), 10, sent=BODY[:1]) as waiting:
        until(lambda: fronts(api).arriving.unfinished["127.0.0.1"] == 10)
        assert api.client().get("/api/v1/models?limit=3").status_code == 200
        assert api.client().post("/api/v1/resolve", content=BODY, headers={"Content-Type": "application/json"}).status_code == 200
        for one in waiting:
            one.sendall(BODY[1:])
            assert b" 200 " in one.recv(65_536).partition(b"\r\n")[0]
    until(lambda: fronts(api).arriving.unfinished == {})
    assert fronts(api).at_work == 0


def test_so_many_unfinished_requests_of_an_address_are_waited_for_and_others_go_on(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arriving, "UNFINISHED", 4)
    with slow(port_of(api), 4, "X-Forwarded-For: 192.0.2.7", sent=b"{"):
        until(lambda: fronts(api).arriving.unfinished["192.0.2.7"] == 4)
        with slow(port_of(api), 1, "X-Forwarded-For: 192.0.2.7", sent=b"{") as [refused]:
            answer = read_all(refused)
        assert status_of(answer) == 429
        assert b"retry-after: 30" in answer
        said = {"X-Forwarded-For": "192.0.2.7", "Content-Type": "application/json"}
        assert api.client().post("/api/v1/resolve", content=BODY, headers=said).status_code == 200  # it was there at once
        with slow(port_of(api), 1, "X-Forwarded-For: 192.0.2.8", sent=b"{") as [other]:
            until(lambda: fronts(api).arriving.unfinished["192.0.2.8"] == 1)
            other.sendall(BODY[1:])
            assert b" 200 " in other.recv(65_536).partition(b"\r\n")[0]
        assert api.client().get("/api/v1/models?limit=4", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200
        until(lambda: set(fronts(api).arriving.unfinished) == {"192.0.2.7"})
    until(lambda: fronts(api).arriving.unfinished == {})  # who leaves makes room


def test_a_body_that_is_cut_makes_room(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    with slow(port_of(api), 1, sent=b"{") as [one]:
        assert status_of(read_all(one)) == 408
    until(lambda: fronts(api).arriving.unfinished == {})


@pytest.fixture
def held() -> Iterator[tuple[int, Arriving]]:
    """A server that says how long a body was, and what it holds of those on their way."""
    known = Arriving(lambda peer, _: str(peer))
    app = Around(Front(echo, Pages(), None, known))  # type: ignore[arg-type] # whom nobody asks for has no profile

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (app if scope["type"] == "http" else echo)(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config(both, "127.0.0.1", 0, log_config=None))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started)
        yield int(listener.getsockname()[1]), known
        server.should_exit = True
        thread.join(30)


def test_what_is_held_of_long_bodies_is_bounded_and_short_ones_are_read_all_the_same(
    held: tuple[int, Arriving], monkeypatch: pytest.MonkeyPatch
):
    port, known = held
    monkeypatch.setattr(arriving, "HELD", 1_000_000)
    with slow(port, 1, sent=b"x" * 900_000, length=900_001) as [first]:
        until(lambda: known.held == 900_000 - arriving.SMALL)
        with slow(port, 1, sent=b"x" * 400_000, length=400_001) as [second]:
            answer = read_all(second)
        assert status_of(answer) == 503
        assert b"retry-after: 30" in answer
        assert httpx.post(f"http://127.0.0.1:{port}/", content=b"x" * arriving.SMALL, trust_env=False).text == str(arriving.SMALL)
        first.sendall(b"x")
        assert status_line(read_until(b"900001", first)) == b"HTTP/1.1 200 OK"
    until(lambda: (known.held, known.unfinished) == (0, {}))


def test_a_body_in_chunks_and_one_that_waits_to_be_asked_for_arrive_whole(held: tuple[int, Arriving]):
    port, known = held
    pieces = (b"x" * size for size in (1, 70_000, 5))
    assert httpx.post(f"http://127.0.0.1:{port}/", content=pieces, trust_env=False).text == "70006"
    with slow(port, 1, "Expect: 100-continue") as [one]:
        assert status_line(read_until(b"\r\n\r\n", one)) == b"HTTP/1.1 100 Continue"
        one.sendall(BODY)
        assert status_line(read_until(b"\r\n\r\n%d" % len(BODY), one)) == b"HTTP/1.1 200 OK"
        one.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")  # a body that means nothing, on the same connection
        time.sleep(0.1)
        one.sendall(b"fourGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_until(b"\r\n\r\n0", one).count(b"HTTP/1.1 200") == 2  # to HEAD without a body, to GET with the length of none
    assert (known.held, known.unfinished) == (0, {})
