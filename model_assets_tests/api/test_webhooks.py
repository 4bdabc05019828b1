"""Webhooks: whose they are, what is sent to them, in which order, and what becomes of those that do not answer."""

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from model_assets.changes import delivery
from model_assets.changes.delivery import Sender, deliver
from model_assets.database import connect
from model_assets_tests.api.conftest import Api, republish, serving
from model_assets_tests.api.test_changes import free_for_all
from model_assets_tests.changes.receiver import Receiver
from model_assets_tests.changes.world import OTHERS, load
from model_assets_tests.conftest import copy_of

PATH = "/api/v1/webhooks"
#: hosts that say themselves that they are in no public network
INSIDE = ("10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.1", "[::1]", "[fd00::1]", "[fe80::1]",
          "localhost", "api.LocalHost.")  # fmt: skip


@pytest.fixture
def shop(server: str, template: str) -> Iterator[Api]:
    """`f` is for everybody, `a` for who pays; both changed their price on the second day."""
    with copy_of(server, template) as url:
        for number in range(2):
            usd = f"0.00000{10 + number}"
            load(url, number, {"a": usd, "f": usd}, published=number == 1)
        with serving(url, API_WEBHOOK_LOOPBACK="true") as api:
            free_for_all(api, "f")
            yield api


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().up() as found:
        yield found


def next_day(api: Api, number: int) -> None:
    usd = f"0.00000{10 + number}"
    load(api.url, number, {"a": usd, "f": usd})


