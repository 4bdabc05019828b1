"""What Pocket AI serves: repositories of Hugging Face, their versions pinned to a revision, and versions that users add."""

import re
from collections.abc import Iterator

import pytest

from model_assets.api import user_versions
from model_assets.api.assets import assets
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.conftest import copy_of
from model_assets_tests.sources.hub_server import repository
from model_assets_tests.sources.test_hub import load
from model_assets_tests.sources.test_huggingface import zipped

OLD, NEW = "a" * 40, "b" * 40
FILES = ["README.md", "m.tflite", "m-int8.tflite", "labels.txt", "tokenizer.json", "vocab.txt", "anchors.csv", "m.litertlm"]


def loaded(url: str) -> None:
    """Load three repositories, one of which has new weights on the second day; one is under the author's own terms, one under copyleft."""
    for day, sha in enumerate((OLD, NEW)):
        siblings = [{"rfilename": file} for file in FILES]
        models = [
            repository("lab/small", sha, siblings=siblings, pipeline_tag="object-detection", library_name="tflite"),
            repository("lab/gemma", OLD, tags=["litert", "license:gemma"], likes=7),
            repository("other/big", OLD, tags=["litert", "license:agpl-3.0"]),
        ]
        weights = {"lab/small": (sha, f"digest {sha}", 3, 1_000), "other/big": (OLD, "d", 1, 9_000_000)}
        assert load(url, zipped(models, weights=weights), day).outcome == "changes"
    settle(url, read_settings({}).model_policy_file)


@pytest.fixture(scope="module")
def pocket(server: str, template: str) -> Iterator[Api]:
    with copy_of(server, template) as url:
        loaded(url)
        with serving(url) as api:
            yield api


def test_repositories_are_listed_with_what_an_app_asks_for(pocket: Api) -> None:
    answered = pocket.client().get("/models")
    found = {model["id"]: model for model in answered.json()}
    assert (list(found), answered.headers["x-total-count"]) == (["lab/gemma", "lab/small", "other/big"], "3")
    small = found["lab/small"]
    assert {key: small[key] for key in ("name", "slug", "task", "library", "license", "sha", "file_size_bytes", "version_count", "author_id")} == {
        "name": "small", "slug": "lab-small", "task": "object-detection", "library": "tflite", "license": "mit", "sha": NEW,
        "file_size_bytes": 1_000, "version_count": 2, "author_id": "hf_sync_system",
    }  # fmt: skip
    assert (small["is_commercial_safe"], small["requires_commercial_warning"]) == (True, False)
    assert (found["other/big"]["is_commercial_safe"], found["other/big"]["requires_commercial_warning"]) == (False, True)
    assert found["lab/gemma"]["file_size_bytes"] is None  # not known is not 0
    assert pocket.get("/models/lab/small") == small


def test_repositories_are_filtered(pocket: Api) -> None:
    for asked, found in (
        ({"task": "object-detection"}, ["lab/small"]),
        ({"licence_class": "safe"}, ["lab/small"]),
        ({"library": "TFLite"}, ["lab/small"]),
        ({"author": "lab", "search": "GEM"}, ["lab/gemma"]),
        ({"max_size_bytes": 2_000}, ["lab/small"]),
        ({"search": "%"}, []),
        ({"skip": 1, "limit": 1}, ["lab/small"]),
    ):
        assert [model["id"] for model in pocket.get("/models", **asked)] == found, asked
    assert pocket.client().get("/models", params={"taks": "object-detection"}).status_code == 422


def test_each_version_points_to_files_of_its_own_revision(pocket: Api) -> None:
    answered = pocket.client().get("/models/lab/small/versions")
    assert answered.headers["vary"] == pocket.client().get("/models").headers["vary"] == "Authorization, Accept"
    first, second = answered.json()
    assert (first["commit_sha"], second["commit_sha"]) == (OLD, NEW)
    at = f"https://huggingface.co/lab/small/resolve/{OLD}"
    assert first["assets"] == {
        "tflite": f"{at}/m.tflite", "litert_lm": f"{at}/m.litertlm", "labels": f"{at}/labels.txt", "tokenizer": f"{at}/tokenizer.json",
        "vocab": f"{at}/vocab.txt", "anchors": f"{at}/anchors.csv",
    }  # fmt: skip
    assert first["asset_files"]["tflite"] == [f"{at}/m.tflite", f"{at}/m-int8.tflite"]
    assert (second["origin"], second["status"], second["author_id"], second["unconfirmed"]) == ("synced", None, "hf_sync_system", False)


