"""Who is no admin learns nothing of what is below /api/admin, however the address is spelt."""

import http.client
import json
import re
from urllib.parse import urlsplit

import pytest

from model_assets_tests.api.conftest import Api

SPELLINGS = {
    "as it is": lambda path: path,
    "trailing slash": lambda path: f"{path}/",
    "upper case": lambda path: path.upper(),
    "two slashes": lambda path: path.replace("/admin/", "//admin/"),
    "escaped letters": lambda path: path.replace("admin", "%61dmin"),
    "escaped dot": lambda path: path.replace("/admin/", "/%2e/admin/"),
    "escaped dots": lambda path: path.replace("/api/", "/api/v1/%2E%2e/"),
    "escaped slash": lambda path: path.replace("/api/admin/", "/api%2fadmin/"),
}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def ask(
    api: Api, method: str, path: str, token: str | None, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """An answer to an address that is sent letter for letter."""
    connection = http.client.HTTPConnection(urlsplit(api.address).netloc, timeout=60)
    try:
        given = {"Content-Type": "application/json", **headers} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def admin_paths(api: Api) -> list[str]:
    found = [re.sub(r"\{[^}]*\}", "openai/gpt-4o", path) for path in api.app.openapi()["paths"] if path.startswith("/api/admin/")]
    assert len(found) >= 14
    return sorted(found)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_admin_route_in_every_method_is_401_without_a_token_and_403_with_one_of_another_tier(api: Api, spelling: str):
    tokens = {None: 401, api.token("a user of enterprise", "enterprise"): 403}
    wrong = []
    for path in admin_paths(api):
        for method in METHODS:
            for token, expected in tokens.items():
                status, _, headers = ask(api, method, SPELLINGS[spelling](path), token)
                if status != expected or (status == 401) != ("WWW-Authenticate" in headers) or "ETag" in headers:
                    wrong.append((method, path, status))
    assert wrong == []


def test_a_header_that_names_another_method_or_tier_changes_nothing(api: Api):
    token = api.token("a user of pro", "pro")
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-Admin", "X-User-Tier", "X-Original-URL"):
        assert ask(api, "POST", "/api/admin/models", token, b"{}", **{header: "GET"})[0] == 403


def test_who_is_no_admin_cannot_tell_what_exists_or_what_is_wrong_with_a_request(api: Api):
    [known, *_] = api.get("/api/admin/models", "admin")["data"]
    token = api.token("a user of pro", "pro")
    asked = [
        ("GET", f"/api/admin/models/{known['model_id']}", None), ("GET", "/api/admin/models/no/such", None), ("GET", "/api/admin/nothing", None),
        ("GET", "/api/admin/models?nonsense=1", None), ("PATCH", "/api/admin/models/no/such", b"{"), ("DELETE", "/api/admin/audit", None),
        ("PUT", "/api/admin/users/somebody", b'{"tier": "admin"}'), ("PATCH", "/api/admin/models", b'{"updates": []}'),
        ("POST", "/api/admin/policy/dry-run", b"[" * 100_000),
    ]  # fmt: skip
    bodies = set()
    for method, path, body in asked:
        status, answer, _ = ask(api, method, path, token, body)
        said = json.loads(answer)
        said["error"].pop("request_id")
        said.pop("timestamp")
        bodies.add((status, json.dumps(said, sort_keys=True)))
    assert len(bodies) == 1
    assert {status for status, _ in bodies} == {403}


def test_an_admin_is_told_what_an_address_can_do(api: Api):
    token = api.token("a user of admin", "admin")
    status, _, headers = ask(api, "DELETE", "/api/admin/models/openai/gpt-4o", token)
    assert (status, headers["Allow"]) == (405, "GET, PATCH")
    assert ask(api, "GET", "/api/admin/nothing", token)[0] == 404
    assert ask(api, "GET", "/api/admin/stats", token)[2]["Cache-Control"] == "no-store"
