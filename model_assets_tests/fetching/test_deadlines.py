"""No connection, no answer, no end (U3, U4, U5): each is left in its time and has its class."""

import socket
import threading
import time

import pytest

from model_assets.fetching.http import Policy, fetch
from model_assets_tests.fetching.client import MODELS, ONCE, QUICK, failure
from model_assets_tests.fetching.misbehaving import EMPTY_BLOCK, answer, bomb, certificate, dripping, serving, silent


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
