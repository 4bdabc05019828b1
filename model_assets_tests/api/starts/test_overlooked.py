"""What is asked of a start is done or refused: nothing starts for a parameter, or a body, that the address would overlook."""

import json
from typing import Any

import pytest

from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.starts.conftest import BY_CRON, BY_KEY, KEY, ON, SECRETS, asked, call, play_dagster
from model_assets_tests.api.starts.test_who_may import STARTS, signed

INTERNAL = "/api/internal/sync-models"


@pytest.mark.parametrize(
    ("method", "path", "headers"), [start[:3] for start in STARTS], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_parameter_that_a_start_does_not_have_is_refused_and_nothing_is_started(
    api: Api, method: str, path: str, headers: dict[str, str]
) -> None:
    for query in ("dryrun=true", "dry-run=true", "Dry_run=true", "provider=openrouter", "wait=0&source=openrouter", "confirm=yes", "=1"):
        found = call(api, method, f"{path}?{query}", headers)
        name = query.rpartition("&")[2].partition("=")[0]
        assert (found.status_code, found.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), query
        assert found.json()["error"]["details"] == [{"where": ["query", name], "what": "there is no such parameter"}]
    assert asked(api) == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/admin/model-sync/full", "providers=openrouter&dry_run=true"),
        ("/admin/model-sync/provider/openrouter", "providers=openrouter"),
        ("/admin/model-sync/all", "sources=openrouter"),
        ("/api/admin/sync-models", "providers=openrouter"),
        ("/sync/huggingface/litert", "dry_run=true"),
    ],
)
def test_what_another_start_can_be_asked_is_refused_where_it_cannot(api: Api, path: str, query: str) -> None:
    assert call(api, "POST", f"{path}?{query}", BY_KEY).status_code == 422
    assert asked(api) == []


@pytest.mark.parametrize(
    ("method", "path", "headers"), [start[:3] for start in STARTS], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_body_that_asks_for_something_is_refused_and_nothing_is_started(
    api: Api, method: str, path: str, headers: dict[str, str]
) -> None:
    bodies: list[Any] = [{"sources": ["openrouter"]}, {"dry_run": True}, {"source": "a cron", "wait": 0}]
    if path != INTERNAL:
        bodies += [{"providers": ["openrouter"], "dry_run": True}, {"force": True}, [], "all"]
    for body in bodies:
        found = call(api, method, path, headers, json=body)
        assert found.status_code == 422, body
        assert "Use parameters" in found.json()["error"]["message"]
    if path != INTERNAL:
        assert call(api, method, path, headers, content=b"dry_run=true").status_code == 422
    assert asked(api) == []


@pytest.mark.parametrize("body", [b"", b"{}", b" {}\n", b"null"])
def test_a_body_that_says_nothing_is_none(api: Api, body: bytes) -> None:
    headers = {**BY_KEY, "Content-Type": "application/json"}
    assert call(api, "POST", "/admin/model-sync/all", headers, content=body).status_code == 202


@pytest.mark.parametrize("body", [b'{"source": "local-test-bearer"}', b"no JSON", b"[" * 100_000, b'["dry_run"]'])
def test_a_program_may_have_a_body_of_its_own_where_bodies_are_signed(api: Api, body: bytes) -> None:
    assert call(api, "POST", INTERNAL, {"X-Signature": signed(SECRETS["CRON_SECRET"], body)}, content=body).status_code == 202


@pytest.mark.parametrize(("path", "headers"), [("/api/admin/sync-models", BY_KEY), (INTERNAL, BY_CRON), ("/v1/admin/sync", BY_KEY)])
def test_a_dry_run_may_be_asked_for_at_the_addresses_of_sync_logs_too(api: Api, path: str, headers: dict[str, str]) -> None:
    assert call(api, "POST", f"{path}?dry_run=true&sources=openrouter", headers).status_code == 202
    assert [row[2:] for row in asked(api)] == [("openrouter", True)]


def test_an_incremental_sync_may_name_its_sources_as_its_scripts_do(api: Api) -> None:
    assert call(api, "POST", "/admin/model-sync/incremental?providers=openrouter&dry_run=true", BY_KEY).status_code == 202
    assert [row[2:] for row in asked(api)] == [("openrouter", True)]
    play_dagster(api.url)
    assert call(api, "POST", "/admin/model-sync/incremental", BY_KEY).status_code == 202
    assert [row[2] for row in asked(api) if not row[3]] == ON


def test_what_schedules_call_is_switched_off_everywhere(url: str) -> None:
    with serving(url, **SECRETS, MODEL_SYNC_ENABLED="false") as api:
        for method, path, headers, _ in STARTS:
            if headers is BY_CRON:
                found = call(api, method, path, headers)
                assert (found.status_code, found.json()["error"]["code"]) == (503, "SYNC_DISABLED"), path
        body = json.dumps({"source": "a cron"}).encode()
        assert call(api, "POST", INTERNAL, {"X-Signature": signed(SECRETS["CRON_SECRET"], body)}, content=body).status_code == 503
        assert asked(api) == []
        assert call(api, "POST", f"/admin/pricing/sync/{KEY}").status_code == 202