def subscribe(api: Api, receiver: Receiver, tier: str = "pro", **more: Any) -> str:
    answer = api.client(tier).post(PATH, json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    receiver.secret = answer.json()["secret"]
    return str(answer.json()["webhook_id"])


def send(api: Api, **more: Any) -> list[delivery.Sent]:
    return deliver(replace(Sender(api.url, allow_loopback=True), **more))


def due_now(api: Api, failing_for: str = "0") -> None:
    """As if the pause were over, and sending failed since so long."""
    with api.connect() as connection:
        connection.execute(
            "update ops.webhook set next_try_at = now(), failing_since = failing_since - cast(%s as interval)", (failing_for,)
        )


def state(api: Api, webhook: str, tier: str = "pro") -> dict[str, Any]:
    return api.get(f"{PATH}/{webhook}", tier)  # type: ignore[no-any-return]


def visible(api: Api, tier: str) -> list[str]:
    return [one["id"] for one in api.get("/api/v1/changes", tier, limit=500)["changes"]]


# --- whose they are ---------------------------------------------------------------------------------------------------------------------


def test_a_webhook_is_its_users_own_and_anothers_is_as_if_there_were_none(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    other = shop.client("enterprise")
    assert other.get(PATH).json() == {"webhooks": []}
    missing = other.get(f"{PATH}/{uuid.uuid4()}")
    for answer in (other.get(f"{PATH}/{mine}"), other.delete(f"{PATH}/{mine}"), other.post(f"{PATH}/{mine}/replay")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, missing.json()["error"]["code"])
    assert [one["webhook_id"] for one in shop.get(PATH, "pro")["webhooks"]] == [mine]
    assert shop.client("pro").delete(f"{PATH}/{mine}").status_code == 204
    assert shop.get(PATH, "pro") == {"webhooks": []}


def test_without_a_token_there_are_no_webhooks(shop: Api) -> None:
    client, one = shop.client(), f"{PATH}/{uuid.uuid4()}"
    answers = [
        client.get(PATH),
        client.post(PATH, json={"url": "https://x.test"}),
        client.get(one),
        client.delete(one),
        client.post(f"{one}/replay"),
    ]
    assert {answer.status_code for answer in answers} == {401}


def test_the_secret_is_told_once_and_is_in_no_log(shop: Api, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    mine = subscribe(shop, receiver)
    receiver.statuses = [500]
    next_day(shop, 2)
    [failed] = send(shop)
    said = json.dumps([state(shop, mine), shop.get(PATH, "pro")]) + caplog.text + str(failed)
    assert receiver.secret not in said
    assert "its-own-secret" not in caplog.text + str(failed)
    with shop.connect() as connection:
        for role in ("model_assets_reader", "model_assets_writer"):
            asked = "select has_table_privilege(%s, 'ops.webhook_secret', 'select')"
            assert connection.execute(asked, (role,)).fetchone() == (False,)


def test_what_cannot_be_sent_to_is_refused_when_it_is_named(server: str, template: str) -> None:
    with copy_of(server, template) as url, serving(url) as api:
        for odd in (
            "http://example.com/hook", "ftp://example.com", "file:///etc/passwd", "https://user:word@example.com", "https://2130706433/", "https://0x7f.1/",
            "https://[::ffff:127.0.0.1]/", "http://127.0.0.1:1/", "not a url", "https://", "javascript:alert(1)",
        ):  # fmt: skip
            answer = api.client("pro").post(PATH, json={"url": odd})
            assert answer.status_code == 422, odd
        for inside in INSIDE:
            answer = api.client("pro").post(PATH, json={"url": f"https://{inside}/hook"})
            assert answer.status_code == 422, inside
            assert answer.json()["error"]["message"].endswith("which is no public host. Use an https URL of a public host."), inside
        for outside in ("https://8.8.8.8/hook", "https://hooks.example.com/models", "https://[2606:4700::1111]/hook"):
            assert api.client("pro").post(PATH, json={"url": outside}).status_code == 201, outside
        assert api.client("pro").post(PATH, json={"url": "https://example.com", "types": ["odd"]}).status_code == 400
        assert api.client("pro").post(PATH, json={"url": "https://example.com", "types": []}).status_code == 422
        assert api.client("pro").post(PATH, json={"url": "https://example.com", "from_cursor": "odd"}).status_code == 400
        assert api.client("pro").post(PATH, json={"url": "https://example.com", "secret": "mine"}).status_code == 422


def test_this_machine_may_be_named_where_that_is_allowed_and_the_network_around_it_not(shop: Api) -> None:
    said = {
        url: shop.client("pro").post(PATH, json={"url": url}).status_code
        for url in ("http://127.0.0.1:9/", "http://localhost:9/", "https://[::1]:9/")
    }
    assert set(said.values()) == {201}, said
    for inside in ("http://10.0.0.1", "https://192.168.1.1", "https://169.254.169.254", "http://8.8.8.8"):
        assert shop.client("pro").post(PATH, json={"url": inside}).status_code == 422, inside


def test_a_user_has_at_most_ten_also_when_they_are_made_at_once(shop: Api) -> None:
    client = shop.client("pro")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.post(PATH, json={"url": f"https://example.com/{number}"}).status_code, range(14)))
    assert sorted(answers) == [201] * 10 + [422] * 4


# --- what is sent -----------------------------------------------------------------------------------------------------------------------


def test_what_comes_is_sent_once_in_order_and_signed(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver)
    before = set(visible(shop, "pro"))
    assert send(shop) == []  # only what comes from now on
    for number in (2, 3):
        next_day(shop, number)
        assert [one.error for one in send(shop)] == [None]
    republish(shop)
    assert receiver.changes == [one for one in visible(shop, "pro") if one not in before]
    assert len(receiver.changes) == 8
    assert receiver.forged == 0
    assert send(shop) == []


def test_a_user_is_sent_what_their_tier_sees_at_that_moment(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver, "free")
    next_day(shop, 2)
    send(shop)
    republish(shop)
    [f_only] = {one["model_id"] for message in receiver.messages for one in message["data"]["changes"]}
    assert f_only.endswith("/f")
    shop.token("a user of free", "pro")
    next_day(shop, 3)
    send(shop)
    assert len({one["model_id"] for one in receiver.messages[-1]["data"]["changes"]}) == 2


def test_only_the_types_that_were_asked_for_are_sent(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver, "admin", types=["model_added"])
    load(shop.url, 2, {"a": "0.000012", "f": "0.000012", "new": "0.000001"})
    send(shop)
    assert [one["type"] for message in receiver.messages for one in message["data"]["changes"]] == ["model_added"]
    assert state(shop, mine, "admin")["attempts"] == 0


def test_a_long_backlog_goes_in_messages_of_a_hundred_whose_cursors_lead_on(shop: Api, receiver: Receiver) -> None:
    subscribe(shop, receiver, "admin")
    load(shop.url, 2, {"a": "0.000012", "f": "0.000012"} | {f"new-{number}": "0.000001" for number in range(120)})
    send(shop)
    republish(shop)
    assert [len(message["data"]["changes"]) for message in receiver.messages] == [100, 100, 44]
    rest = shop.get("/api/v1/changes", "admin", limit=500, cursor=receiver.messages[0]["data"]["cursor"])["changes"]
    assert [one["id"] for one in rest] == receiver.changes[100:]


def test_a_replay_sends_all_after_a_cursor_again_under_new_ids(shop: Api, receiver: Receiver) -> None:
    mine = subscribe(shop, receiver)
    next_day(shop, 2)
    send(shop)
    first = list(receiver.changes)
    everything = shop.get("/api/v1/changes", "pro", limit=500)["changes"]
    after = shop.get("/api/v1/changes", "pro", limit=2)["next_cursor"]
    assert shop.client("pro").post(f"{PATH}/{mine}/replay", params={"from_cursor": after}).status_code == 202
    send(shop)
    assert receiver.changes[len(first) :] == [one["id"] for one in everything[2:]]
    assert shop.client("pro").post(f"{PATH}/{mine}/replay").status_code == 202
    send(shop)
    assert receiver.changes[-len(everything) :] == [one["id"] for one in everything]
    assert len(set(receiver.ids)) == len(receiver.ids) == 3
    assert shop.client("pro").post(f"{PATH}/{mine}/replay", params={"from_cursor": "odd"}).status_code == 400


# --- who does not answer ----------------------------------------------------------------------------------------------------------------


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
