"""Something on loopback that messages are posted to: a real HTTP server that keeps what arrives, and can be down, broken or silent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class PostedTo:
    """`messages` are those that were taken, in order, `heads` the headers of all that came. While `go_on` is cleared nobody is answered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.heads: list[Message] = []
        self.came = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.port = 0

    @property
    def asked(self) -> int:
        """How often somebody posted, answered or not."""
        return len(self.heads)

    def takes(self, headers: Message, body: bytes) -> tuple[int, dict[str, str]]:
        """The status and the headers of the answer to a message; one that is taken is kept."""
        self.messages.append(json.loads(body))
        return 200, {}

    @contextmanager
    def up(self) -> Iterator[Self]:
        """Listen within the block, always on the same port."""
        posted_to = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted_to.heads.append(self.headers)
                posted_to.came.set()
                posted_to.go_on.wait(60)
                status, headers = posted_to.takes(self.headers, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
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
