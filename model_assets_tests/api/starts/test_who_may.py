"""Who may start a sync over HTTP, by which credentials; and which sources they start."""

import hashlib
import hmac
import json
import logging
import re
import time

import httpx
import pytest

from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.starts.conftest import BY_CRON, BY_KEY, CRON, KEY, ON, PRICES, asked, call, play_dagster

#: (method, address, the credentials that it takes, the sources that it starts)
STARTS = [
    ("POST", "/admin/model-sync/all", BY_KEY, ON),
    ("POST", "/admin/model-sync/full", BY_KEY, ON),
    ("POST", "/admin/model-sync/incremental", BY_KEY, ON),
    ("POST", "/admin/model-sync/providers-only", BY_KEY, ON),
    ("POST", "/admin/model-sync/trigger", BY_KEY, ON),
    ("POST", "/admin/model-sync/provider/openrouter", BY_KEY, ["openrouter"]),
    ("POST", f"/admin/pricing/sync/{KEY}", {}, PRICES),
    ("POST", "/api/admin/sync-models", BY_KEY, ON),
    ("POST", "/api/internal/sync-models", BY_CRON, ON),
    ("GET", "/api/cron/sync-models", BY_CRON, ON),
    ("POST", "/api/cron/sync-models", BY_CRON, ON),
    ("GET", "/api/cron/models/sync", BY_CRON, ON),
    ("POST", "/sync/huggingface/litert", BY_KEY, ["huggingface"]),
    ("POST", "/v1/admin/sync", BY_KEY, ON),
]
READS = [
    "/admin/model-sync/status", "/admin/model-sync/providers", "/admin/model-sync/health", "/api/admin/sync-models", "/v1/admin/sync/history",
    "/admin/scheduler/status",
]  # fmt: skip


# --- who may ---


@pytest.mark.parametrize(("method", "path", "headers", "sources"), STARTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_address_starts_its_sources_for_its_credentials_and_nothing_for_any_other(
    api: Api, method: str, path: str, headers: dict[str, str], sources: list[str]
) -> None:
    open_path = path.replace(KEY, "no key of ours")
    wrong = [
        {}, {"Authorization": "Bearer wrong"}, {"X-Admin-Key": KEY[:-1]}, {"X-Admin-Key": ""}, {"Authorization": f"Bearer {CRON[:-1]}"},
        {"Authorization": CRON}, {"X-Admin": "true"}, {"Authorization": "Bearer"}, {"Authorization": "Basic !"},
    ]  # fmt: skip
    for one in wrong:
        refused = call(api, method, open_path, one)
        assert refused.status_code == 401, one
        assert refused.json()["error"]["code"] == "UNAUTHORIZED"
    if headers is BY_CRON:
        assert call(api, method, path, BY_KEY).status_code == 401
        assert call(api, method, f"{path}?secret={CRON}&CRON_SECRET={CRON}&token={CRON}").status_code == 422
    if headers is BY_KEY:
        assert call(api, method, path, BY_CRON).status_code == 401
    assert asked(api) == []
    found = call(api, method, path, headers)
    assert found.status_code == 202, found.text
    rows = asked(api)
    assert [row[2] for row in rows] == sources
    assert {row[0] for row in rows} == {"CRON_SECRET" if headers is BY_CRON else "ADMIN_KEY"}
    assert {row[1] for row in rows} == {f"{method} {re.sub('sync/an admin key.*', 'sync/{key}', path).replace('/openrouter', '/{source}')}"}


@pytest.mark.parametrize(("path", "methods"), [("/api/cron/sync-models", "GET, POST"), ("/api/cron/models/sync", "GET")])
def test_head_starts_nothing_where_get_does(api: Api, path: str, methods: str) -> None:
    for headers in ({}, BY_CRON):
        answer = call(api, "HEAD", path, headers)
        assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, methods, b"")
    assert asked(api) == []