def test_a_file_that_leads_out_of_its_repository_is_no_asset_and_a_name_is_written_as_a_part_of_an_address() -> None:
    assert assets("lab/m", OLD, ["../../evil.tflite", "a//b.tflite", "x y?#.tflite", "/abs.tflite"]) == {
        "tflite": [f"https://huggingface.co/lab/m/resolve/{OLD}/x%20y%3F%23.tflite"]
    }
    assert assets("lab/m", None, ["m.tflite"]) == {}


def test_users_add_versions_and_delete_their_own_and_admins_judge_them(pocket: Api) -> None:
    at = "/models/lab/gemma/versions"
    said = {"version": "1.1-int4", "changelog": "smaller", "url": "https://files.test/m.tflite", "sha256": "0" * 64}
    ann, bob, admin = (pocket.client(tier) for tier in ("free", "pro", "admin"))
    made = ann.post(at, json=said)
    assert made.status_code == 201
    version = made.json()
    assert (version["author_id"], version["status"], version["origin"], version["url"]) == (
        "a user of free",
        "pending",
        "user",
        said["url"],
    )
    assert ann.get(at).json()[-1] == admin.get(at).json()[-1] == version
    for_others = bob.get(at).json()[-1]
    assert pocket.client().get(at).json()[-1] == for_others == version | {"author_id": for_others["author_id"]}
    assert re.fullmatch("user-[0-9a-f]{16}", for_others["author_id"])
    assert ann.post(at, json=said).json()["error"]["code"] == "VERSION_EXISTS"
    assert bob.post(at, json=said).status_code == 201
    mine = f"{at}/{version['id']}"
    assert [bob.delete(mine).status_code, pocket.client().delete(mine).status_code] == [403, 401]
    assert [caller.patch(mine, json={"status": "supported"}).status_code for caller in (ann, pocket.client())] == [403, 401]
    assert admin.patch(mine, json={"status": "supported"}).json()["status"] == "supported"
    assert ann.delete(mine).status_code == 204
    assert ann.delete(mine).status_code == 404
    assert [one["author_id"] for one in bob.get(at).json() if one["origin"] == "user"] == ["a user of pro"]
    [another] = [one["author_id"] for one in ann.get(at).json() if one["origin"] == "user"]
    assert another not in ("a user of pro", for_others["author_id"])
    with pocket.connect() as connection:
        audited = connection.execute(
            "select actor, action from access.audit where subject_kind = 'user_version' order by audit_id"
        ).fetchall()
    assert audited == [("a user of admin", "update"), ("a user of free", "delete")]
    [left] = [one["id"] for one in ann.get(at).json() if one["origin"] == "user"]
    assert admin.delete(f"/models/lab/small/versions/{left}").status_code == 404  # of another repository
    assert admin.delete(f"{at}/{left}").status_code == 204


def test_what_a_version_may_not_say_is_refused(pocket: Api) -> None:
    for bad in (
        {"url": "http://files.test/m"}, {"url": "https://user@files.test/m"}, {"url": "https:///m"}, {"url": "javascript:alert(1)"},
        {"url": "https://files.test:x/m"}, {"url": "https://files.test/a b"}, {"sha256": "0" * 63}, {"version": ""}, {"version": "x\0"},
        {"changelog": "x" * 10_001}, {"status": "supported"}, {"author_id": "somebody else"},
    ):  # fmt: skip
        said = {"version": "1", "url": "https://files.test/m", **bad}
        assert pocket.client("free").post("/models/lab/gemma/versions", json=said).status_code == 422, bad


