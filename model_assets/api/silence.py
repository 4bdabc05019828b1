"""Connections that notice a server which says nothing more, though its machine lives: a frozen process, a proxy that has lost the other side."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


class Listening(psycopg.Connection[Any]):
    """Ends itself, with OperationalError, where nothing is heard for `silence` seconds while something is waited for."""

    silence = 10.0  # the server itself ends a statement of a request after five

    def wait(self, gen: Generator[Any, Any, T], *how: Any, **more: Any) -> T:
        """What `gen` returns."""
        return super().wait(self._heeding(gen), *how, **more)

    def _heeding(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        heard, ready = time.monotonic(), None  # a generator begins with None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as end:
                return end.value
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > self.silence:  # asked ten times a second, and nothing was there
                self.close()
                raise psycopg.OperationalError(f"the server has said nothing for {self.silence:g} s")
