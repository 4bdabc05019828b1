"""Subscribing, sending and looking, as the tests of webhooks do."""

from dataclasses import replace
from typing import Any

from model_assets.changes import delivery
from model_assets.changes.delivery import Sender, deliver
from model_assets_tests.api.conftest import Api
from model_assets_tests.changes.receiver import Receiver
from model_assets_tests.changes.world import load

PATH = "/api/v1/webhooks"


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
