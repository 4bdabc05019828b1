"""A subscriber on loopback: a real HTTP server that verifies what it is sent by code of its own, and can be broken or silent."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What arrived and was answered with 2xx. `statuses` are answered first, one after the other; while `held` is set nobody is answered."""

    def __init__(self) -> None:
        self.secret = ""
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.messages: list[dict[str, Any]] = []
        self.ids: list[str] = []  # of all that was asked, answered well or not
        self.forged = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=its-own-secret"

    @property
    def changes(self) -> list[str]:
        """The ids of all changes that arrived, in their order."""
        return [change["id"] for message in self.messages for change in message["data"]["changes"]]

    def genuine(self, headers: Any, body: bytes) -> bool:
        """Verification as Standard Webhooks describes it."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        mac = hmac.new(key, content, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(mac).decode()
        return any(hmac.compare_digest(one, wanted) for one in headers["webhook-signature"].split(" "))

    @contextmanager
    def up(self) -> Iterator["Receiver"]:
        """Listen within the block, always on the same port."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.ids.append(self.headers["webhook-id"])
                receiver.go_on.wait(60)
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                if not receiver.genuine(self.headers, body):
                    receiver.forged += 1
                elif status < 300:
                    receiver.messages.append(json.loads(body))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
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
