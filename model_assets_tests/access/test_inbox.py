"""What is handed over in SQL goes the way of every other payload."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from model_assets.access.inbox import load_inbox
from model_assets.access.policy import FILE
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.settings import read_settings
from model_assets.upkeep.purge import purge

HAND_OVER = text("select * from access.sync_openrouter_models(cast(:models as jsonb))")


def model(listed_id: str, usd: str = "0.000001") -> dict[str, object]:
    return {"id": listed_id, "name": listed_id, "context_length": 1000, "pricing": {"prompt": usd, "completion": usd}}


def hand_over(url: str, models: object) -> tuple[int, int, str]:
    with connect(url) as connection:
        return tuple(connection.execute(HAND_OVER, {"models": json.dumps(models)}).one())  # type: ignore[return-value]


def test_what_is_handed_over_is_an_observation_like_any_other(url: str) -> None:
    models = [model(f"lab/m-{number}") for number in range(12)]
    inbox_id, count, status = hand_over(url, models)
    assert (count, status) == (12, "queued")
    [row] = load_inbox(url, FILE)
    assert (row["inbox_id"], row["status"], row["models"]) == (inbox_id, "loaded", 12)
    with connect(url) as connection:
        assert connection.execute(text("select source, verdict, listings from ops.observation")).all() == [("openrouter", "accepted", 12)]
        assert connection.execute(text("select count(*) from history.price where amount = 1")).scalar() == 24
        assert connection.execute(text("select count(*) from access.model_access where status = 'active'")).scalar() == 12
        assert connection.execute(text("select source, status, started_by from ops.sync_run")).all() == [
            ("openrouter", "succeeded", f"inbox {inbox_id}")
        ]
    assert load_inbox(url, FILE) == []
    assert hand_over(url, {"data": models})[1:] == (12, "queued")
    [row] = load_inbox(url, FILE)
    assert row["status"] == "loaded"
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from history.listing")).scalar() == 12


def test_a_list_that_lost_most_of_its_models_is_refused_by_the_gate_and_says_so(url: str) -> None:
    hand_over(url, [model(f"lab/m-{number}") for number in range(20)])
    load_inbox(url, FILE)
    hand_over(url, [model("lab/m-1")])
    [row] = load_inbox(url, FILE)
    assert row["status"] == "refused"
    assert "was refused" in str(row["message"])
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from catalog.listing")).scalar() == 20


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (None, "and a null was found"),
        ({"models": []}, "and a object without data was found"),
        ([], "and an empty list was found"),
        ({"data": {}}, "and a object was found"),
        ("x", "and a string was found"),
        ([1], "model 1 has no id"),
        ([model("a"), {"id": ""}], "model 2 has no id"),
        ([{"id": "a"}], r"model 1 \(a\) has no pricing"),
        ([model("a"), model("b"), model("a")], r"model 3 \(a\) is listed twice"),
    ],
)
def test_what_is_no_list_of_models_is_refused_at_once(url: str, models: object, said: str) -> None:
    with pytest.raises(DBAPIError, match=said):
        hand_over(url, models)
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from ops.inbox")).scalar() == 0


def test_what_another_sync_holds_goes_on_waiting(url: str) -> None:
    hand_over(url, [model("lab/m")])
    with connect(url) as connection:
        day = connection.execute(text("select (received_at at time zone 'UTC')::date from ops.inbox")).scalar_one()
    with attempt(url, "openrouter", day, "somebody"):
        assert load_inbox(url, FILE) == []
    assert [row["status"] for row in load_inbox(url, FILE)] == ["loaded"]


def test_what_was_loaded_long_ago_is_purged_and_what_waits_stays(url: str) -> None:
    models = [model(f"lab/m-{number}") for number in range(3)]
    for _ in range(2):
        hand_over(url, models)
        load_inbox(url, FILE)
    waiting, _, _ = hand_over(url, models)
    with connect(url) as connection:
        connection.execute(text("update ops.inbox set received_at = received_at - interval '400 days'"))
        ended = text("update ops.inbox set ended_at = now() - interval '400 days' where inbox_id = (select min(inbox_id) from ops.inbox)")
        connection.execute(ended)
    assert purge(url, None, read_settings({}), dry_run=True).inbox == 1
    assert purge(url, None, read_settings({})).inbox == 1
    with connect(url) as connection:
        assert connection.scalars(text("select inbox_id from ops.inbox order by 1")).all() == [waiting - 1, waiting]