@pytest.mark.parametrize("path", READS)
def test_how_syncs_went_is_told_to_admins_only(api: Api, path: str) -> None:
    assert call(api, "GET", path).status_code == 401
    for tier in ("free", "pro", "enterprise"):
        assert api.client(tier).get(path).status_code == 403
    assert api.client("admin").get(path).status_code == 200
    assert call(api, "GET", path, BY_KEY).status_code == 200


def test_an_admin_is_let_in_by_token_and_named_and_other_tiers_are_not(api: Api) -> None:
    for tier in ("free", "pro", "enterprise"):
        assert api.client(tier).post("/admin/model-sync/all").status_code == 403
    assert asked(api) == []
    assert api.client("admin").post("/admin/model-sync/all").status_code == 202
    assert {row[0] for row in asked(api)} == {"a user of admin"}


@pytest.mark.parametrize("method", ["header", "bearer", "address"])
def test_the_key_may_be_in_a_header_or_in_the_address_as_curl_sends_it(api: Api, method: str) -> None:
    headers = {"header": BY_KEY, "bearer": {"Authorization": f"Bearer {KEY}"}, "address": {}}[method]
    credentials = ("anybody", KEY) if method == "address" else None
    assert api.client().get("/admin/model-sync/status", headers=headers, auth=credentials).status_code == 200


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
def test_a_browser_that_once_knew_the_key_cannot_be_made_to_send_it_for_somebody_else(api: Api, header: str) -> None:
    found = api.client().post("/admin/model-sync/all", headers={header: "https://evil.example"}, auth=("anybody", KEY))
    assert found.status_code == 401
    assert asked(api) == []


def test_without_secrets_nobody_is_let_in_by_one(url: str) -> None:
    with serving(url) as api:
        for method, path, _, _ in STARTS:
            for headers in (
                {},
                {"Authorization": "Bearer"},
                {"X-Admin-Key": ""},
                {"X-Signature": hmac.new(b"", b"", "sha256").hexdigest()},
            ):
                assert call(api, method, path.replace(KEY, "%20"), headers).status_code in (401, 429)
        assert asked(api) == []


def signed(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_program_may_sign_the_body_instead(api: Api) -> None:
    body = json.dumps({"source": "vercel-cron"}).encode()
    for signature in (signed("another secret of theirs", body), signed(CRON, body + b" "), signed(CRON, body)[:-1], "", "ü", CRON):
        wrong = call(api, "POST", "/api/internal/sync-models", {"X-Signature": signature.encode()}, content=body)  # type: ignore[dict-item]
        assert wrong.status_code == 401
    assert asked(api) == []
    assert call(api, "POST", "/api/internal/sync-models", {"X-Signature": signed(CRON, body)}, content=body).status_code == 202


def test_a_signature_with_a_time_counts_for_five_minutes_and_one_of_it_is_no_signature_without(api: Api) -> None:
    body, address, now = b"{}", "/api/internal/sync-models", int(time.time())

    def send(at: str, of: bytes | None = None) -> httpx.Response:
        stamped = signed(CRON, at.encode() + b"." + body if of is None else of)
        return call(api, "POST", address, {"X-Signature": stamped, "X-Timestamp": at}, content=body)

    for old in (str(now - 330), str(now + 330), "yesterday", "", "0", "9" * 5000, str(now * 1000)):
        found = send(old)
        assert (found.status_code, "X-Timestamp" in found.json()["error"]["message"]) == (401, True), old
    assert send(str(now), body).status_code == 401  # a time beside the signature of another message
    recorded = {"X-Signature": signed(CRON, f"{now}.".encode() + body)}
    assert call(api, "POST", address, recorded, content=body).status_code == 401
    assert asked(api) == []
    assert send(str(now)).status_code == 202


def test_who_sent_a_wrong_key_is_told_which(api: Api, url: str) -> None:
    sent = {
        "The key in X-Admin-Key": ("POST", "/admin/model-sync/all", {"X-Admin-Key": "wrong"}),
        "The key in the address": ("POST", "/admin/pricing/sync/wrong", {}),
        "The signature in X-Signature": ("POST", "/api/internal/sync-models", {"X-Signature": "wrong"}),
        "This needs valid credentials, sent as `Authorization: Bearer ...`": (
            "POST",
            "/admin/model-sync/all",
            {"Authorization": "Bearer wrong"},
        ),
    }
    with serving(url) as without_secrets:
        for what, (method, path, headers) in sent.items():
            said = [call(one, method, path, headers).json()["error"]["message"] for one in (api, without_secrets)]
            assert said[0].startswith(what)
            assert said[0] == said[1]  # whether there is a key is told to nobody


def test_no_secret_is_in_a_log_or_an_answer(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = [call(api, method, path, headers) for method, path, headers, _ in STARTS]
        answers += [call(api, "GET", f"/admin/pricing/sync/{KEY}/status/none"), call(api, "GET", f"/admin/pricing/sync/{KEY}/elsewhere")]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("model_assets", "uvicorn"))]
    assert any("/admin/pricing/sync/***" in line for line in ours)
    for said in [*ours, *(one.text + str(one.headers) for one in answers), str(asked(api))]:
        assert KEY not in said
        assert CRON not in said
        assert KEY.replace(" ", "%20") not in said


