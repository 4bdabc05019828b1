"""What a fetch brings back: the body as it was, conditions, and no secret in an error."""

import datetime as dt
import traceback

import pytest

from model_assets.fetching.http import NotModified, Response, fetch
from model_assets_tests.fetching.client import MODELS, ONCE, QUICK, failure
from model_assets_tests.fetching.misbehaving import answer, gzipped, serving

# --- what comes back --------------------------------------------------------------------------------------------------------------------


def test_a_body_comes_back_as_it_was_with_only_the_headers_worth_keeping():
    headers = ["Content-Type: application/json", 'ETag: "v1"', "Set-Cookie: session=secret", "X-Other: 1", "Link: <a>", "Link: <b>"]
    with serving(answer(200, MODELS, *headers)) as server:
        before = dt.datetime.now(dt.UTC).replace(microsecond=0)
        found = fetch(server.url("/models?limit=2"), policy=QUICK, headers={"Authorization": "Bearer token"})
    assert isinstance(found, Response)
    assert (found.body, found.status, found.attempts, found.url) == (MODELS, 200, 1, server.url("/models?limit=2"))
    assert found.headers == {"content-length": str(len(MODELS)), "content-type": "application/json", "etag": '"v1"', "link": "<a>, <b>"}
    assert before <= found.fetched_at <= dt.datetime.now(dt.UTC)
    [asked] = server.requests
    assert asked.startswith("GET /models?limit=2 HTTP/1.1\r\n")
    for line in (f"host: 127.0.0.1:{server.port}", "accept: application/json", "accept-encoding: gzip", "authorization: Bearer token"):
        assert asked.lower().count(f"\r\n{line.lower()}\r\n") == 1
    assert "\r\nuser-agent: model-assets/" in asked.lower()
    assert "if-none-match" not in asked.lower()


def test_a_gzip_is_inflated_and_a_chunked_body_joined():
    gzips = [answer(200, gzipped(MODELS * 1_000), f"Content-Encoding: {name}") for name in ("GZIP", "x-gzip")]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (MODELS[:7], MODELS[7:], b""))
    with serving(*gzips, b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) as server:
        assert [fetch(server.url(), policy=ONCE).body for _ in range(3)] == [MODELS * 1_000, MODELS * 1_000, MODELS]
    assert server.connections == 3


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    with serving(answer(200, MODELS)) as server, serving(answer(500)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert fetch(server.url(), policy=ONCE).body == MODELS
    assert (server.connections, proxy.connections) == (1, 0)


# --- U18: conditions --------------------------------------------------------------------------------------------------------------------


def test_a_validator_is_sent_and_an_unchanged_source_says_so():
    with serving(answer(304, b"", 'ETag: "v1"', "Content-Encoding: br")) as server:
        found = fetch(server.url(), etag='"v1"', last_modified="Wed, 24 Jun 2026 02:00:00 GMT", policy=QUICK)
    assert isinstance(found, NotModified)
    assert (found.headers["etag"], found.attempts, found.url, server.connections) == ('"v1"', 1, server.url(), 1)
    assert '\r\nif-none-match: "v1"\r\nif-modified-since: Wed, 24 Jun 2026 02:00:00 GMT\r\n' in server.requests[0]


def test_a_body_under_the_same_etag_is_a_body_because_only_its_hash_decides():
    with serving(answer(200, MODELS, 'ETag: "v1"')) as server:
        found = fetch(server.url(), etag='"v1"', policy=QUICK)
    assert isinstance(found, Response)
    assert (found.body, found.headers["etag"], server.connections) == (MODELS, '"v1"', 1)


def test_a_304_that_nobody_asked_for_is_asked_again_without_a_condition():
    with serving(answer(304, b"", 'ETag: "v1"'), answer(200, MODELS)) as server:
        found = fetch(server.url(), policy=ONCE)
    assert (found.body, found.attempts, server.connections) == (MODELS, 2, 2)
    assert all("if-none-match" not in request.lower() for request in server.requests)
    assert "\r\ncache-control: no-cache\r\n" in server.requests[1].lower()


def test_a_304_that_nobody_asked_for_twice_is_an_error():
    with serving(answer(304)) as server:
        assert failure(server.url(), QUICK).kind == "protocol"
    assert server.connections == 2


def test_a_validator_that_no_header_can_carry_is_left_out():
    with serving(answer(200, MODELS)) as server:
        assert fetch(server.url(), etag='"\u00e9\r\nX-Evil: 1"', last_modified="", policy=ONCE).body == MODELS
    assert "if-" not in server.requests[0].lower()
    assert "evil" not in server.requests[0].lower()


def test_a_part_is_not_the_whole():
    with serving(answer(206, MODELS, "Content-Range: bytes 0-30/31")) as server:
        assert failure(server.url(), QUICK).kind == "status"
    assert server.connections == 1


# --- secrets ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["s3cret", "s3cret\r\nX-Evil: 1", "s3cr\u00e9t s3cret", "s3cret\0"])
def test_no_error_shows_a_secret_header_or_query_not_even_in_its_traceback(secret):
    with serving(answer(401)) as server:
        failed = failure(server.url("/models?key=s3cret"), headers={"Authorization": secret})
    assert "s3cret" not in "".join(traceback.format_exception(failed))
    assert (failed.kind, server.connections) == (("status", 1) if secret == "s3cret" else ("protocol", 0))
