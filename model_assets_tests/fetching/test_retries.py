"""Busy and broken servers (U1, U2): how often they are asked, and how long is waited."""

import email.utils
import time

import pytest

from model_assets.fetching import http
from model_assets.fetching.http import Policy, fetch
from model_assets.fetching.network import Trouble
from model_assets_tests.fetching.client import MODELS, QUICK, failure, gaps
from model_assets_tests.fetching.misbehaving import answer, serving


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


@pytest.mark.parametrize("patience", ["86401", "9" * 20, "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_server_is_believed_to_ask_for_more_than_a_day(patience):
    assert http.retry_after(patience) == http.LONGEST_WAIT == 86_400


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
