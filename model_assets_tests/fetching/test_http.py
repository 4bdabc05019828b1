import datetime as dt
import email.utils
import json
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

import model_assets
from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching import http, strict_json
from model_assets.fetching.http import NotModified, Policy, Response, fetch
from model_assets.fetching.network import Trouble
from model_assets_tests.fetching.misbehaving import EMPTY_BLOCK, answer, bomb, certificate, dripping, gzipped, serving, silent

QUICK = Policy(backoff_seconds=0.05, connect_timeout=1, read_timeout=0.5, body_deadline=1.5, total_deadline=10, allow_loopback=True)
ONCE = Policy(attempts=1, connect_timeout=1, read_timeout=0.5, body_deadline=1.5, total_deadline=10, allow_loopback=True)
MODELS = b'{"data": [{"id": "lab/small"}]}'

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


def failure(url: str, policy: Policy = ONCE, **options) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        fetch(url, policy=policy, **options)
    message = str(failed.value)
    assert "\n" not in message
    assert message.isascii()
    assert message.endswith(".")
    assert len(message) < 300
    return failed.value


def gaps(server) -> list[float]:
    return [later - sooner for sooner, later in zip(server.times, server.times[1:], strict=False)]


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


# --- U1, U2: busy and broken servers ----------------------------------------------------------------------------------------------------


def test_a_retry_after_in_seconds_is_waited_out_each_time():
    busy = answer(429, b"", "Retry-After: 1")
    with serving(busy, busy, answer(200, MODELS)) as server:
        found = fetch(server.url(), policy=QUICK)
    assert (found.body, found.attempts, server.connections) == (MODELS, 3, 3)
    assert all(1 <= gap < 10 for gap in gaps(server))


def test_a_retry_after_with_a_date_is_waited_out():
    until = []

    def busy(connection):
        until.append(int(time.time()) + 2)
        connection.sendall(answer(503, b"", f"Retry-After: {email.utils.formatdate(until[0], usegmt=True)}"))

    def calm(connection):
        until.append(time.time())
        connection.sendall(answer(200, MODELS))

    with serving(busy, calm) as server:
        assert fetch(server.url(), policy=QUICK).attempts == 2
    assert 0 <= until[1] - until[0] < 0.2


@pytest.mark.parametrize("patience", ["86400", "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT", "11"])
def test_a_retry_after_longer_than_we_wait_ends_the_fetch_at_once_as_throttled(patience):
    with serving(answer(429, b"", f"Retry-After: {patience}")) as server:
        before = time.monotonic()
        failed = failure(server.url(), QUICK)
        assert time.monotonic() - before < 10
    assert (failed.kind, server.connections) == ("throttled", 1)
    assert f"127.0.0.1:{server.port}/models answered 429 and asked for " in str(failed)


@pytest.mark.parametrize(
    "nonsense", ["-5", "soon", "", "1e3", "0", "Fri, 31 Dec 1999 23:59:59 GMT", "Xyz, 99 Abc 99999 99:99:99 GMT", "\xb2"]
)
def test_a_negative_past_or_garbled_retry_after_counts_as_none(nonsense):
    with serving(answer(429, b"", f"Retry-After: {nonsense}"), answer(200, MODELS)) as server:
        assert fetch(server.url(), policy=QUICK).attempts == 2
    assert gaps(server)[0] < 0.4


@pytest.mark.parametrize(
    ("said", "least"), [('"api";r=0;t=1', 1.0), ('"pages";r=5;t=9, "api";r=0;t=1', None), ("t=x", 0.0), ('"api";r=0', 0.0)]
)
def test_where_no_patience_is_asked_for_that_of_the_rate_limit_is_kept(said, least):
    with serving(answer(429, b"", f"RateLimit: {said}"), answer(200, MODELS)) as server:
        assert fetch(server.url(), policy=QUICK).attempts == 2
    assert gaps(server)[0] >= (least if least is not None else 1.0)


def test_a_rate_limit_longer_than_we_wait_is_told_to_the_caller():
    with serving(answer(429, b"", 'RateLimit: "api";r=0;t=299')) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, failed.wait, server.connections) == ("throttled", 299, 1)


def test_a_server_that_stays_busy_is_asked_three_times_and_was_throttled():
    with serving(answer(429)) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, server.connections) == ("throttled", 3)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_server_is_tried_three_times_and_then_named(status):
    with serving(answer(status)) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, server.connections) == ("status", 3)
    assert str(failed).startswith(f"127.0.0.1:{server.port}/models answered {status}; tried 3 times in 0.")
    assert str(failed).endswith("s. Try again later.")


