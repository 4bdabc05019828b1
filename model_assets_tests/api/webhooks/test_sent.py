"""Webhooks: whose they are, what is sent to them, and in which order."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_assets_tests.api.conftest import Api, republish, serving
from model_assets_tests.api.webhooks.world import PATH, next_day, send, state, subscribe, visible
from model_assets_tests.changes.receiver import Receiver
from model_assets_tests.changes.world import load
from model_assets_tests.conftest import copy_of

#: hosts that say themselves that they are in no public network
INSIDE = ("10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.1", "[::1]", "[fd00::1]", "[fe80::1]",
          "localhost", "api.LocalHost.")  # fmt: skip


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
