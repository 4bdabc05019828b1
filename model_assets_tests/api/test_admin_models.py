"""Decisions on models over HTTP: listing them, changing one or many, and what others see of it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from model_assets.publishing import FOLLOWS_DECISIONS
from model_assets.sql_models import load_models
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.conftest import copy_of

MODELS = "/api/admin/models"


@pytest.fixture(scope="module")
def api(server: str, bundled: str) -> Iterator[Api]:
    """An API over a database of these tests' own. Each leaves the models that it takes from `model` as they were, but for their versions."""
    with copy_of(server, bundled) as url, serving(url) as api:
        yield api


@pytest.fixture
def admin(api: Api) -> httpx.Client:
    """A client of an admin."""
    return api.client("admin")


@pytest.fixture
def model(admin: httpx.Client) -> Iterator[str]:
    """A model that the tier pro may use, and on which nobody said anything."""
    [found, *_] = admin.get(MODELS, params={"status": "active", "is_pro": True, "decided_by": "policy"}).json()["data"]
    yield found["model_id"]
    body = dict.fromkeys(("status", "is_free", "is_pro", "is_enterprise", "daily_limit", "monthly_limit", "note"))
    assert patch(admin, found["model_id"], body).status_code == 200


def etag(admin: httpx.Client, model: str) -> str:
    return str(admin.get(f"{MODELS}/{model}").headers["etag"])


