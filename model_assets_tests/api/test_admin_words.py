"""What admins say of held changes and identities: kept and audited at once, followed by the daemon."""

import dagster as dg
import httpx

from model_assets.people_spoke import people_spoke, settle_job
from model_assets.resources import Postgres
from model_assets_tests.api.conftest import Api


def tick(api: Api, cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
    """(the runs that a tick asks for, its cursor)."""
    context = dg.build_sensor_context(resources={"postgres": Postgres(url=api.url)}, cursor=cursor)
    found = people_spoke.evaluate_tick(context)
    return list(found.run_requests or []), found.cursor


def settle(api: Api) -> None:
    """The run that the daemon starts."""
    job = dg.Definitions(jobs=[settle_job], resources={"postgres": Postgres(url=api.url)}).resolve_job_def("settle")
    assert job.execute_in_process(run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}).success


def test_a_verdict_over_http_is_kept_and_audited_at_once_and_served_after_the_next_run(own_api: Api):
    admin = own_api.client("admin")
    [change] = [one for one in admin.get("/api/admin/held").json()["data"] if one["kind"] == "held"]
    asked, cursor = tick(own_api, None)
    assert asked == []
    word = {"held_id": change["held_id"], "verdict": "release", "why": "the provider says so"}
    answer = admin.post("/api/admin/held", json=word, headers={"X-Request-Id": "released-1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "kept")
    [entry] = admin.get("/api/admin/audit", params={"request_id": "released-1"}).json()["data"]
    assert (entry["subject"], entry["actor"], entry["why"]) == (change["held_id"], "a user of admin", "the provider says so")
    asked, cursor = tick(own_api, cursor)
    assert len(asked) == 1
    settle(own_api)
    assert tick(own_api, cursor)[0] == []
    [after] = [one for one in admin.get("/api/admin/held", params={"all": True}).json()["data"] if one["held_id"] == change["held_id"]]
    assert after["outcome"] == "released"
    for wrong, status in (({"held_id": "none"}, 404), ({"why": " "}, 422), ({"verdict": "believe"}, 422), ({"decided_by": "me"}, 422)):
        assert admin.post("/api/admin/held", json=word | wrong).status_code == status


def test_a_correction_over_http_is_followed_and_can_be_taken_back(own_api: Api):
    admin = own_api.client("admin")

    def unresolved() -> set[str]:
        return {one["listed_id"] for one in admin.get("/api/admin/identity").json()["data"]}

    listed = sorted(unresolved())[0]
    [model, *_] = [
        one["model_id"] for one in admin.get("/api/admin/models", params={"status": "active"}).json()["data"] if ":" not in one["model_id"]
    ]
    word = {"listed_id": listed, "model": model, "always": True, "why": "it is the same"}
    answer = admin.post("/api/admin/identity", json=word)
    assert answer.status_code == 202
    settle(own_api)
    assert listed not in unresolved()
    with own_api.connect() as connection:
        offered = connection.execute("select distinct model from catalog.offer where %s = any(listed_ids)", (listed,)).fetchall()
    assert offered == [(model,)]
    [said] = admin.get("/api/admin/identity", params={"what": "corrections"}).json()["data"]
    assert (said["listed_id"], said["model"], said["decided_by"], said["undone_at"]) == (listed, model, "a user of admin", None)
    undone = admin.delete(f"/api/admin/identity/{answer.json()['id']}", params={"why": "it is not"})
    assert undone.status_code == 202
    settle(own_api)
    assert listed in unresolved()
    assert refused(admin, word) == {"model": 404, "listed_id": 404, "source": 422, "why": 422}
    assert admin.delete(f"/api/admin/identity/{answer.json()['id']}", params={"why": "again"}).status_code == 404
    assert admin.delete(f"/api/admin/identity/{answer.json()['id']}").status_code == 422


def refused(admin: httpx.Client, word: dict[str, object]) -> dict[str, int]:
    """The statuses of words of which one part cannot be."""
    wrong = {"model": "no/such", "listed_id": "no such", "source": "nobody", "why": ""}
    return {name: admin.post("/api/admin/identity", json=word | {name: value}).status_code for name, value in wrong.items()}
