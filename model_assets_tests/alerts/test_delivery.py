"""Delivering to a real listener on loopback: once each, late after it was down, together what is due together, and never slowing anybody."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from model_assets.alerts.channels import Channel
from model_assets.alerts.delivery import deliver, send, without_address
from model_assets.alerts.message import Message
from model_assets.alerts.outbox import Alert, raise_alert
from model_assets.database import connect, plain
from model_assets_tests.alerts.listener import Listener, listening

NOW = datetime(2026, 5, 20, 2, 0, tzinfo=UTC)
UI = "https://ui.example"


def alert(key: str, severity: str = "error", happened_at: datetime = NOW) -> Alert:
    return Alert("kind", key, severity, f"{key} broke", f"text of {key}", f"mend {key}", f"/runs/{key}", happened_at)


def put(url: str, *alerts: Alert) -> None:
    with connect(url) as connection:
        assert {raise_alert(connection, one) for one in alerts} == {True}


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(plain(url)) as connection:
        return connection.execute(query.encode()).fetchall()


def due_now(url: str) -> None:
    """The time of the next trial has come."""
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update ops.alert_delivery set next_try_at = now()")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


def test_an_alert_arrives_once_with_what_to_do_and_a_link(url: str, listener: Listener) -> None:
    put(url, alert("a"))
    assert [(one.alerts, one.error) for one in deliver(url, [listener.channel], UI)] == [(1, None)]
    assert [one.alerts for one in deliver(url, [listener.channel], UI)] == [0]
    [message] = listener.messages
    assert message["title"] == "Model Assets: a broke"
    assert message["message"] == "text of a\n\nWhat to do: mend a\n\nhttps://ui.example/runs/a"
    assert message["type"] == "failure"
    assert message.keys() == {"version", "title", "message", "attachments", "type"}
    assert message["attachments"] == []


def test_what_is_due_at_one_moment_is_one_message_the_worst_first(url: str, listener: Listener) -> None:
    put(url, alert("w", "warning"), alert("b", happened_at=NOW + timedelta(hours=1)), alert("a"), alert("i", "info"))
    deliver(url, [listener.channel], UI)
    [message] = listener.messages
    assert message["title"] == "Model Assets: 2 errors, 1 warning, 1 notice"
    assert [line.split()[2] for line in message["message"].splitlines()] == ["a", "b", "w", "i"]
    assert "mend a https://ui.example/runs/a" in message["message"]


def test_of_many_alerts_ten_are_named_and_the_rest_counted(url: str, listener: Listener) -> None:
    put(url, *(alert(f"k{number:03}") for number in range(200)))
    deliver(url, [listener.channel], UI)
    [message] = listener.messages
    lines = message["message"].splitlines()
    assert len(lines) == 11
    assert lines[-1] == "- and 190 more: `model-assets alerts` lists them."
    assert len(message["title"] + message["message"]) < 2000
    assert ask(url, "select count(*) from ops.alert_delivery where delivered_at is null") == [(0,)]


def test_after_the_channel_was_down_each_arrives_once_and_all_together(url: str) -> None:
    listener = Listener()
    with listener.up():
        pass  # the port is its own now, and closed
    put(url, alert("a"))
    [failed] = deliver(url, [listener.channel], UI)
    assert failed.alerts == 1
    assert "Connection error" in str(failed.error)
    put(url, alert("b"))
    with listener.up():
        deliver(url, [listener.channel], UI)  # b is due at once, and a goes with it
        due_now(url)
        deliver(url, [listener.channel], UI)
    assert listener.titles == ["2 errors"]
    assert ask(url, "select attempts, last_error from ops.alert_delivery order by alert_id") == [(2, None), (1, None)]


def test_a_channel_that_fails_is_tried_less_and_less_often_but_at_least_hourly_for_seven_days(url: str, listener: Listener) -> None:
    listener.status = 500
    put(url, alert("a"))
    pauses = []
    for trial in range(1, 12):
        assert [one.alerts for one in deliver(url, [listener.channel], UI, seconds=5)] == [1]
        assert listener.asked == trial
        [(pause, error)] = ask(url, "select extract(epoch from next_try_at - now())::int, last_error from ops.alert_delivery")
        assert "500" in str(error)
        pauses.append(pause)
        assert [one.alerts for one in deliver(url, [listener.channel], UI)] == [0]  # not before its time
        due_now(url)
    expected = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert all(abs(found - wanted) <= 20 for found, wanted in zip(pauses, expected, strict=True)), pauses
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update ops.alert set raised_at = now() - interval '6 days 23 hours'")
    listener.status = 200
    assert [(one.alerts, one.error) for one in deliver(url, [listener.channel], UI)] == [(1, None)]


def test_what_is_older_than_seven_days_is_not_sent_any_more(url: str, listener: Listener) -> None:
    listener.status = 500
    put(url, alert("a"))
    deliver(url, [listener.channel], UI)
    due_now(url)
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update ops.alert set raised_at = now() - interval '7 days 1 minute'")
    assert [one.alerts for one in deliver(url, [listener.channel], UI)] == [0]
    assert listener.asked == 1


def test_two_senders_at_once_send_each_alert_once(url: str, listener: Listener) -> None:
    put(url, alert("a"), alert("b"))
    listener.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(deliver, url, [listener.channel], UI, 60)
        assert listener.came.wait(60)
        second = pool.submit(deliver, url, [listener.channel], UI, 60)
        assert [one.alerts for one in second.result(60)] == [0]  # it does not wait for the first either
        assert not first.done()
        listener.go_on.set()
        assert [(one.alerts, one.error) for one in first.result(60)] == [(2, None)]
    assert listener.asked == len(listener.messages) == 1


def test_many_senders_at_once_send_each_alert_once(url: str, listener: Listener) -> None:
    put(url, *(alert(f"k{number}") for number in range(5)))
    start = threading.Barrier(4)

    def one(_: int) -> int:
        start.wait()
        return sum(found.alerts for found in deliver(url, [listener.channel], UI))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == 5
    assert listener.titles == ["5 errors"]


def test_a_listener_that_hangs_is_given_up_in_time_and_keeps_no_other_channel_waiting(url: str, listener: Listener) -> None:
    put(url, alert("a"))
    with listening() as silent:
        silent.go_on.clear()
        began = time.monotonic()
        outcomes = deliver(url, [silent.channel, listener.channel], UI, seconds=2)
        took = time.monotonic() - began
        assert silent.asked == 1
    assert outcomes[0].error
    assert outcomes[1].error is None
    assert listener.titles == ["a broke"]
    assert took < 30


def test_a_sender_that_waits_for_a_channel_locks_nothing_that_raising_an_alert_needs(url: str, listener: Listener) -> None:
    put(url, alert("a"))
    listener.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(deliver, url, [listener.channel], UI, 60)
        assert listener.came.wait(60)
        put(url, alert("b"))
        assert not sending.done()
        listener.go_on.set()
        sending.result(60)
    deliver(url, [listener.channel], UI)
    assert listener.titles == ["a broke", "b broke"]


def test_a_message_is_not_sent_on_to_another_host(url: str, listener: Listener) -> None:
    with listening() as elsewhere:
        listener.status, listener.location = 307, f"http://127.0.0.1:{elsewhere.port}/"
        put(url, alert("a"))
        [outcome] = deliver(url, [listener.channel], UI)
        assert listener.asked == 1
        assert elsewhere.asked == 0
    assert outcome.error


def test_a_new_channel_is_told_of_the_last_day_and_then_of_all_that_comes(url: str, listener: Listener) -> None:
    put(url, alert("old"), alert("new"))
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update ops.alert set raised_at = now() - interval '2 days' where key = 'old'")
    for _ in range(2):
        deliver(url, [listener.channel], UI)
    put(url, alert("next"))
    deliver(url, [listener.channel], UI)
    assert listener.titles == ["new broke", "next broke"]


def test_an_error_at_one_channel_keeps_none_of_many_others_from_being_sent_to(url: str, listener: Listener) -> None:
    put(url, alert("a"))
    broken, others = Channel("json://\ud800", "ALERT_URLS"), [Channel(f"{listener.url}/{number}", "ALERT_URLS") for number in range(9)]
    listener.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(deliver, url, [broken, *others], UI, 60)
        deadline = time.monotonic() + 120
        while listener.asked < 8:  # as many as are sent to side by side; one is left
            assert time.monotonic() < deadline
            time.sleep(0.01)
        listener.go_on.set()
        with pytest.raises(UnicodeEncodeError):
            sending.result(120)
    assert len(listener.messages) == 9


def test_an_address_that_nobody_knows_is_said_to_be_so() -> None:
    words = Message("a", "b", "info")
    assert "no address that is known" in str(send(Channel("nonsense://secret-token/x", "ALERT_URLS"), words))
    assert send(Channel("", "ADMIN_NOTIFICATION_EMAIL", "mail needs a server"), words) == "mail needs a server"


def test_no_part_of_an_address_that_may_be_secret_is_in_an_error() -> None:
    address = "json://canary-user:canary%20word@127.0.0.1:1/canary-path?+X-Token=canary-header&-k=canary-param"
    said = without_address("canary-user canary%20word canary word /canary-path canary-header canary-param at 127.0.0.1", address)
    assert "canary" not in said
    assert said.endswith("at 127.0.0.1")
