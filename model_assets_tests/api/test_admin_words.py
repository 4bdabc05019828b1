"""What admins say of held changes and identities: kept and audited at once, followed by the daemon; and what is written by hand."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest

from model_assets import people_spoke as sensors
from model_assets.people_spoke import people_spoke, settle_job
from model_assets.resources import Postgres
from model_assets_tests.api.conftest import Api


def tick(api: Api, daemon: dg.DagsterInstance, cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
    """(the runs that a tick asks for, its cursor)."""
    with dg.build_sensor_context(instance=daemon, resources={"postgres": Postgres(url=api.url)}, cursor=cursor) as context:
        found = people_spoke.evaluate_tick(context)
    return list(found.run_requests or []), found.cursor


def settle(api: Api, daemon: dg.DagsterInstance) -> bool:
    """The run that the daemon starts. Whether it succeeded."""
    job = dg.Definitions(jobs=[settle_job], resources={"postgres": Postgres(url=api.url)}).resolve_job_def("settle")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(run_config=quiet, instance=daemon, raise_on_error=False).success


def test_a_verdict_over_http_is_kept_and_audited_at_once_and_served_after_the_next_run(own_api: Api, daemon: dg.DagsterInstance):
    admin = own_api.client("admin")
    [change] = [one for one in admin.get("/api/admin/held").json()["data"] if one["kind"] == "held"]
    asked, cursor = tick(own_api, daemon, None)
    assert asked == []
    word = {"held_id": change["held_id"], "verdict": "release", "why": "the provider says so"}
    answer = admin.post("/api/admin/held", json=word, headers={"X-Request-Id": "released-1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "kept")
    [entry] = admin.get("/api/admin/audit", params={"request_id": "released-1"}).json()["data"]
    assert (entry["subject"], entry["actor"], entry["why"]) == (change["held_id"], "a user of admin", "the provider says so")
    asked, cursor = tick(own_api, daemon, cursor)
    assert len(asked) == 1
    assert settle(own_api, daemon)
    assert tick(own_api, daemon, cursor)[0] == []
    [after] = [one for one in admin.get("/api/admin/held", params={"all": True}).json()["data"] if one["held_id"] == change["held_id"]]
    assert after["outcome"] == "released"
    for wrong, status in (({"held_id": "none"}, 404), ({"why": " "}, 422), ({"verdict": "believe"}, 422), ({"decided_by": "me"}, 422)):
        assert admin.post("/api/admin/held", json=word | wrong).status_code == status


def test_a_correction_over_http_is_followed_and_can_be_taken_back(own_api: Api, daemon: dg.DagsterInstance):
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
    assert settle(own_api, daemon)
    assert listed not in unresolved()
    with own_api.connect() as connection:
        offered = connection.execute("select distinct model from catalog.offer where %s = any(listed_ids)", (listed,)).fetchall()
    assert offered == [(model,)]
    [said] = admin.get("/api/admin/identity", params={"what": "corrections"}).json()["data"]
    assert (said["listed_id"], said["model"], said["decided_by"], said["undone_at"]) == (listed, model, "a user of admin", None)
    undone = admin.delete(f"/api/admin/identity/{answer.json()['id']}", params={"why": "it is not"})
    assert undone.status_code == 202
    assert settle(own_api, daemon)
    assert listed in unresolved()
    assert refused(admin, word) == {"model": 404, "listed_id": 404, "source": 422, "why": 422}
    assert admin.delete(f"/api/admin/identity/{answer.json()['id']}", params={"why": "again"}).status_code == 404
    assert admin.delete(f"/api/admin/identity/{answer.json()['id']}").status_code == 422


def refused(admin: httpx.Client, word: dict[str, object]) -> dict[str, int]:
    """The statuses of words of which one part cannot be."""
    wrong = {"model": "no/such", "listed_id": "no such", "source": "nobody", "why": ""}
    return {name: admin.post("/api/admin/identity", json=word | {name: value}).status_code for name, value in wrong.items()}


# --- what is written by hand -------------------------------------------------------------------------------------------------------------


def marks(api: Api) -> list[str]:
    """What was written since the tables were published last."""
    with api.connect() as connection:
        return [relation for (relation,) in connection.execute("select relation from ops.move order by move_id")]


#: how a decision is written by hand, and whether the tier pro sees the model then: one that is deleted is made anew, as the policy says
BY_HAND = {
    "update": ("update access.decision set said_status = 'disabled', decided_by = 'ann', decided_at = now() where model_id = %s", False),
    "delete": ("delete from access.decision where model_id = %s", True),
}


@pytest.mark.parametrize("event", list(BY_HAND))
def test_a_decision_that_is_written_by_hand_is_followed_by_the_daemon(own_api: Api, daemon: dg.DagsterInstance, event: str):
    _, cursor = tick(own_api, daemon, None)
    [model, *_] = [one["id"] for one in own_api.get("/api/v1/models", "pro")["data"]]
    statement, seen = BY_HAND[event]
    with own_api.connect() as connection:
        connection.execute(statement, (model,))
    assert marks(own_api) == ["access.decision"]
    asked, cursor = tick(own_api, daemon, cursor)
    assert len(asked) == 1
    assert settle(own_api, daemon)
    assert (marks(own_api), tick(own_api, daemon, cursor)[0]) == ([], [])
    with own_api.connect() as connection:
        served = "select card.visible_pro from catalog.model_card as card join access.decision using (model_id) where model_id = %s"
        assert connection.execute(served, (model,)).fetchone() == (seen,)


def test_what_is_said_over_http_is_published_by_itself_and_marks_nothing_for_others(own_api: Api):
    admin = own_api.client("admin")
    [row, *_] = admin.get("/api/admin/models", params={"status": "active"}).json()["data"]
    said = {"status": "disabled", "why": "a test"}
    answer = admin.patch(f"/api/admin/models/{row['model_id']}", json=said, headers={"If-Match": f'"v{row["version"]}"'})
    assert (answer.status_code, marks(own_api)) == (200, [])


def test_where_the_run_fails_another_one_is_asked_for_after_a_while_until_one_succeeds(
    own_api: Api, daemon: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with own_api.connect() as connection:
        connection.execute("update access.decision set note = 'by hand', decided_by = 'ann', decided_at = now()")
    asked, cursor = tick(own_api, daemon, None)
    (tmp_path / "broken.yml").write_text("rules: none", encoding="utf-8")
    monkeypatch.setenv("MODEL_POLICY_FILE", str(tmp_path / "broken.yml"))
    assert not settle(own_api, daemon)
    assert tick(own_api, daemon, cursor)[0] == []  # it failed just now
    monkeypatch.setattr(sensors, "AGAIN_AFTER", timedelta(0))
    again, cursor = tick(own_api, daemon, cursor)
    assert len({one.run_key for one in (*asked, *again)}) == 2
    assert tick(own_api, daemon, cursor)[0][0].run_key == again[0].run_key  # one run for each that failed
    assert not settle(own_api, daemon)
    assert tick(own_api, daemon, cursor)[0][0].run_key != again[0].run_key
    monkeypatch.delenv("MODEL_POLICY_FILE")
    assert settle(own_api, daemon)
    assert (marks(own_api), tick(own_api, daemon, cursor)[0]) == ([], [])
