"""The sources' web servers, and the channel that hears the alerts: real HTTP on loopback, that misbehaves where it is told to."""

import gzip
import hashlib
import json
import socket
import threading
import time
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.soak.payloads import Files

ETAGS = ("models_dev", "openrouter", "epoch", "lmarena", "huggingface")  # the others send everything on every look
SILENCE = 3.0  # seconds: longer than an impatient client waits


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what some faults are about."""


class Web:
    """What it serves, by source: files by path, and how it misbehaves. `met` counts the requests that met a fault, by source."""

    def __init__(self) -> None:
        self.files: dict[str, Files] = {}
        self.faults: dict[str, str] = {}
        self.met: Counter[str] = Counter()
        self._server = Server(("127.0.0.1", 0), _handler(self))
        self._closed = socket.socket()  # a port that is taken, and where nobody listens
        self._closed.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def base(self, source: str) -> str:
        """The address of a source."""
        closed = self.faults.get(source) == "connection refused"
        if closed:
            self.met[source] += 1
        return f"http://127.0.0.1:{self._closed.getsockname()[1] if closed else self._server.server_address[1]}/{source}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._closed.close()
        self._thread.join()


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
            body = web.files.get(source, {}).get(f"/{rest}" if rest else "")
            fault = web.faults.get(source)
            if fault:
                web.met[source] += 1
            if body is None:
                self.answer(404, b"")
            elif fault == "429, then well" and web.met[source] == 1:
                self.answer(429, b"", ("Retry-After", "1"))
            elif fault == "503 for ever":
                self.answer(503, b"")
            elif fault == "no answer":
                time.sleep(SILENCE)
            elif fault == "a body that drips":
                self.drip()
            elif fault == "a body that is cut":
                self.answer(200, body[:-10], length=len(body))
            elif fault == "a gzip bomb":
                self.answer(200, BOMB, ("Content-Encoding", "gzip"))
            else:
                self.whole(source, body)

        def whole(self, source: str, body: bytes) -> None:
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if source in ETAGS and self.headers.get("If-None-Match") == tag:
                self.answer(304, b"", ("ETag", tag))
            else:
                self.answer(200, body, *([("ETag", tag)] if source in ETAGS else []))

        def drip(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            until = time.monotonic() + SILENCE
            while time.monotonic() < until:
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)

        def answer(self, status: int, body: bytes, *headers: tuple[str, str], length: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _bomb() -> bytes:
    """A gzip of 200 MB of spaces."""
    zipper = zlib.compressobj(9, wbits=-15)
    block = zipper.compress(b" " * 1_000_000) + zipper.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * 200


BOMB = _bomb()


class Listener:
    """The channel: what it heard, in order. While it is `down` it hears nothing."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.down = False
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not listener.down:
                    listener.messages.append(json.loads(body))
                self.send_response(503 if listener.down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The channel as ALERT_URLS names it."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/hook"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