def patch(admin: httpx.Client, model: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    """Change a model as it is now."""
    return admin.patch(f"{MODELS}/{model}", json=body, headers={"If-Match": etag(admin, model)} | headers)


def audited(api: Api) -> int:
    with api.connect() as connection:
        found: int = connection.execute("select count(*) from access.audit").fetchone()[0]  # type: ignore[index]
        return found


def test_of_two_admins_who_saw_the_same_version_the_second_is_refused_100_of_100_times(api: Api, admin: httpx.Client, model: str):
    other = httpx.Client(base_url=api.address, headers={"Authorization": f"Bearer {api.token('another admin', 'admin')}"}, trust_env=False)
    refused, tag = 0, etag(admin, model)
    with other, ThreadPoolExecutor(2) as both:
        for number in range(100):
            body, headers = {"note": f"trial {number}"}, {"If-Match": tag}
            waiting = [both.submit(one.patch, f"{MODELS}/{model}", json=body, headers=headers) for one in (admin, other)]
            answers = sorted((one.result() for one in waiting), key=lambda answer: answer.status_code)
            refused += [answer.status_code for answer in answers] == [200, 412]
            tag = answers[0].headers["etag"]
    assert refused == 100
    assert tag == etag(admin, model)


def test_a_decision_is_in_the_very_next_answer_to_everybody_else(api: Api, admin: httpx.Client, model: str):
    def seen() -> tuple[int, bool, int, bool]:
        found = api.get("/api/v1/models", "pro", limit=100)
        detail = api.client("pro").get(f"/api/v1/models/{model}").status_code
        ours = api.get("/api/models", "pro")["data"]
        return found["meta"]["total"], model in [one["id"] for one in found["data"]], detail, model in [one["id"] for one in ours]

    before = seen()
    assert before[1:3] == (True, 200)
    assert patch(admin, model, {"status": "disabled", "why": "a trial"}).json()["status"] == "disabled"
    assert seen() == (before[0] - 1, False, 404, False)
    assert patch(admin, model, {"status": None}).json()["decided_by"] == "policy"
    assert seen() == before


def test_what_follows_from_decisions_is_brought_up_to_them(api: Api):
    models = load_models()

    def follows(key: str) -> bool:
        return key == "access.decision" or any(follows(ref) for ref in models[key].refs if ref in models or ref == "access.decision")

    assert {key for key, model in models.items() if model.kind == "table" and follows(key)} == FOLLOWS_DECISIONS.keys()


def test_an_id_that_is_no_canonical_one_is_answered_with_the_nearest(api: Api, admin: httpx.Client, model: str):
    for asked in (model.rpartition("/")[2], f"{model}x", f"somebody/{model.rpartition('/')[2]}"):
        for answer in (admin.get(f"{MODELS}/{asked}"), admin.patch(f"{MODELS}/{asked}", json={"note": "a"}, headers={"If-Match": '"v1"'})):
            said = answer.json()["error"]["message"]
            assert (answer.status_code, said.startswith(f"There is no model '{asked}' to decide on. The nearest are: ")) == (404, True), (
                said
            )
            assert model in said


def test_without_the_version_that_was_seen_nothing_is_changed(api: Api, admin: httpx.Client, model: str):
    before, path = audited(api), f"{MODELS}/{model}"
    seen = ('"v0"', "v1", '"1"', 'W/"v1"', "*")
    statuses = {given: admin.patch(path, json={"status": "disabled"}, headers={"If-Match": given}).status_code for given in seen}
    assert statuses == {'"v0"': 412, "v1": 412, '"1"': 412, 'W/"v1"': 412, "*": 428}
    assert admin.patch(path, json={"status": "disabled"}).status_code == 428
    assert admin.patch(f"{MODELS}/no/such", json={"status": "disabled"}, headers={"If-Match": '"v1"'}).status_code == 404
    assert audited(api) == before


@pytest.mark.parametrize(
    "body",
    [
        {"status": "active", "id": 1}, {"status": "active", "price": "0"}, {"status": "active", "is_admin": True}, {"rule_status": "active"},
        {"status": "active", "decided_by": "policy"}, {"status": "active", "version": 9}, {"gone": False}, {"status": "inactive"}, {"status": "x"},
        {"is_free": 1}, {"is_free": "true"}, {"daily_limit": -1}, {"daily_limit": 1.5}, {"daily_limit": 2**63}, {"daily_limit": 9, "monthly_limit": 8},
        {"note": "\0"}, {"note": "x" * 2001}, {"note": "n", "until": "2020-01-01T00:00:00Z"}, {"note": "n", "until": "2027-01-01T00:00:00"},
        {"note": "n", "until": "9999-12-31T23:59:59-14:00"}, {"why": "nothing"}, {}, [], "active", None,
    ],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_what_cannot_be_said_of_a_model_is_refused_whole(api: Api, admin: httpx.Client, model: str, body: Any):
    before, tag = audited(api), etag(admin, model)
    answer = admin.patch(f"{MODELS}/{model}", json=body, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert (audited(api), etag(admin, model)) == (before, tag)


def test_of_500_changes_one_wrong_one_lets_none_be_made_and_each_that_is_made_is_audited(api: Api, admin: httpx.Client):
    with api.connect() as connection:
        connection.execute(
            "insert into access.decision (model_id, rule_status, rule_free, rule_pro, rule_enterprise, rule_why, gone, first_seen_at)"
            " select 'many/' || number, 'active', false, false, false, '{}', false, now() from generate_series(1, 500) as number"
        )
    updates: list[dict[str, Any]] = [{"model_id": f"many/{number}", "version": 1, "is_pro": True} for number in range(1, 501)]
    before = audited(api)
    for wrong, status, code in (
        ({"model_id": "many/77", "version": 2, "is_pro": True}, 412, "version_conflict"),
        ({"model_id": "many/none", "version": 1, "is_pro": True}, 404, "unknown_model"),
        ({"model_id": "many/78", "version": 1, "is_pro": True}, 422, "named_twice"),
        ({"model_id": "many/77", "version": 1}, 422, "bad_value"),
    ):
        answer = admin.patch(MODELS, json={"updates": [*updates[:76], wrong, *updates[77:]]})
        assert answer.status_code == status
        assert [one["code"] for one in answer.json()["error"]["details"]] == [code]
        assert audited(api) == before
    made = admin.patch(MODELS, json={"updates": updates, "why": "they pay"}, headers={"X-Request-Id": "bulk-of-500"})
    assert {one["version"] for one in made.json()["data"]} == {2}
    assert [one["model_id"] for one in made.json()["data"]] == [one["model_id"] for one in updates]
    with api.connect() as connection:
        rows = connection.execute(
            "select count(*), count(distinct subject) from access.audit where audit_id > %s and actor = 'a user of admin' and why = 'they pay'"
            " and request_id = 'bulk-of-500' and after ->> 'said_pro' = 'true'",
            (before,),
        ).fetchone()
        connection.execute("delete from access.decision where model_id like 'many/%'")
    assert rows == (500, 500)


def test_more_than_500_changes_are_refused(admin: httpx.Client):
    row = {"model_id": "a/b", "version": 1, "status": "active"}
    assert admin.patch(MODELS, json={"updates": [row] * 501}).status_code == 422
    assert admin.patch(MODELS, json={"updates": [row | {"note": "x" * 50}] * 10_000}).status_code == 413


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"status": "new"}, lambda one: one["status"] == "new"),
        ({"is_free": True}, lambda one: one["is_free"]),
        ({"is_enterprise": False}, lambda one: not one["is_enterprise"]),
        ({"provider": "openrouter", "is_pro": True}, lambda one: "openrouter" in one["providers"] and one["is_pro"]),
        ({"author": "anthropic"}, lambda one: one["author"] == "anthropic"),
        ({"decided_by": "nobody"}, lambda one: False),
        ({"q": "CLAUDE  anthropic"}, lambda one: "claude" in one["model_id"]),
        ({"q": "%"}, lambda one: False),
    ],
    ids=lambda given: str(given) if isinstance(given, dict) else "-",
)
def test_a_filter_finds_what_it_says(admin: httpx.Client, asked: dict[str, Any], fits: Any):
    everything = admin.get(MODELS, params={"limit": 500}).json()
    assert everything["meta"]["total"] == len(everything["data"]) > 50
    found = admin.get(MODELS, params=asked | {"limit": 500}).json()
    assert [one["model_id"] for one in found["data"]] == [one["model_id"] for one in everything["data"] if fits(one)]
    assert found["meta"]["total"] == len(found["data"])


