"""Made-up requests at every route of the OpenAPI document, as an admin and with ids that are there (A10): no 5xx, no status and no body that is not
documented. The same requests each time."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from model_assets_tests.api.conftest import Api, copy_of, serving

ADMIN_KEY, CRON_SECRET = "an admin key of the tests", "a cron secret of the tests"
EACH = 25  # requests at each route; some are met twice
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MADE = hypothesis.settings(
    max_examples=EACH,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module")
def tried(server: str, bundled: str) -> Iterator[Api]:
    with copy_of(server, bundled) as url, serving(url, ADMIN_KEY=ADMIN_KEY, CRON_SECRET=CRON_SECRET) as api:
        yield api


def test_no_made_up_request_is_answered_with_an_error_of_ours_or_with_what_is_not_documented(tried: Api) -> None:
    schema = schemathesis.openapi.from_url(f"{tried.address}/openapi.json")
    token, ids = tried.token("the tester", "admin"), real_ids(tried)
    chosen, cases, broken = random.Random(1), Counter[str](), list[str]()
    for result in schema.get_all_operations():
        operation = result.ok()

        def ask(case: Case) -> None:
            cases[case.operation.label] += 1
            with_real_ids(case, ids, chosen)
            secret = CRON_SECRET if "/cron/" in case.operation.path or "/internal/" in case.operation.path else token
            response = case.call(base_url=tried.address, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
            try:
                case.validate_response(response, checks=CHECKS)
            except (schemathesis.errors.SchemathesisError, AssertionError, BaseExceptionGroup) as error:
                broken.append(f"{case.operation.label} {response.status_code}: {why(error)}\n  {case.as_curl_command()[:600]}")

        MADE(hypothesis.given(case=operation.as_strategy())(ask))()
    assert not broken, f"{len(broken)} of {cases.total()}:\n" + "\n".join({line.partition(":")[0]: line for line in broken}.values())
    assert cases.total() >= 2_000


def real_ids(api: Api) -> dict[str, list[str]]:
    """Values of parameters that are there."""
    with api.connect() as connection:
        models = [row[0] for row in connection.execute("select model_id from catalog.model_card order by offers desc nulls last limit 20")]
        decided = [row[0] for row in connection.execute("select model_id from access.decision order by 1 limit 20")]
        sources = [row[0] for row in connection.execute("select source from ops.source order by 1")]
    return {
        "model_id": models + decided,
        "source": sources,
        "user_id": ["the tester"],
        "key": [ADMIN_KEY],
        "ids": [",".join(models[:2])],
        "model": models,
    }


def with_real_ids(case: Case, ids: dict[str, list[str]], chosen: random.Random) -> None:
    """Half of the time, what is there in place of what was made up. A start is not waited for, nothing is fetched, no daemon beats here."""
    path: dict[str, Any] = case.path_parameters or {}
    for name in path:
        if name in ids and (chosen.random() < 0.5 or name in ("key", "user_id")):
            path[name] = chosen.choice(ids[name])
        elif name.endswith("_id") and name not in ids and chosen.random() < 0.5:
            path[name] = str(uuid.UUID(int=1))
    query = case.query if isinstance(case.query, dict) else {}
    if "sync" in case.operation.path and case.operation.method.upper() in ("GET", "POST"):
        query.pop("dry_run", None)
        if "wait" in query or any(parameter.name == "wait" for parameter in case.operation.query):
            case.query = {**query, "wait": 0}
    if case.operation.path == "/readyz":
        case.query = {**query, "without_daemon": "true"}
    for name in ("ids", "model"):
        if name in query and chosen.random() < 0.5:
            query[name] = chosen.choice(ids[name])


def why(error: BaseException) -> str:
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return " | ".join(f"{getattr(part, 'title', type(part).__name__)}: {getattr(part, 'message', part)}"[:400] for part in parts)