def test_a_server_that_recovers_is_read():
    with serving(answer(500), answer(502), answer(200, MODELS)) as server:
        found = fetch(server.url(), policy=QUICK)
    assert (found.body, found.attempts, server.connections) == (MODELS, 3, 3)


def test_the_pauses_grow_at_most_twofold_and_differ():
    policy = Policy(attempts=5, backoff_seconds=0.1, allow_loopback=True)
    with serving(answer(503)) as server:
        failure(server.url(), policy)
    assert server.connections == 5
    assert all(gap < 0.1 * 2**n + 1 for n, gap in enumerate(gaps(server)))
    assert len({round(gap, 3) for gap in gaps(server)}) > 1


def test_clients_that_failed_together_do_not_come_back_together():
    busy, policy = Trouble("answered 503", "status", again=True), Policy(attempts=9, backoff_seconds=0.1)
    pauses = [http._pause(busy, 3, 9, policy, 60) for _ in range(20)]
    assert len(set(pauses)) > 10
    assert all(0 <= pause <= 0.4 for pause in pauses)


def test_no_try_begins_after_the_time_for_all_of_them():
    policy = Policy(attempts=1_000, backoff_seconds=0.2, total_deadline=3, allow_loopback=True)
    with serving(answer(503)) as server:
        before = time.monotonic()
        failed = failure(server.url(), policy)
        assert time.monotonic() - before < 10
    assert failed.kind == "status"
    assert 1 < server.connections < 1_000


@pytest.mark.parametrize("status", [204, 206, 300, 400, 401, 403, 404, 410, 418, 501])
def test_an_answer_that_no_patience_will_mend_is_asked_for_once(status):
    with serving(answer(status, b"" if status == 204 else MODELS)) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, server.connections) == ("status", 1)
    assert f"answered {status}" in str(failed)


# --- U3, U4, U5: no connection, no answer, no end ---------------------------------------------------------------------------------------


def test_a_closed_port_refuses(called):
    with serving(b"") as server:
        url = server.url()
    failed = failure(url, QUICK)
    assert failed.kind == "refused"
    assert called == [("127.0.0.1", server.port)] * 3


def test_a_name_that_does_not_exist_is_a_matter_of_dns(called):
    failed = failure("https://x.invalid/models", Policy(attempts=2, backoff_seconds=0.05, connect_timeout=5))
    assert failed.kind == "dns"
    assert str(failed).startswith("x.invalid/models ")
    assert not [address for address in called if isinstance(address, tuple) and address[1] == 443]


def test_a_resolver_that_never_answers_does_not_hold_us(monkeypatch):
    asked, over = [], threading.Event()

    def hang(*question, **_):
        asked.append(question)
        over.wait(10)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = time.monotonic()
    assert failure("https://models.test/", Policy(attempts=1, connect_timeout=0.5)).kind == "dns"
    assert time.monotonic() - before < 10
    assert len(asked) == 1
    over.set()


def test_a_plain_server_and_a_certificate_that_nobody_signed_offer_no_tls(tmp_path):
    with serving(answer(200, MODELS)) as plain:
        assert failure(plain.url(scheme="https"), QUICK).kind == "tls"
    assert plain.connections == 3
    context, _ = certificate(tmp_path, "localhost")
    with serving(answer(200, MODELS), tls=context) as unknown:
        failed = failure(unknown.url(host="localhost"))
    assert (failed.kind, unknown.connections, unknown.requests) == ("tls", 1, [])
    assert "self-signed certificate" in str(failed)