def test_a_start_is_remembered_by_its_route_and_not_by_its_address_which_has_the_key(api: Api) -> None:
    assert call(api, "POST", f"/admin/pricing/sync/{KEY}").status_code == 202
    assert {row[1] for row in asked(api)} == {"POST /admin/pricing/sync/{key}"}


# --- which sources ---


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("providers=openrouter", ["openrouter"]),
        ("providers=openrouter,LiteLLM", ["litellm", "openrouter"]),
        ("providers=openrouter&providers=litellm&providers=OPENROUTER", ["litellm", "openrouter"]),
        ("providers=", ON),
    ],
)
def test_sources_may_be_named_however_their_letters_are_cased(api: Api, query: str, sources: list[str]) -> None:
    assert call(api, "POST", f"/admin/model-sync/all?{query}", BY_KEY).status_code == 202
    assert [row[2] for row in asked(api)] == sources


def test_a_source_that_is_none_or_is_off_is_told_and_nothing_is_started(api: Api) -> None:
    for path in (
        "/admin/model-sync/provider/deepinfra",
        "/admin/model-sync/provider/%00",
        "/admin/model-sync/all?providers=openrouter,nobody",
    ):
        assert call(api, "POST", path, BY_KEY).status_code == 404
    off = call(api, "POST", "/admin/model-sync/provider/artificial_analysis", BY_KEY)
    assert (off.status_code, off.json()["error"]["code"]) == (409, "SOURCE_OFF")
    assert "ARTIFICIAL_ANALYSIS_API_KEY" in off.json()["error"]["message"]
    assert asked(api) == []


@pytest.mark.parametrize("name", ["OpenRouter", "OPENROUTER", "openrouter%20", "openRouter"])
def test_another_case_is_no_way_around_the_pause(api: Api, name: str) -> None:
    assert call(api, "POST", "/admin/model-sync/provider/openrouter", BY_KEY).status_code == 202
    assert call(api, "POST", f"/admin/model-sync/provider/{name}", BY_KEY).status_code == 409
    play_dagster(api.url)
    assert call(api, "POST", f"/admin/model-sync/provider/{name}", BY_KEY).status_code == 429


def test_a_dry_run_is_asked_for_as_one(api: Api) -> None:
    assert call(api, "POST", "/admin/model-sync/provider/openrouter?dry_run=true", BY_KEY).status_code == 202
    assert [row[3] for row in asked(api)] == [True]


@pytest.mark.parametrize("wait", ["-1", "301", "x", "1e9"])
def test_nobody_waits_for_longer_than_five_minutes(api: Api, wait: str) -> None:
    assert call(api, "POST", f"/admin/model-sync/all?wait={wait}", BY_KEY).status_code == 422
    assert asked(api) == []
