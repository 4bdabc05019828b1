"""What is kept from a caller of a model that they see: a plan of it that waits or is disabled, through whatever else is told of the model."""

import json

from model_assets.api.routes.openrouter import HIDDEN
from model_assets_tests.api.conftest import Api, republish

SAY = "update access.decision set said_status = %s, said_enterprise = %s, decided_by = 'a test', decided_at = now(), gone = %s where model_id = %s"
PLANS = """
select plan.model_id, plan.base_model_id from access.model_access as plan join access.model_access as base on base.model_id = plan.base_model_id
where plan.status = 'active' and base.status = 'active' and base.is_enterprise
  and exists (select from catalog.change where change.model_id = {asked}.model_id and change.offer is not null)
  and exists (select from catalog.offer where model = base.model_id and variant is null and listed and input_usd_per_mtok is not null)
order by 1 limit 1
"""


def test_a_model_that_waits_is_not_told_of_through_a_plan_of_it_that_is_admitted(own_api: Api) -> None:
    with own_api.connect() as connection:
        plan, base = connection.execute(PLANS.format(asked="base")).fetchone()
        connection.execute(SAY, ("new", None, False, base))
        connection.execute(SAY, ("active", True, False, plan))
        hidden = {row[0] for row in connection.execute("select offer from catalog.offer where model = %s and variant is null", [base])}
        named = [row[0] for row in connection.execute("select distinct listed_id from history.link where offer = any(%s)", [list(hidden)])]
    republish(own_api)
    client = own_api.client("enterprise")
    assert client.get(f"/api/v1/models/{base}").status_code == 200
    told = {
        "changes": client.get("/api/v1/changes", params={"model": base, "limit": 500}),
        "feed": client.get("/api/v1/changes", params={"model": base, "limit": 500, "format": "atom"}),
        "resolved": client.post("/api/v1/resolve", json={"ids": named[:100]}),
    }
    for what, answer in told.items():
        assert answer.status_code == 200, what
        assert not [offer for offer in hidden if f'"{offer}"' in answer.text], what
    assert {one["model"] for one in told["resolved"].json()["data"]} >= {base}
    [unique] = [one for one in client.get("/models/unique", params={"search": base}).json()["data"] if one["id"] == base]
    assert (unique["providers"], unique["cheapest_prompt_price"]) == ([], None)
    sold = client.get(f"/api/v1/models/{base}/offers").json()["data"]
    for asked in ({}, {"sort": "price"}):
        past = client.get("/api/v1/models", params={"q": base, "as_of": "2100-01-01", "limit": 100, **asked}).json()["data"]
        [then] = [one for one in past if one["id"] == base]
        assert (then["prices"], set(then["providers"])) == ({}, {offer["provider"] for offer in sold if offer["listed"]})
    cheap = client.get("/api/v1/models", params={"q": base, "as_of": "2100-01-01", "min_price": 0, "limit": 100}).json()["data"]
    assert base not in {one["id"] for one in cheap}
    seen_by_admins = own_api.client("admin").get("/api/v1/changes", params={"model": base, "limit": 500}).text
    assert [offer for offer in hidden if f'"{offer}"' in seen_by_admins]


def test_a_plan_that_was_disabled_stays_hidden_when_it_is_gone(own_api: Api) -> None:
    with own_api.connect() as connection:
        plan, base = connection.execute(PLANS.format(asked="plan")).fetchone()
        connection.execute(SAY, ("active", True, False, plan))
    republish(own_api)
    client, asked = own_api.client("enterprise"), {"model": plan, "limit": 500}
    assert client.get("/api/v1/changes", params=asked).json()["changes"]
    with own_api.connect() as connection:
        connection.execute(SAY, ("disabled", True, False, plan))
    republish(own_api)
    with own_api.connect() as connection:
        connection.execute(SAY, ("disabled", True, True, plan))  # as if three observations had missed it
        hidden = json.loads(connection.execute(HIDDEN).fetchone()[0])
        listed = [
            row[0]
            for row in connection.execute(
                "select listed_id from history.link where source = 'openrouter' and model || ':' || variant = %s", [plan]
            )
        ]
    assert client.get(f"/api/v1/models/{plan}").status_code == 404
    assert client.post("/api/v1/resolve", json={"ids": [plan]}).json()["data"][0]["links"] == []
    assert client.get("/api/v1/changes", params=asked).json()["changes"] == []
    assert client.get(f"/api/v1/models/{base}").status_code == 200
    assert {plan, *listed} <= set(hidden)


def test_providers_count_for_an_admin_what_the_list_of_models_has(own_api: Api) -> None:
    with own_api.connect() as connection:
        plan, base = connection.execute(PLANS.format(asked="plan")).fetchone()
        sellers = {row[0] for row in connection.execute("select provider from catalog.offer where model = %s and listed", [base])}
        connection.execute(SAY, ("new", None, False, base))
        connection.execute(SAY, ("active", True, False, plan))
    republish(own_api)
    counted = {one["provider"]: one["models"] for one in own_api.get("/api/v1/providers", "admin", limit=500)["data"]}
    listed = {name: own_api.get("/api/v1/models", "admin", provider=name, limit=1)["meta"]["total"] for name in sellers}
    assert {name: counted.get(name, 0) for name in sellers} == listed