def test_tls_verifies_the_name_and_not_the_address_that_was_connected_to(tmp_path, monkeypatch, names):
    names.update({"models.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]})
    context, authority = certificate(tmp_path, "models.test")
    asked_for = []
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with serving(answer(200, MODELS), tls=context) as server:
        assert fetch(server.url(host="models.test"), policy=ONCE).body == MODELS
        failed = failure(server.url(host="other.test"))
    assert asked_for == ["models.test", "other.test"]
    assert f"\r\nhost: models.test:{server.port}\r\n" in server.requests[0].lower()
    assert (failed.kind, len(server.requests)) == ("tls", 1)
    assert "not valid for 'other.test'" in str(failed)


def test_authorities_that_cannot_be_read_are_a_matter_of_tls(monkeypatch, called):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    failed = failure("https://127.0.0.1:9/")
    assert (failed.kind, called) == ("tls", [])
    assert "SSL_CERT_FILE" in str(failed)


def test_a_server_that_never_answers_is_left_after_the_read_timeout_and_tried_again():
    with serving(silent) as server:
        before = time.monotonic()
        failed = failure(server.url(), QUICK)
        assert 1.5 <= time.monotonic() - before < 10
    assert (failed.kind, server.connections) == ("timeout", 3)
    assert "fell silent for 0.5 s; tried 3 times" in str(failed)


def test_a_handshake_that_never_answers_is_left_too():
    with serving(silent) as server:
        before = time.monotonic()
        assert failure(server.url(scheme="https")).kind == "timeout"
        assert time.monotonic() - before < 10
    assert server.connections == 1


@pytest.mark.parametrize(
    ("head", "drops"),
    [
        (b"HTTP/1.1 200 So\r\nContent-Length: 1000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 So\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", b"a"),
        (b"HTTP/1.1 200 So\r\nContent-Encoding: gzip\r\n\r\n" + bomb(0), EMPTY_BLOCK),
        (b"HTTP/1.1 200 So\r\nX-Long: ", b"a"),
        (b"HTTP/1.1 503 So\r\nX-Long: ", b"a"),
        (b"", b"a"),
    ],
    ids=["length", "close", "chunked", "gzip", "headers", "headers of a failure", "status line"],
)
def test_what_drips_for_ever_is_left_at_the_deadline(head, drops):
    with serving(dripping(head, drops=drops)) as server:
        before = time.monotonic()
        failed = failure(server.url())
        assert 1.4 < time.monotonic() - before < 10
    assert (failed.kind, len(server.requests)) == ("timeout", 1)


def test_what_drips_through_tls_is_left_at_the_deadline(tmp_path, monkeypatch, names):
    names["models.test"] = [["127.0.0.1"]]
    context, authority = certificate(tmp_path, "models.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with serving(dripping(b"HTTP/1.1 200 So\r\n\r\n"), tls=context) as server:
        before = time.monotonic()
        failed = failure(server.url(host="models.test"))
        assert 1.4 < time.monotonic() - before < 10
    assert (failed.kind, len(server.requests)) == ("timeout", 1)


def test_a_deadline_for_all_tries_ends_a_drip_as_well():
    policy = Policy(backoff_seconds=0.01, read_timeout=0.5, body_deadline=0.8, total_deadline=1.2, allow_loopback=True)
    with serving(dripping(b"HTTP/1.1 200 So\r\n\r\n", every=0.1)) as server:
        before = time.monotonic()
        assert failure(server.url(), policy).kind == "timeout"
        assert time.monotonic() - before < 10
    assert server.connections == 2


# --- U6, U7, U8, U9: bodies -------------------------------------------------------------------------------------------------------------


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


# --- U17: where it may not go -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/",
        "https://[::1]:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://[::ffff:7f00:1]:{port}/",
        "https://[64:ff9b::7f00:1]:{port}/",
        "https://[2002:7f00:1::]:{port}/",
        "https://[::127.0.0.1]:{port}/",
        "https://[::]:{port}/",
        "https://0x7f000001:{port}/",
        "https://0X7f.1:{port}/",
        "https://2130706433:{port}/",
        "https://0177.0.0.1:{port}/",
        "https://127.1:{port}/",
        "https://127.0.0.1.:{port}/",
        "https://\uff11\uff12\uff17.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://0.0.0.0:{port}/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "http://127.0.0.1:{port}/",
        "http://example.com/",
        "https://user:secret@example.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "https:///models",
        "https://[::1",
        "https://8.8.8.8:99999/",
        "https://8.8.8.8:0/",
        "https://exa\nmple.com/",
        "",
    ],
)
def test_no_forbidden_url_is_connected_to(url, called):
    with serving(answer(200, MODELS)) as guarded, serving(answer(200, MODELS), host="::1") as guarded_too:
        for port in (guarded.port, guarded_too.port):
            failed = failure(url.format(port=port), Policy())
            assert failed.kind == "forbidden_address"
            assert "secret" not in str(failed)
    assert (guarded.connections, guarded_too.connections, called) == (0, 0, [])


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["10.1.2.3"], ["192.168.0.1"], ["169.254.1.2"], ["::ffff:127.0.0.1"], ["fd00::1"], ["8.8.8.8", "127.0.0.1"]],
    ids=str,
)
def test_a_name_with_any_address_inside_is_not_connected_to(addresses, names, called):
    names["models.test"] = [addresses]
    with serving(answer(200, MODELS)) as guarded:
        failed = failure(f"https://models.test:{guarded.port}/", Policy())
    assert (failed.kind, guarded.connections, called, names.asked) == ("forbidden_address", 0, [], ["models.test"])
    assert "leads to" in str(failed)