@pytest.mark.parametrize("sort", ["model_id", "-model_id", "name", "first_seen_at", "-first_seen_at", "decided_at", "-decided_at"])
def test_pages_hold_every_decision_once(admin: httpx.Client, sort: str):
    pages = [admin.get(MODELS, params={"sort": sort, "limit": 20, "offset": offset}).json() for offset in range(0, 100, 20)]
    ids = [one["model_id"] for page in pages for one in page["data"]]
    assert len(ids) == len(set(ids)) == pages[0]["meta"]["total"] == pages[-1]["meta"]["total"]


def test_the_old_address_lists_and_changes_with_the_fields_that_its_scripts_read(api: Api, admin: httpx.Client, model: str):
    address = "/api/admin/model-access"
    listed = admin.get(address, params={"status": "active", "limit": 3}).json()
    assert (listed["success"], len(listed["items"])) == (True, 3)
    statuses = ("new", "active", "disabled", "inactive")
    counts = [admin.get(address, params={"status": status, "limit": 1}).json()["filteredCount"] for status in statuses]
    assert listed["totalCount"] == sum(counts)
    assert listed["filteredCount"] == counts[1] > 3
    assert listed["items"][0].keys() == {
        "model_id", "canonical_slug", "model_name", "status", "is_free", "is_pro", "is_enterprise", "context_length", "last_synced_at",
        "updated_at", "created_at",
    }  # fmt: skip
    assert admin.get(address, params={"meta": "statuses"}).json() == {
        "success": True,
        "statuses": ["active", "disabled", "inactive", "new"],
    }
    before = audited(api)
    wrong = admin.patch(address, json={"updates": [{"model_id": model, "is_free": True}, {"model_id": "no/such", "is_free": True}]})
    assert (wrong.status_code, wrong.json()["success"]) == (400, False)
    assert [one["success"] for one in wrong.json()["results"]] == [False, False]
    assert "no/such" in wrong.json()["results"][1]["error"]
    assert audited(api) == before
    right = admin.patch(address, json={"updates": [{"model_id": model, "is_free": True}]})
    assert (right.status_code, right.json()) == (200, {"success": True, "results": [{"model_id": model, "success": True}]})
    assert admin.get(f"{MODELS}/{model}").json()["said"] == {"status": None, "is_free": True, "is_pro": None, "is_enterprise": None}
    assert admin.patch(address, json={"updates": [{"model_id": model, "is_free": True, "price": 0}]}).status_code == 422


def test_while_somebody_publishes_those_who_decide_leave_connections_to_who_decides_nothing(api: Api, admin: httpx.Client, model: str):
    tag, reader = etag(admin, model), api.client("pro")

    def decide(number: int) -> httpx.Response:
        with httpx.Client(base_url=api.address, headers=admin.headers, timeout=60, trust_env=False) as own:
            if number % 2:
                return own.patch(f"{MODELS}/{model}", json={"note": f"trial {number}"}, headers={"If-Match": tag})
            return own.put("/api/admin/users/somebody", json={"tier": "pro"})

    with api.connect() as holder, ThreadPoolExecutor(6) as several:
        holder.execute("select pg_advisory_xact_lock(hashtext('model_assets.publish')), access.hold_audit()")
        waiting = [several.submit(decide, number) for number in range(6)]
        refused = []
        deadline = time.monotonic() + 60
        while not (refused := [one.result() for one in waiting if one.done()]):
            assert time.monotonic() < deadline, "nobody was told to come again"
            assert api.client("admin").get("/api/admin/audit?limit=1").status_code == 200
        assert {(one.status_code, one.headers["retry-after"]) for one in refused} == {(503, "2")}
        assert reader.get("/api/v1/webhooks").status_code == 200
        holder.rollback()
        assert {one.result().status_code for one in waiting} <= {200, 412, 503}
