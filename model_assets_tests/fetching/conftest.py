"""Who is called, as the interpreter reports it; and a resolver for made-up names."""

import socket
import sys

import pytest

CALLED: list[object] = []
sys.addaudithook(lambda event, details: CALLED.append(details[1]) if event == "socket.connect" else None)


@pytest.fixture
def called():
    """Every address that this process calls during the test, as the interpreter itself reports it."""
    CALLED.clear()
    return CALLED


class Names(dict[str, list[list[str]]]):
    """The addresses of made-up names, and which of them were `asked` for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []


@pytest.fixture
def names(monkeypatch):
    """A resolver for made-up names: each look-up takes the next list of addresses."""
    names, real = Names(), socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        if host not in names:
            return real(host, port, *args, **kwargs)
        names.asked.append(host)
        found = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [entry for address in found for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names