def test_plain_http_goes_nowhere_but_to_this_machine(names, called):
    names["models.test"] = [["8.8.8.8"]]
    assert failure("http://models.test/").kind == "forbidden_address"
    assert (called, names.asked) == ([], ["models.test"])


def test_a_name_that_is_rebound_after_the_check_still_leads_to_the_address_that_was_checked(names, called):
    names["models.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    with serving(answer(200, MODELS)) as server, serving(answer(200, b"stolen"), host="127.0.0.2", port=server.port) as guarded:
        found = fetch(server.url(host="models.test"), policy=ONCE)
        assert (found.body, server.connections, guarded.connections) == (MODELS, 1, 0)
        assert (called, names.asked) == ([("127.0.0.1", server.port)], ["models.test"])
        with socket.create_connection(("models.test", server.port)) as armed:  # a second look-up would have led astray
            assert armed.getpeername()[0] == "127.0.0.2"


def test_a_name_that_is_rebound_between_two_tries_is_checked_again(names, called):
    names["models.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    with serving(answer(503)) as server:
        failed = failure(server.url(host="models.test"), QUICK)
    assert (failed.kind, server.connections, called) == ("forbidden_address", 1, [("127.0.0.1", server.port)])
    assert names.asked == ["models.test"] * 2


def test_an_address_that_does_not_answer_gives_way_to_the_next_of_the_name(names, called):
    names["models.test"] = [["127.0.0.3", "127.0.0.1"]]
    with serving(answer(200, MODELS)) as server:
        assert fetch(server.url(host="models.test"), policy=ONCE).body == MODELS
    assert called == [("127.0.0.3", server.port), ("127.0.0.1", server.port)]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "http://127.0.0.2:{guarded}/",
        "http://127.0.0.1:{guarded}/",
        "//127.0.0.1:{guarded}/",
        "https://127.0.0.1:{guarded}/",
        "http://[::1]:{guarded}/",
        "http://[::ffff:127.0.0.1]:{guarded}/",
        "http://0x7f000001:{guarded}/",
        "http://2130706433:{guarded}/",
        "http://localhost:{guarded}/",
        "http://user:secret@127.0.0.1:{guarded}/",
        "https://example.com/",
        "file:///etc/passwd",
        "http://[::1",
        "http://\xe9\xff\x01/",
        "",
    ],
)
def test_no_redirect_leads_to_another_host_port_or_scheme(location, called):
    with serving(answer(200, b"stolen")) as guarded:
        with serving(answer(302, b"", f"Location: {location.format(guarded=guarded.port)}")) as server:
            failed = failure(server.url(), QUICK)
        assert (failed.kind, server.connections, guarded.connections) == ("redirect", 1, 0)
        assert called == [("127.0.0.1", server.port)]
        assert "secret" not in str(failed)


def test_three_redirects_on_the_same_host_are_followed_and_a_fourth_is_not():
    moved = [answer(status, b"", f"Location: {location}") for status, location in ((301, "/b"), (307, "c?d=1"), (308, "/e"))]
    with serving(*moved, answer(200, MODELS)) as server:
        found = fetch(server.url("/a/b"), policy=ONCE)
    assert (found.body, found.url, found.attempts) == (MODELS, server.url("/e"), 1)
    assert [request.split()[1] for request in server.requests] == ["/a/b", "/b", "/c?d=1", "/e"]
    with serving(answer(302, b"", "Location: /again")) as server:
        failed = failure(server.url(), QUICK)
    assert (failed.kind, server.connections) == ("redirect", 4)


# --- secrets ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["s3cret", "s3cret\r\nX-Evil: 1", "s3cr\u00e9t s3cret", "s3cret\0"])
def test_no_error_shows_a_secret_header_or_query_not_even_in_its_traceback(secret):
    with serving(answer(401)) as server:
        failed = failure(server.url("/models?key=s3cret"), headers={"Authorization": secret})
    assert "s3cret" not in "".join(traceback.format_exception(failed))
    assert (failed.kind, server.connections) == (("status", 1) if secret == "s3cret" else ("protocol", 0))
