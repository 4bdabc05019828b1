"""What a browser is told, and what another site can do with it (A15, A18)."""

import httpx
import pytest

from model_assets_tests.api.conftest import Api

ELSEWHERE = {"Origin": "https://elsewhere.test", "Sec-Fetch-Site": "cross-site"}
ASKED = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, content-type"}


@pytest.mark.parametrize("path", ["/health", "/api/v1/models", "/api/v1/models/nothing", "/api/admin/models", "/nowhere", "/openapi.json"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "OPTIONS"])
def test_no_other_site_may_read_frame_or_be_let_in_by_what_a_browser_sends_of_itself(api: Api, method: str, path: str) -> None:
    answer = httpx.request(method, api.address + path, headers={**ELSEWHERE, **ASKED, "Cookie": "session=1; token=2"}, trust_env=False)
    names = {name.lower() for name in answer.headers}
    assert not [name for name in names if name.startswith("access-control-")]
    assert "set-cookie" not in names
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "html" not in answer.headers.get("content-type", "")
    if path == "/api/admin/models":
        assert answer.status_code == 401


def test_no_answer_may_be_kept_for_another_caller(api: Api) -> None:
    paths = [path for path, operations in api.get("/openapi.json")["paths"].items() if "get" in operations]
    for path in ["/openapi.json", *paths]:
        said = api.client("admin").get(path).headers["cache-control"]
        assert said == "no-store" or said.startswith("private, "), path
    assert api.client("admin").get("/v1/admin/sync/history").headers["cache-control"] == "no-store"
    assert api.client("admin").get("/api/v1/webhooks").headers["cache-control"] == "no-store"
    assert api.client("admin").get("/api/v1/models").headers["cache-control"] == "private, no-cache"


def test_nothing_that_the_document_describes_is_a_page(api: Api) -> None:
    document = api.get("/openapi.json")
    types = {
        media
        for operations in document["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        for media in response.get("content", {})
    }
    assert types == {"application/json", "application/atom+xml", "application/feed+json", "text/plain"}
    for path in ("/", "/docs", "/redoc"):
        answer = api.client().get(path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            404,
            "There is nothing at this address. GET /openapi.json describes each that there is.",
        )
