"""Webhooks that do not answer, or not well: what becomes of them and of what they were to be sent, and that nobody else is kept waiting."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from model_assets.changes import delivery
from model_assets.database import connect
from model_assets_tests.api.conftest import Api, republish
from model_assets_tests.api.webhooks.world import PATH, due_now, next_day, send, state, subscribe, visible
from model_assets_tests.changes.receiver import Receiver
from model_assets_tests.changes.world import OTHERS, load


def test_one_that_was_down_gets_all_of_it_once_when_it_is_up_again(shop: Api) -> None:
    receiver = Receiver()
    with receiver.up():
        mine = subscribe(shop, receiver)
    before = set(visible(shop, "pro"))
    next_day(shop, 2)
    assert [one.error for one in send(shop)] == [f"it could not be connected to at port {receiver.port} (Connection refused)"]
    assert send(shop) == []  # not before its pause is over
    next_day(shop, 3)
    with receiver.up():
        due_now(shop)
        send(shop)
    republish(shop)
    assert receiver.changes == [one for one in visible(shop, "pro") if one not in before]
    assert (state(shop, mine)["attempts"], state(shop, mine)["failing_since"]) == (0, None)


def test_a_message_that_is_tried_again_has_the_same_id_and_does_not_grow(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    receiver.statuses = [500, 302]
    next_day(shop, 2)
    assert [one.error for one in send(shop)] == ["it answered 500"]
    next_day(shop, 3)
    due_now(shop)
    assert [one.error for one in send(shop)] == ["it answered 302"]  # a redirect leads nowhere
    assert state(shop, mine)["attempts"] == 2
    due_now(shop)
    send(shop)
    assert [len(message["data"]["changes"]) for message in receiver.messages] == [4, 4]
    assert [receiver.ids.count(one) for one in dict.fromkeys(receiver.ids)] == [3, 1]


def test_a_user_who_sees_more_by_the_time_a_message_is_tried_again_misses_nothing_of_it(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver, "free")
    before = set(visible(shop, "enterprise"))
    receiver.statuses = [500]
    for number in (2, 3):
        load(shop.url, number, dict.fromkeys(OTHERS, f"0.000008{number}") | {"a": "0.0000011", "f": f"0.00000{10 + number}"})
    assert [(one.changes, one.error) for one in send(shop)] == [(4, "it answered 500")]
    shop.token("a user of free", "enterprise")
    due_now(shop)
    assert [one.changes for one in send(shop)] == [100, 24]
    republish(shop)
    assert receiver.changes == [one for one in visible(shop, "enterprise") if one not in before]


def test_pauses_grow_and_a_retry_after_is_heeded(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver)
    receiver.statuses = [500] * 3 + [503]
    next_day(shop, 2)
    pauses = []
    for number in range(4):
        receiver.headers = {"Retry-After": "7200"} if number == 3 else {}
        send(shop)
        with shop.connect() as connection:
            pauses.append(connection.execute("select extract(epoch from next_try_at - now()) from ops.webhook").fetchone()[0])
        due_now(shop)
    assert 20 < pauses[0] < 38 < pauses[1] < 76 < pauses[2] < 151
    assert 7100 < pauses[3] <= 7200


@pytest.mark.parametrize("patience", ["99999999999999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_one_that_asks_for_an_enormous_pause_gets_a_day_and_is_ended_where_it_wants_no_more(
    shop: Api, receiver: Receiver, patience: str
) -> None:
    mine = subscribe(shop, receiver)
    receiver.statuses, receiver.headers = [503, 410], {"Retry-After": patience}
    next_day(shop, 2)
    assert [one.error for one in send(shop)] == ["it answered 503"]
    with shop.connect() as connection:
        [pause] = connection.execute("select extract(epoch from next_try_at - now()) from ops.webhook").fetchone()
    assert 86_000 < pause <= 86_400
    due_now(shop)
    send(shop)
    assert (state(shop, mine)["active"], state(shop, mine)["attempts"]) == (False, 2)


def test_the_database_itself_waits_no_longer_than_a_day(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    for wait in (1e20, float("inf"), float("nan")):
        said = {"id": mine, "until": None, "status": 503, "error": "it answered 503", "wait": wait, "gone": False}
        with connect(shop.url) as connection:
            connection.execute(text(delivery.BROKEN), said)
            pause = connection.execute(text("select extract(epoch from next_try_at - now()) from ops.webhook")).scalar_one()
        assert 86_000 < pause < 86_500, wait


def test_an_error_of_ours_at_one_is_a_failure_of_that_one_alone_and_is_in_the_log(
    shop: Api, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    broken = subscribe(shop, receiver, "enterprise")
    subscribe(shop, receiver)
    next_day(shop, 2)
    with shop.connect() as connection:
        connection.execute("delete from ops.webhook_secret where webhook_id = %s", (broken,))
    sent = {str(one.webhook_id): one.error for one in send(shop)}
    assert len(receiver.messages) == 1
    assert sent.pop(broken) == "an error of ours came in between (TypeError)"
    assert set(sent.values()) == {None}
    found = state(shop, broken, "enterprise")
    assert (found["attempts"], found["active"], found["last_error"]) == (1, True, "an error of ours came in between (TypeError)")
    [logged] = [one for one in caplog.messages if broken in one]
    assert "in _try\n" in logged
    assert "its-own-secret" not in caplog.text
    assert send(shop) == []  # not before its pause is over


def test_also_where_a_failure_cannot_be_noted_the_others_are_sent_to_first(
    shop: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SIDE_BY_SIDE", 1)
    with Receiver().up() as slow:
        order = {subscribe(shop, slow, "enterprise"): 3, subscribe(shop, slow, "enterprise"): 2, subscribe(shop, receiver): 1}
        next_day(shop, 2)
        with shop.connect() as connection:
            for webhook, minutes in order.items():
                connection.execute(
                    "update ops.webhook set next_try_at = now() - make_interval(mins => %s) where webhook_id = %s", (minutes, webhook)
                )
            connection.execute(f"alter table ops.webhook add check (webhook_id <> '{next(iter(order))}' or next_try_at < now())")
        slow.go_on.clear()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send, shop)
            assert slow.came.wait(60)
            slow.go_on.set()
            with pytest.raises(IntegrityError):
                sending.result(60)
    assert len(receiver.messages) == 1


def test_one_that_answers_410_is_ended_and_a_replay_begins_it_anew(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    receiver.statuses = [410]
    next_day(shop, 2)
    send(shop)
    assert (state(shop, mine)["active"], state(shop, mine)["ended_because"]) == (False, "the address answered 410: it wants no more")
    due_now(shop)
    assert send(shop) == []
    assert shop.client("pro").post(f"{PATH}/{mine}/replay").json()["active"] is True
    send(shop)
    assert receiver.changes == visible(shop, "pro")


def test_one_that_fails_for_a_week_is_ended_with_the_reason(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    receiver.statuses = [500, 500, 500]
    next_day(shop, 2)
    send(shop)
    due_now(shop, failing_for="6 days")
    send(shop)
    assert state(shop, mine)["active"] is True
    due_now(shop, failing_for="2 days")
    send(shop)
    assert state(shop, mine)["ended_because"] == "nothing arrived for 7 days; at last: it answered 500"


def test_one_that_hangs_keeps_nobody_else_waiting_and_no_transaction_open(shop: Api, receiver: Receiver) -> None:
    with Receiver().up() as slow:
        hanging = subscribe(shop, slow, "enterprise")
        subscribe(shop, receiver)
        slow.go_on.clear()
        next_day(shop, 2)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send, shop, seconds=60)
            deadline = time.monotonic() + 60
            while not (receiver.messages and slow.ids):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            # a lock would be waited for, in vain
            assert shop.client("enterprise").delete(f"{PATH}/{hanging}").status_code == 204
            slow.go_on.set()
            sending.result(60)


def test_one_that_does_not_answer_in_time_is_left_and_tried_again(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver)
    next_day(shop, 2)
    receiver.go_on.clear()
    [late] = send(shop, seconds=0.5)
    assert "time was up" in str(late.error) or "fell silent" in str(late.error)
    receiver.go_on.set()
    due_now(shop)
    assert [one.error for one in send(shop)] == [None]


def test_those_that_work_come_before_those_that_failed_and_nothing_is_begun_when_the_time_is_over(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver)
    next_day(shop, 2)
    assert send(shop, budget=0.0) == []
    with Receiver().up() as bad:
        failing = subscribe(shop, bad, "enterprise")
        shop.client("enterprise").post(f"{PATH}/{failing}/replay")
        with shop.connect() as connection:
            connection.execute(
                "update ops.webhook set attempts = 1, failing_since = now(), next_try_at = now() - interval '1 day' where webhook_id = %s",
                (failing,),
            )
            first = connection.execute(delivery.DUE).fetchone()
    assert str(first[0]) != failing


def test_two_senders_send_a_message_once(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver)
    next_day(shop, 2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(shop), range(4)))
    assert len(receiver.messages) == 1


def test_a_replay_while_a_message_is_under_way_is_not_lost(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    next_day(shop, 2)
    receiver.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, shop)
        deadline = time.monotonic() + 60
        while not receiver.ids:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert shop.client("pro").post(f"{PATH}/{mine}/replay").status_code == 202
        receiver.go_on.set()
        sending.result(60)
    send(shop)
    everything = visible(shop, "pro")
    assert receiver.changes[-len(everything) :] == everything


def test_an_address_that_leads_inside_is_never_connected_to(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    next_day(shop, 2)
    inside = [
        "http://127.0.0.1",
        "http://localhost",
        "https://localhost",
        "https://127.0.0.1",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
    ]
    inside += [
        "https://0x7f000001",
        "https://2130706433",
        "https://169.254.169.254",
        "https://10.0.0.1",
        "file:///etc/passwd",
        "https://0.0.0.0",
    ]
    for address in inside:  # as if its name had led elsewhere when it was named
        with shop.connect() as connection:
            url = address if address.startswith("file") else f"{address}:{receiver.port}/hook"
            connection.execute("update ops.webhook set url = %s, next_try_at = now()", (url,))
        assert [one.error for one in send(shop, allow_loopback=False)] == ["the address leads to no public host"], address
    assert receiver.ids == []
    assert state(shop, mine)["last_error"] == "the address leads to no public host"


def test_the_sensor_sends_what_is_due(shop: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    from model_assets.changes.sensor import webhooks_sent
    from model_assets.database import plain
    from model_assets.resources import Postgres

    subscribe(shop, receiver)
    next_day(shop, 2)
    monkeypatch.setenv("DATABASE_URL", plain(shop.url))
    monkeypatch.setenv("API_WEBHOOK_LOOPBACK", "true")
    with dg.build_sensor_context(resources={"postgres": Postgres()}) as context:
        first, second = webhooks_sent(context), webhooks_sent(context)
    assert (first.skip_message, second.skip_message) == ("4 changes sent, 0 messages failed", "nothing is due")
    assert len(receiver.changes) == 4
    assert httpx.URL(receiver.url).host == "127.0.0.1"
