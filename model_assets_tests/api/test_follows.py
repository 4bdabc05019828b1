"""Follows, views and what is popular: each user's own, counted once, and nothing of what a caller may not see."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from model_assets import database
from model_assets.api.views import Views
from model_assets_tests.api.conftest import Api, republish


@contextmanager
def somebody(api: Api, user: str, tier: str = "pro") -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=api.address, headers={"Authorization": f"Bearer {api.token(user, tier)}"}, timeout=60, trust_env=False
    ) as client:
        yield client


def visible(api: Api, tier: str, count: int = 1) -> list[str]:
    """Models that a tier sees."""
    return [model["id"] for model in api.get("/api/v1/models/popular", tier, limit=count)["data"]]


def hide(api: Api, model_id: str) -> None:
    with api.connect() as connection:
        connection.execute(
            "update access.decision set said_status = 'disabled', decided_by = 'test', decided_at = now() where model_id = %s or base_model_id = %s",
            (model_id, model_id),
        )
    republish(api)


def test_each_call_follows_or_leaves_and_what_one_follows_is_nobody_elses(own_api: Api) -> None:
    [model] = visible(own_api, "pro")
    with somebody(own_api, "ann") as ann, somebody(own_api, "bob") as bob:
        assert ann.post(f"/api/v1/models/{model}/follow").json() == {"data": {"model_id": model, "following": True, "followers": 1}}
        assert bob.get(f"/api/v1/models/{model}/follow-status").json()["data"] == {"model_id": model, "following": False, "followers": 1}
        assert bob.get("/api/v1/me/follows").json()["data"] == []
        [mine] = ann.get("/api/v1/me/follows").json()["data"]
        assert (mine["model_id"], mine["followed_at"][-1]) == (model, "Z")
        bob.delete(f"/api/v1/models/{model}/follow")  # nobody's follow but his own ends
        bob.get("/api/v1/me/follows", params={"user_id": "ann"})
        assert ann.get(f"/api/v1/models/{model}/follow-status").json()["data"]["following"] is True
        assert [bob.put(f"/api/v1/models/{model}/follow").json()["data"]["followers"] for _ in range(2)] == [2, 2]
        assert ann.post(f"/api/v1/models/{model}/follow").json()["data"] == {"model_id": model, "following": False, "followers": 1}
        assert ann.get("/api/v1/me/follows", params={"offset": 5}).json()["meta"]["total"] == 0
    assert own_api.client().post(f"/api/v1/models/{model}/follow").status_code == 401
    assert own_api.client().get("/api/v1/me/follows").status_code == 401


def test_toggles_at_once_are_one_after_the_other(own_api: Api) -> None:
    [model] = visible(own_api, "pro")
    with somebody(own_api, "ann") as ann, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ann.post(f"/api/v1/models/{model}/follow").json()["data"]["following"], range(20)))
        assert answers.count(True) == answers.count(False) == 10
        assert ann.get(f"/api/v1/models/{model}/follow-status").json()["data"] == {"model_id": model, "following": False, "followers": 0}


def test_a_model_that_is_hidden_cannot_be_followed_and_is_in_no_list(own_api: Api) -> None:
    first, second = visible(own_api, "pro", 2)
    with somebody(own_api, "ann") as ann:
        for model in (first, second):
            ann.post(f"/api/v1/models/{model}/follow")
        hide(own_api, first)
        for call in (ann.post, ann.put, ann.delete):
            refused = call(f"/api/v1/models/{first}/follow")
            assert refused.status_code == 404
            nothing = call(f"/api/v1/models/{first}-of-nobody/follow")
            assert refused.json()["error"]["message"].replace(first, "x") == nothing.json()["error"]["message"].replace(
                f"{first}-of-nobody", "x"
            )
        mine = ann.get("/api/v1/me/follows").json()
        assert ([one["model_id"] for one in mine["data"]], mine["meta"]["total"]) == ([second], 1)
        popular = ann.get("/api/v1/models/popular", params={"limit": 100}).json()
        assert first not in {one["id"] for one in popular["data"]}
        before = own_api.get("/api/v1/models/popular", "admin")["meta"]["total"]
        assert popular["meta"]["total"] < before


def test_a_page_that_is_read_is_a_view_and_one_that_a_robot_reads_is_none(own_api: Api) -> None:
    [model] = visible(own_api, "pro")
    views = own_api.app.state.parts.views
    with somebody(own_api, "ann") as ann:
        for _ in range(3):
            assert ann.get(f"/api/v1/models/{model}").status_code == 200
        ann.head(f"/api/v1/models/{model}")
        ann.get(f"/api/v1/models/{model}", headers={"User-Agent": "Searchbot/2.1"})
        ann.get(f"/api/v1/models/{model}/prices")
        ann.get("/api/v1/models/lab/nothing")
    views.flush()
    with own_api.connect() as connection:
        assert connection.execute("select day, model_id, views from access.view_count").fetchall() == [(datetime.now(UTC).date(), model, 3)]


def test_what_is_viewed_and_followed_most_is_the_most_popular_and_the_answer_says_by_what(own_api: Api) -> None:
    usual = visible(own_api, "pro", 4)
    viewed, followed = usual[3], usual[2]
    with own_api.connect() as connection:
        connection.execute(
            "insert into access.view_count values (current_date, %s, 100), (current_date - 40, %s, 100000)", (viewed, followed)
        )
        connection.execute("insert into access.follow (user_id, model_id) values ('ann', %s), ('bob', %s)", (followed, followed))
    found = own_api.get("/api/v1/models/popular", "pro", limit=3)
    assert [(one["rank"], one["id"], one["views"], one["follows"]) for one in found["data"][:2]] == [
        (1, viewed, 100, 0),
        (2, followed, 0, 2),
    ]
    assert [one["score"] for one in found["data"][:2]] == ["4.615", "2.197"]  # ln 101; 2 ln 3
    assert found["data"][2]["id"] == usual[0]
    assert (found["meta"]["period"], found["meta"]["days"]) == ("month", 30)
    assert "ln(1 + views)" in found["meta"]["formula"]
    assert own_api.get("/api/v1/models/popular", "pro", period="all")["data"][0]["id"] == followed
    assert own_api.client().get("/api/v1/models/popular", params={"period": "hour"}).status_code == 422


def test_views_are_kept_while_the_database_is_away_and_written_when_it_is_back(own_api: Api, server: str) -> None:
    views: Views = own_api.app.state.parts.views
    name = urlsplit(database.plain(own_api.url)).path.lstrip("/")
    views.flush()
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'alter database "{name}" allow_connections false'.encode())
        try:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            views.count("lab/m")
            views.count("lab/m")
            with pytest.raises(Exception, match="connection"):
                views.flush()
            views.count("lab/m")
            assert list(views.waiting().values()) == [3]
        finally:
            admin.execute(f'alter database "{name}" allow_connections true'.encode())
    try:
        views.flush()
    except DBAPIError:  # one of the connections that died was in the pool
        views.flush()
    with own_api.connect() as connection:
        assert connection.execute("select model_id, views from access.view_count").fetchall() == [("lab/m", 3)]


def test_views_from_several_threads_and_processes_add_up(own_api: Api) -> None:
    parts = own_api.app.state.parts
    counters = [Views(lambda: parts.database.writing("views"), today=lambda: date(2026, 5, 19)) for _ in range(2)]

    def count(views: Views) -> None:
        for number in range(200):
            views.count(f"lab/m{number % 3}")
            if number % 20 == 0:
                views.flush()
        views.flush()

    threads = [threading.Thread(target=count, args=(views,)) for views in counters for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with own_api.connect() as connection:
        assert connection.execute("select sum(views), count(*) from access.view_count").fetchone() == (800, 3)
