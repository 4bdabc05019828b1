"""Bodies that are cut, no JSON, too long, packed in a way nobody asked for, or no HTTP (U6 to U9)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import model_assets
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.fetching.http import Policy, fetch
from model_assets_tests.fetching.client import MODELS, ONCE, QUICK, failure
from model_assets_tests.fetching.misbehaving import answer, bomb, gzipped, serving


@pytest.mark.parametrize(
    "said",
    [
        answer(200, MODELS[:10], length=len(MODELS)),
        b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + MODELS[:5] + b"\r\nff\r\n" + MODELS[5:],
        b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + MODELS[:5] + b"\r\nnot a chunk\r\n",
        answer(200, gzipped(MODELS)[:-1], "Content-Encoding: gzip"),
        answer(200, gzipped(MODELS)[:20], "Content-Encoding: gzip"),
        answer(200, b"", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 So\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(MODELS)[:-9],
        b"HTTP/1.1 200 So\r\nContent-",
        b"",
    ],
    ids=["length", "chunk", "no chunk", "gzip's checksum", "gzip", "empty gzip", "gzip until close", "headers", "no answer"],
)
def test_a_cut_body_is_asked_for_again_and_never_returned(said):
    with serving(said, said, answer(200, MODELS)) as server:
        assert fetch(server.url(), policy=QUICK).body == MODELS
    assert server.connections == 3
    with serving(said) as server:
        assert failure(server.url(), QUICK).kind == "cut"
    assert server.connections == 3


def test_a_body_that_ends_with_its_connection_may_be_cut_unseen_and_is_no_json_then():
    with serving(b"HTTP/1.1 200 So\r\n\r\n" + MODELS[:-3]) as server:
        found = fetch(server.url(), policy=QUICK)
    assert (found.body, server.connections) == (MODELS[:-3], 1)
    with pytest.raises(BadPayload, match="ends too early"):
        strict_json.loads(found.body)


def test_a_login_page_with_status_200_is_no_json():
    with serving(answer(200, b"<!DOCTYPE html><title>Log in</title>", "Content-Type: text/html")) as server:
        found = fetch(server.url(), policy=QUICK)
    assert (found.headers["content-type"], server.connections) == ("text/html", 1)
    with pytest.raises(BadPayload, match="looks like an HTML page"):
        strict_json.loads(found.body)


@pytest.mark.parametrize("body", [b'{"error": "busy"}', b"[]", b"{}", b"null", b'{"data": []}'])
def test_a_body_without_models_is_fetched_all_the_same_and_judged_elsewhere(body):
    with serving(answer(200, body)) as server:
        assert strict_json.loads(fetch(server.url(), policy=ONCE).body) == json.loads(body)
    assert server.connections == 1


BOMBED = """
import sys, time
from model_assets.errors import FetchFailed
from model_assets.fetching.http import Policy, fetch
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
before, began = peak(), time.monotonic()
try:
    fetch(sys.argv[1], policy=Policy(allow_loopback=True))
except FetchFailed as failed:
    print(failed.kind, peak() - before, time.monotonic() - began)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of its memory from /proc")
def test_half_a_megabyte_that_inflates_to_500_takes_under_100_megabytes_and_a_second():
    packed = bomb(500)
    assert len(packed) < 600_000
    with serving(answer(200, packed, "Content-Encoding: gzip")) as server:
        command = [sys.executable, "-c", BOMBED, server.url()]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(model_assets.__file__).parents[1])
    kind, megabytes, seconds = ran.stdout.split()
    assert (kind, server.connections) == ("too_large", 1)
    assert float(megabytes) < 100
    assert float(seconds) < 1


@pytest.mark.parametrize(
    "said",
    [
        answer(200, b"x" * 1_001),
        b"HTTP/1.1 200 So\r\n\r\n" + b"x" * 1_001,
        answer(200, b"", length=10**15),
        answer(200, gzipped(b"x" * 1_001), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 So\r\nContent-Encoding: gzip\r\n\r\n" + bomb(0) + b"\x00\x00\x00\xff\xff" * 400,
    ],
    ids=["announced", "unannounced", "absurd", "inflated", "a gzip of many nothings"],
)
def test_a_body_over_the_limit_is_not_read_to_its_end(said):
    with serving(said) as server:
        assert failure(server.url(), Policy(max_body_bytes=1_000, allow_loopback=True)).kind == "too_large"
    assert server.connections == 1


def test_a_body_of_exactly_the_limit_is_read():
    with serving(answer(200, b"x" * 1_000), answer(200, gzipped(b"x" * 1_000), "Content-Encoding: gzip")) as server:
        policy = Policy(max_body_bytes=1_000, allow_loopback=True)
        assert [fetch(server.url(), policy=policy).body for _ in range(2)] == [b"x" * 1_000] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        answer(200, gzipped(gzipped(MODELS)), "Content-Encoding: gzip"),
        answer(200, gzipped(gzipped(MODELS)), "Content-Encoding: gzip, gzip"),
        answer(200, gzipped(gzipped(MODELS)), "Content-Encoding: gzip", "Content-Encoding: gzip"),
        answer(200, gzipped(MODELS)),
        answer(200, gzipped(MODELS) + b"and more", "Content-Encoding: gzip"),
        answer(200, gzipped(MODELS) * 2, "Content-Encoding: gzip"),
        answer(200, MODELS, "Content-Encoding: gzip"),
        answer(200, gzipped(MODELS)[:-6] + b"??????", "Content-Encoding: gzip"),
        answer(200, b"\x0b\x02\x80[]\x03", "Content-Encoding: br"),
        answer(200, b"\x28\xb5\x2f\xfd", "Content-Encoding: zstd"),
        answer(200, b"x\x9c", "Content-Encoding: deflate"),
        answer(200, MODELS, "Content-Encoding: \x1b[31m" + "x" * 5_000),
    ],
    ids=["twice", "twice and said", "in two lines", "unsaid", "trailing", "two", "none", "damaged", "br", "zstd", "deflate", "nonsense"],
)
def test_an_encoding_that_was_not_asked_for_or_is_not_true_is_refused(said):
    with serving(said) as server:
        assert failure(server.url(), QUICK).kind == "encoding"
    assert server.connections == 1


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 200 So\r\nX: " + b"x" * 200_000,
        answer(200, b"", length=10**30),
        answer(200, MODELS, "Content-Length: 5"),
    ],
    ids=["ssh", "tls", "endless header", "absurd length", "two lengths"],
)
def test_what_does_not_speak_http_is_asked_once(said):
    with serving(said) as server:
        assert failure(server.url(), QUICK).kind == "protocol"
    assert server.connections == 1
