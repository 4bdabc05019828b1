"""A channel on loopback: a real HTTP server that keeps what it is sent, and can be down, broken or silent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model_assets.alerts.channels import Channel


class Listener:
    """What arrived, in order; `status` is what it answers, and while `held` it answers nobody."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.asked = 0
        self.status = 200
        self.location: str | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.came = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"

    @property
    def channel(self) -> Channel:
        return Channel(self.url, "ALERT_URLS")

    @property
    def titles(self) -> list[str]:
        return [one["title"].removeprefix("Model Assets: ") for one in self.messages]

    @contextmanager
    def up(self) -> Iterator["Listener"]:
        """Listen within the block, always on the same port."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.asked += 1
                listener.came.set()
                listener.go_on.wait(60)
                if listener.status == 200:
                    listener.raw.append(body)
                    listener.messages.append(json.loads(body))
                self.send_response(listener.status)
                if listener.location:
                    self.send_header("Location", listener.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.go_on.set()
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener().up() as found:
        yield found
