"""Users, the audit, the policy, and how the data is doing, for admins."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from model_assets_tests.api.conftest import Api


def test_a_tier_counts_from_the_next_request_on_and_somebody_stays_an_admin(own_api: Api):
    admin, user = own_api.client("admin"), httpx.Client(
        base_url=own_api.address, headers={"Authorization": f"Bearer {own_api.token('some/body')}"}, trust_env=False
    )  # fmt: skip
    with user:
        assert user.get("/api/admin/users").status_code == 403
        given = admin.put("/api/admin/users/some/body", json={"tier": "admin", "why": "helps"}, headers={"X-Request-Id": "given-1234"})
        assert (given.status_code, given.json()["tier"]) == (200, "admin")
        listed = user.get("/api/admin/users", params={"tier": "admin"}).json()
        assert [one["user_id"] for one in listed["data"]] == ["a user of admin", "some/body"]
        # two who take it from each other at once
        with ThreadPoolExecutor(2) as both:
            taken = [(user, "a user of admin"), (admin, "some/body")]
            answers = list(both.map(lambda one: one[0].put(f"/api/admin/users/{one[1]}", json={"tier": "free"}).status_code, taken))
        assert sorted(answers) in ([200, 403], [200, 409])
        left = user if user.get("/api/admin/users").status_code == 200 else admin
        [last] = left.get("/api/admin/users", params={"tier": "admin"}).json()["data"]
        refused = left.put(f"/api/admin/users/{last['user_id']}", json={"tier": "pro"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
        assert left.put("/api/admin/users/ADMIN_KEY", json={"tier": "pro"}).status_code == 422  # that is who has the key, in the audit
        for body in ({"tier": "root"}, {"tier": "pro", "user_id": "x"}, {"tier": "pro", "default_model": "x"}, {}):
            assert left.put("/api/admin/users/x", json=body).status_code == 422
        entries = left.get("/api/admin/audit", params={"subject": "some/body", "request_id": "given-1234"}).json()["data"]
        assert [(one["actor"], one["action"], one["why"], one["after"]["tier"]) for one in entries] == [
            ("a user of admin", "insert", "helps", "admin")
        ]


def test_the_audit_is_read_page_by_page_and_tells_where_it_was_tampered_with(own_api: Api):
    admin = own_api.client("admin")
    pages: list[dict[str, Any]] = []
    cursor: int | None = None
    while cursor is not None or not pages:
        answer = admin.get("/api/admin/audit", params={"limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        pages += answer["data"]
        cursor = answer["meta"]["next_cursor"]
    assert [one["audit_id"] for one in pages] == list(range(len(pages), 0, -1))
    assert admin.get("/api/admin/audit", params={"verify": True}).json()["meta"]["whole"] is True
    with own_api.connect() as connection:
        connection.execute("alter table access.audit disable trigger append_only")
        connection.execute("update access.audit set actor = 'nobody' where audit_id = 5")
    meta = admin.get("/api/admin/audit", params={"verify": True, "limit": 1}).json()["meta"]
    assert (meta["whole"], [one["audit_id"] for one in meta["breaks"]]) == (False, [5])


@pytest.mark.parametrize("form", ["object", "text"])
def test_a_trial_of_a_policy_tells_what_would_change_and_changes_nothing(api: Api, form: str):
    admin = api.client("admin")
    before, decided = admin.get("/api/admin/policy").json(), admin.get("/api/admin/models", params={"limit": 500}).text
    same = admin.post("/api/admin/policy/dry-run", json=before).json()["data"]
    assert [(one["tier"], one["gained"], one["lost"]) for one in same] == [(tier, [], []) for tier in ("free", "pro", "enterprise")]
    wanted = {"object": {"rules": []}, "text": "rules: []  # nobody"}[form]
    found = admin.post("/api/admin/policy/dry-run", json={"policy": wanted}).json()["data"]
    may_use = [
        one for one in admin.get("/api/admin/models", params={"limit": 500}).json()["data"] if one["status"] == "active" and one["is_pro"]
    ]
    assert [one["model_id"] for one in found[1]["lost"]] == [one["model_id"] for one in may_use]
    assert found[1]["lost"][0]["rule"].startswith("rule ")
    assert admin.get("/api/admin/policy").json() == before
    assert admin.get("/api/admin/models", params={"limit": 500}).text == decided


@pytest.mark.parametrize(
    "policy",
    [
        "a: &x [1]\nb: *x",
        "[" * 5000,
        "rules: 7",
        "\x01",
        {"rules": [{"tier": "free", "effect": "allow", "ids": "("}]},
        {"rules": [{"tier": "x"}]},
        "rules: [{tier: pro, effect: allow, ids: m, note: 2026-13-45}]",
        {"rules": [{"tier": "pro", "effect": "allow", "ids": "a{99999999999999999999}"}]},
        {"rules": [{"tier": "pro", "effect": "allow", "ids": "m", "note": "a\0"}]},
        {"rules": [{"tier": "pro", "effect": "allow", "max_input_usd_per_mtok": "1e200000"}]},
        7,
    ],
    ids=lambda policy: str(policy)[:20],
)
def test_a_policy_that_cannot_be_used_is_refused_with_what_is_wrong(api: Api, policy: Any):
    answer = api.client("admin").post("/api/admin/policy/dry-run", json={"policy": policy})
    assert answer.status_code == 422
    if str(policy).startswith("[["):
        assert "nested too deeply" in answer.json()["error"]["message"]


def test_logs_and_statistics_count_what_the_database_holds(api: Api):
    logs = api.get("/api/admin/sync-logs", "admin", limit=500)
    stats = api.get("/api/admin/stats", "admin")
    with api.connect() as connection:
        runs = connection.execute("select run_id::text, source from ops.sync_run as run order by run.run_id desc").fetchall()
        statuses = dict(connection.execute("select status, count(*) from access.model_access group by status").fetchall())
        held = connection.execute("select count(*) from ops.held_change where outcome = 'open' and kind = 'held'").fetchone()[0]  # type: ignore[index]
    assert [(one["id"], one["source"]) for one in logs["data"]] == runs
    assert logs["meta"]["total"] == len(runs)
    of_one = api.get("/api/admin/sync-logs", "admin", source="openrouter", status="succeeded")["data"]
    assert len(of_one) == sum(source == "openrouter" for _, source in runs) > 0
    assert {"id", "started_at", "completed_at", "status", "total_fetched", "total_stored", "error_message", "duration_ms"} <= of_one[
        0
    ].keys()
    assert stats["syncs"]["success_rate_30_days"] == "100.00"
    assert stats["models"]["by_status"] == statuses
    assert stats["waiting"]["held"] == held == len([one for one in api.get("/api/admin/held", "admin")["data"] if one["kind"] == "held"])
    assert {one["source"] for one in stats["sources"]} >= {source for _, source in runs}
    assert api.get("/api/admin/quarantine", "admin", source="openrouter")["data"] == []
