"""`GET /api/models`: what a tier may use, in OpenRouter's shape; the recorded payload is the measure. And where it comes from before a sync."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from model_assets import loading, recording_files
from model_assets.api.fallback import Fallback
from model_assets.fetching.http import Policy
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES
from model_assets_tests.api.conftest import Api, republish, serving
from model_assets_tests.fetching import misbehaving
from model_assets_tests.fetching.misbehaving import answer
from model_assets_tests.shared_data import SHARED, body, needs_recordings, recordings

QUICK = Policy(attempts=1, connect_timeout=2, read_timeout=5, body_deadline=10, total_deadline=10, allow_loopback=True)
TIERS = ("free", "pro", "enterprise", "admin")


def ids(api: Api, tier: str | None, **parameters: str) -> list[str]:
    return [model["id"] for model in api.get("/api/models", tier, **parameters)["data"]]


@pytest.fixture
def of_a_payload(url: str) -> Iterator[tuple[Api, dict[str, Any]]]:
    """An API over one recorded payload of OpenRouter, with the payload's models by id."""
    newest = recordings("openrouter")[-1]
    found = [one for one in recording_files.find(SHARED / "recordings" / "openrouter", SOURCES).recordings if one.path == newest]
    assert [report.errors for report in loading.import_recordings(url, found, lambda _: None)] == [[]]
    settle(url, read_settings({}).model_policy_file)
    with serving(url) as api:
        yield api, {model["id"]: model for model in json.loads(body(newest))["data"]}


def amounts(quoted: dict[str, Any]) -> dict[str, Any]:
    """What a price list says: numbers by key; an optional 0 says no more than a key that is not there."""
    found = {key: Decimal(value) if isinstance(value, str) else value for key, value in quoted.items() if key != "overrides"}
    return {key: value for key, value in found.items() if value or key in ("prompt", "completion")}


def overrides(quoted: dict[str, Any]) -> list[str]:
    return sorted(str(sorted(amounts(one).items())) for one in quoted.get("overrides", []))


@needs_recordings
def test_the_list_has_what_the_recorded_payload_has_to_the_last_digit(of_a_payload: tuple[Api, dict[str, Any]]) -> None:
    api, payload = of_a_payload
    answered = api.client("admin").get("/api/models")
    found = {model["id"]: model for model in answered.json()["data"]}
    assert answered.headers["x-models-source"] == "database"
    assert int(answered.headers["x-models-count"]) == len(found) == len(payload) > 400
    for id, theirs in payload.items():
        ours = found[id]
        assert amounts(ours["pricing"]) == amounts(theirs["pricing"]), id
        assert overrides(ours["pricing"]) == overrides(theirs["pricing"]), id
        assert all("e" not in value.lower() for value in ours["pricing"].values() if isinstance(value, str)), id
        same = (
            "canonical_slug",
            "created",
            "description",
            "context_length",
            "knowledge_cutoff",
            "per_request_limits",
            "supported_parameters",
        )
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}, id
        assert ours["architecture"]["modality"] == theirs["architecture"]["modality"], id
        assert (ours["name"], ours["hugging_face_id"]) == (theirs["name"].strip(), theirs["hugging_face_id"] or None), id
        assert ours["top_provider"]["max_completion_tokens"] == theirs["top_provider"]["max_completion_tokens"], id
        assert ours["top_provider"]["is_moderated"] == theirs["top_provider"]["is_moderated"], id
    assert [model["created"] for model in answered.json()["data"]] == sorted((one["created"] for one in payload.values()), reverse=True)


def test_a_tier_lists_what_a_check_of_its_users_allows_at_openrouter_and_not_what_is_free_elsewhere(own_api: Api) -> None:
    api = own_api
    paid = next(model for model in api.get("/api/models", "pro", enhanced="true")["data"] if not model["access"]["is_free"])
    with api.connect() as connection:
        connection.execute(
            "insert into access.offer_access (offer, provider, model_id, listed, state, is_free, is_pro, is_enterprise, why)"
            " values ('elsewhere:m', 'elsewhere', %s, true, 'free', true, true, true, '{}')",
            (paid["access"]["model_id"],),
        )
        connection.execute("update access.decision set rule_free = true where model_id = %s", (paid["access"]["model_id"],))
    listed = {tier: set(ids(api, tier)) for tier in TIERS}
    assert ids(api, None) == ids(api, "free")
    with api.connect() as connection:
        every = [id for (id,) in connection.execute("select listed_id from catalog.listing where source = 'openrouter'").fetchall()]
        query = "select id, allowed from unnest(%s::text[]) as id, access.can_user_use_model(%s, id, %s)"
        for tier in TIERS:
            checked = connection.execute(query, (every, f"a user of {tier}", "openrouter")).fetchall()
            assert {id for id, allowed in checked if allowed} == listed[tier], tier
        anywhere = {id for id, allowed in connection.execute(query, (every, "a user of free", None)).fetchall() if allowed}
    assert anywhere - listed["free"] == {paid["id"]}
    assert listed["free"] < listed["pro"] < listed["enterprise"] < listed["admin"]


