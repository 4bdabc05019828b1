"""Hugging Face's list of models on loopback: pages by `Link`, ETags, limits on requests, and what is in the files of a repository."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

Model = dict[str, Any]


def repository(id: str = "lab/m", sha: str = "a" * 40, **more: object) -> Model:
    """An entry as the list has it."""
    found = {
        "_id": "1", "id": id, "modelId": id, "author": id.partition("/")[0], "sha": sha, "lastModified": "2026-05-01T00:00:00.000Z", "private": False,
        "gated": False, "downloads": 5, "likes": 1, "trendingScore": 0, "tags": ["litert", "license:mit"], "createdAt": "2026-01-01T00:00:00.000Z",
        "siblings": [{"rfilename": "README.md"}, {"rfilename": "m.tflite"}], "pipeline_tag": "text-generation", "library_name": "litert",
    }  # fmt: skip
    return found | more


class Hub:
    """What it serves: `models` by filter, `page` of them at once; `files`, by repository, the content of each. The first requests are answered
    with `first`, pairs of a status and headers, where there are any. `asked` holds the path and headers of each request, `served` its status."""

    def __init__(self, page: int = 1_000) -> None:
        self.models: dict[str, list[Model]] = {"litert": []}
        self.files: dict[str, dict[str, str]] = {}
        self.page, self.leads_to = page, ""
        self.first: list[tuple[int, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.served: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        """Its scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def details(self) -> list[str]:
        """The repositories whose files were asked for, in order."""
        return [unquote(path[len("/api/models/") : path.index("/revision/")]) for path, _ in self.asked if "/revision/" in path]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, etag: str | None) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body for a request."""
        if self.first:
            status, headers = self.first.pop(0)
            return status, headers, b'{"error":"slow down"}'
        if "/revision/" in path:
            id = unquote(path[len("/api/models/") : path.index("/revision/")])
            return (200, {}, json.dumps(self.revision(id)).encode()) if id in self.files else (404, {}, b'{"error":"Repository not found"}')
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        found, start = self.models[query["filter"]], int(query.get("cursor", 0))
        end = start + min(int(query["limit"]), self.page)
        body = json.dumps(found[start:end], separators=(",", ":")).encode()
        headers = {"ETag": f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'}
        if end < len(found):
            onward = f"{self.leads_to or self.address}/api/models?filter={query['filter']}&limit={query['limit']}&cursor={end}"
            headers["Link"] = f'<{onward}>; rel="next"'
        return (304, headers, b"") if etag == headers["ETag"] else (200, headers, body)

    def revision(self, id: str) -> Model:
        """A repository with what is in its files."""
        contents = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.files[id].items()}
        large = {name: {"lfs": {"sha256": digest, "size": 10}} if name.endswith(".tflite") else {} for name, digest in contents.items()}
        return {"id": id, "siblings": [{"rfilename": name, "size": 10, "blobId": contents[name][:40], **large[name]} for name in contents]}


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = hub.answer(self.path, self.headers.get("if-none-match"))
            hub.served.append(status)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(page: int = 1_000) -> Iterator[Hub]:
    """A hub for the length of a block."""
    hub = Hub(page)
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that serves three models a page."""
    with serving(3) as found:
        yield found