def test_what_was_read_from_hugging_face_is_edited_by_nobody(pocket: Api) -> None:
    for tier, status in ((None, 401), ("pro", 403), ("admin", 403)):
        client = pocket.client(tier)
        assert client.patch("/models/lab/small", json={"name": "mine"}).status_code == status
        assert client.put("/models/lab/small", json={}).status_code == status
        assert client.delete("/models/lab/small").status_code == status
        assert client.delete(f"/models/lab/small/versions/{NEW}").status_code == status
    assert "Hugging Face" in pocket.client("pro").delete("/models/lab/small").json()["error"]["message"]
    nothing = pocket.client("pro").patch("/models/lab/nothing", json={})
    assert (nothing.status_code, nothing.json()["error"]["message"]) == (
        404,
        "There is no repository 'lab/nothing'. GET /models?search=... searches those that are read and that you may see.",
    )
    assert pocket.client("admin").patch("/models/lab/small/versions/99999", json={"status": "pending"}).status_code == 404


def test_a_user_can_not_add_versions_without_end(pocket: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_assets.api.user_versions.MOST", 2)
    client = pocket.client("enterprise")
    answers = [
        client.post("/models/lab/small/versions", json={"version": str(n), "url": "https://files.test/m"}).status_code for n in range(3)
    ]
    assert answers == [201, 201, 409]


def test_the_bounds_of_what_users_add_are_in_the_description(pocket: Api) -> None:
    said = pocket.app.openapi()["paths"]["/models/{model_id}/versions"]
    assert f"the newest {user_versions.MOST_SHOWN}," in said["get"]["description"]
    for bound in (user_versions.MOST, user_versions.MOST_PENDING):
        assert f" {bound} in " in said["post"]["description"]


def test_what_waits_for_an_admin_is_bounded_for_a_user_and_what_is_answered_for_a_repository_with_what_is_supported_first(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_assets.api.user_versions.MOST_PENDING", 2)
    monkeypatch.setattr("model_assets.api.user_versions.MOST_SHOWN", 3)
    loaded(url)
    said = {"version": "1", "url": "https://files.test/m"}
    with serving(url) as api:
        free, admin = api.client("free"), api.client("admin")
        made = [free.post(f"/models/{model}/versions", json=said) for model in ("lab/small", "lab/gemma", "other/big")]
        assert [one.status_code for one in made] == [201, 201, 409]
        assert made[-1].json()["error"]["code"] == "TOO_MANY_VERSIONS"
        judged = admin.patch(f"/models/lab/small/versions/{made[0].json()['id']}", json={"status": "supported"})
        assert judged.status_code == 200
        assert free.post("/models/other/big/versions", json=said).status_code == 201
        with api.connect() as connection:
            connection.execute(
                "insert into access.user_version (hugging_face_id, version, url, user_id)"
                " select 'lab/small', n::text, 'https://files.test/m', 'user ' || n from generate_series(2, 6) as n"
            )
        added = [one for one in api.get("/models/lab/small/versions") if one["origin"] == "user"]
        assert [(one["version_name"], one["status"]) for one in added] == [("1", "supported"), ("5", "pending"), ("6", "pending")]


def test_a_repository_of_a_disabled_model_is_hidden_with_its_versions(url: str) -> None:
    loaded(url)
    with serving(url) as api:
        with api.connect() as connection:
            connection.execute(
                "update history.link set model = 'lab/small', rule = 'exact' where listed_id = 'lab/small' and source = 'huggingface'"
            )
            connection.execute(
                "insert into access.decision (model_id, rule_status, rule_free, rule_pro, rule_enterprise, rule_why, said_status, decided_by, decided_at,"
                " gone, first_seen_at) values ('lab/small', 'active', true, true, true, '{}', 'disabled', 'test', now(), false, now())"
            )
        assert [model["id"] for model in api.get("/models", "enterprise")] == ["lab/gemma", "other/big"]
        assert api.client("pro").get("/models").headers["x-total-count"] == "2"
        client = api.client("pro")
        assert [client.get(path).status_code for path in ("/models/lab/small", "/models/lab/small/versions")] == [404, 404]
        assert client.post("/models/lab/small/versions", json={"version": "1", "url": "https://files.test/m"}).status_code == 404
        assert client.patch("/models/lab/small", json={}).status_code == 404
        assert len(api.get("/models", "admin")) == 3