def test_a_model_that_is_disabled_is_gone_from_the_list_for_all_but_admins(own_api: Api) -> None:
    before = ids(own_api, "pro")
    gone = next(model for model in own_api.get("/api/models", "pro", enhanced="true")["data"] if ":" not in model["id"])
    assert gone["access"]["status"] == "active"
    with own_api.connect() as connection:
        connection.execute(
            "update access.decision set said_status = 'disabled', decided_by = 'test', decided_at = now() where model_id = %s",
            (gone["access"]["model_id"],),
        )
    republish(own_api)
    left = set(before) - set(ids(own_api, "pro"))
    assert gone["id"] in left
    assert left <= {id for id in before if id.partition(":")[0] == gone["id"]} | {gone["id"]}
    assert gone["id"] in ids(own_api, "admin")


def test_the_users_default_model_comes_first_and_for_nobody_else(own_api: Api) -> None:
    usual = ids(own_api, "pro")
    default = usual[3]
    headers = {"Authorization": f"Bearer {own_api.token('one with a default', 'pro')}"}
    with own_api.connect() as connection:
        connection.execute("update access.profile set default_model = %s where user_id = 'one with a default'", (default,))
    client = own_api.client()
    mine = client.get("/api/models", headers=headers)
    assert [one["id"] for one in mine.json()["data"]] == [default, *usual[:3], *usual[4:]]
    assert ids(own_api, "pro") == usual
    theirs = own_api.client("pro").get("/api/models")
    assert theirs.headers["etag"] != mine.headers["etag"]
    assert client.get("/api/models", headers={**headers, "If-None-Match": mine.headers["etag"]}).status_code == 304
    assert client.get("/api/models", headers={**headers, "If-None-Match": theirs.headers["etag"]}).status_code == 200


def test_a_parameter_that_is_not_known_is_refused(api: Api) -> None:
    assert api.client().get("/api/models", params={"tier": "admin"}).status_code == 422


# Before anything was loaded


def replayed() -> bytes:
    """A list that OpenRouter served."""
    newest = sorted((BUNDLED_RECORDINGS / "openrouter").glob("*.gz"))[-1]
    return answer(200, body(newest), "Content-Type: application/json")


def test_before_a_sync_openrouters_own_list_is_given_and_kept_then_the_variables_then_503(url: str) -> None:
    at = [0.0]
    named = "lab/m,lab/free:free,[broken"
    with (
        misbehaving.serving(replayed(), answer(500)) as openrouter,
        serving(url, OPENROUTER_MODELS_LIST=named.removesuffix(",[broken")) as api,
    ):
        parts = api.app.state.parts
        parts.fallback = Fallback(parts.settings.openrouter_models_list, openrouter.url(), QUICK, lambda: at[0])
        live = api.client("admin").get("/api/models")
        assert (live.status_code, live.headers["x-models-source"]) == (200, "openrouter")
        everything = {model["id"] for model in live.json()["data"]}
        free = api.get("/api/models")["data"]
        assert 0 < len(free) < len(everything)
        assert all({Decimal(price) for price in model["pricing"].values()} == {0} for model in free)
        priced = set(ids(api, "pro"))
        assert {model["id"] for model in free} < priced < everything
        assert openrouter.connections == 1
        disabled = min(id for id in priced if ":" not in id)
        with api.connect() as connection:  # kept from an earlier ledger
            connection.execute(
                "insert into access.decision (model_id, rule_status, rule_free, rule_pro, rule_enterprise, rule_why, said_status, decided_by, decided_at,"
                " gone, first_seen_at) values (%s, 'active', true, true, true, '{}', 'disabled', 'test', now(), false, now())",
                (disabled,),
            )
        assert disabled not in ids(api, "pro")
        assert disabled in ids(api, "admin")
        at[0] = 700  # it is old, and OpenRouter fails: the old one is given
        assert set(ids(api, "admin")) == everything
        assert openrouter.connections == 2
        at[0] = 25 * 3600
        last = api.client("pro").get("/api/models")
        assert (last.headers["x-models-source"], ids(api, "pro")) == ("environment", ["lab/m", "lab/free:free"])
        assert ids(api, None) == ["lab/free:free"]
        assert "etag" not in last.headers
        parts.fallback = Fallback((), openrouter.url(), QUICK)
        away = api.client().get("/api/models")
        assert (away.status_code, away.headers["retry-after"]) == (503, "30")
        assert "model-assets sync" in away.json()["error"]["message"]


@pytest.mark.parametrize(
    "bad", [b"<html>", b'{"data": []}', b'{"data": [{"id": "x"}], "links": {"next": "/2"}}'], ids=["no JSON", "empty", "a part"]
)
def test_a_list_that_a_sync_would_refuse_is_no_list(url: str, bad: bytes) -> None:
    with misbehaving.serving(answer(200, bad, "Content-Type: application/json")) as openrouter, serving(url) as api:
        api.app.state.parts.fallback = Fallback([{"id": "lab/m", "name": "lab/m"}], openrouter.url(), QUICK)
        assert api.client("pro").get("/api/models").headers["x-models-source"] == "environment"
