"""The lists of Model Lens and of Gatewayz: their shapes, over the prices that are served, and nothing that a caller may not see."""

import json
from datetime import datetime
from decimal import Decimal

from model_assets_tests.api.conftest import Api, republish


def test_model_lens_gets_its_envelope_and_costs_as_exact_numbers(api: Api) -> None:
    answered = api.client("enterprise").get("/v1/models", params={"provider": "openai", "limit": 100})
    found = json.loads(answered.content, parse_float=Decimal)
    assert datetime.fromisoformat(found["timestamp"]).tzinfo is not None
    assert (found["meta"]["limit"], found["meta"]["offset"]) == (100, 0)
    assert 0 < found["meta"]["total"] == len(found["data"])
    assert {model["provider"] for model in found["data"]} == {"openai"}
    with api.connect() as connection:
        offers = dict(
            connection.execute("select offer, input_usd_per_mtok from catalog.offer where provider = 'openai' and listed").fetchall()
        )
        cached = dict(
            connection.execute(
                "select offer, amount from catalog.price where provider = 'openai' and meter = 'cache_read' and service_tier = 'standard'"
                " and prompt_above_tokens = 0 and time_window is null and region is null and currency = 'USD' and state = 'paid'"
            ).fetchall()
        )
    for model in found["data"]:
        assert model["inputCost"] == offers[model["id"]], model["id"]
        assert model["cacheReadCost"] == cached.get(model["id"]), model["id"]
    assert any(model["cacheReadCost"] for model in found["data"])
    one = api.get(f"/v1/models/{found['data'][0]['id']}", "enterprise")
    assert one["data"] == json.loads(answered.content)["data"][0]


def test_pages_of_model_lens_are_the_list_and_its_statistics_count_it(api: Api) -> None:
    whole: list[str] = []
    total = api.get("/v1/models", "pro")["meta"]["total"]
    while True:
        page = api.get("/v1/models", "pro", limit=100, offset=len(whole))["data"]
        if not page:
            break
        whole += [model["id"] for model in page]
    assert len(whole) == len(set(whole)) == total
    stats = api.get("/v1/stats", "pro")["data"]
    assert (stats["totalModels"], sum(stats["modelCountByProvider"].values())) == (total, total)
    assert stats["providers"] == sorted(stats["modelCountByProvider"], key=stats["providers"].index)
    assert stats["lastSyncAt"].endswith("Z")
    client = api.client("pro")
    assert [
        client.get("/v1/models", params=bad).status_code for bad in ({"limit": 101}, {"limit": 0}, {"providers": "x"}, {"provider": "x\0"})
    ] == [422] * 4
    nothing = client.get("/v1/models/openai:nothing")
    assert (nothing.status_code, nothing.json()["error"]["message"]) == (
        404,
        "There is no offer 'openai:nothing'. GET /v1/models lists those that you may see.",
    )


def test_each_model_is_listed_once_with_all_its_providers_the_cheapest_first(api: Api) -> None:
    found = api.get("/models/unique", "enterprise", min_providers=2, limit=1000)
    names = [model["id"] for model in found["data"]]
    assert len(names) == len(set(names)) == found["total"] > 10
    assert found["has_more"] is False
    counts = [model["provider_count"] for model in found["data"]]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) == 2
    for model in found["data"]:
        asked = [Decimal(one["pricing"]["prompt"]) for one in model["providers"] if "prompt" in one["pricing"]]
        assert asked == sorted(asked), model["id"]
        if asked:
            assert Decimal(model["cheapest_prompt_price"]) == asked[0], model["id"]
            assert model["cheapest_provider"] == model["providers"][0]["slug"]
        assert "health_status" not in model
        assert all("e" not in price.lower() for one in model["providers"] for price in one["pricing"].values())


def test_models_are_sorted_and_searched_as_asked(api: Api) -> None:
    cheap = api.get("/models/unique", "enterprise", sort_by="cheapest_price", limit=1000)["data"]
    prices = [Decimal(model["cheapest_prompt_price"]) for model in cheap if model["cheapest_prompt_price"] is not None]
    assert prices == sorted(prices)
    assert [model["cheapest_prompt_price"] for model in cheap[len(prices) :]] == [None] * (len(cheap) - len(prices))
    dear = api.get("/models/unique", "enterprise", sort_by="cheapest_price", order="desc", limit=1)["data"]
    assert Decimal(dear[0]["cheapest_prompt_price"]) == prices[-1]
    assert api.get("/models/unique", "enterprise", search="x' OR '1'='1")["total"] == 0
    assert api.get("/models/unique", "enterprise", offset=100_000) == {
        "data": [], "total": len(cheap), "limit": 100, "offset": 100_000, "has_more": False,
    }  # fmt: skip


def test_what_is_hidden_is_in_neither_list_nor_in_their_counts(own_api: Api) -> None:
    model = own_api.get("/models/unique", "enterprise", limit=1)["data"][0]
    before = {path: own_api.get(path, "enterprise") for path in ("/v1/stats", "/models/unique")}
    offers = [one["id"] for one in own_api.get("/v1/models", "enterprise", limit=100)["data"] if one["model"] == model["id"]]
    with own_api.connect() as connection:
        hidden = connection.execute("select offer from catalog.offer where model = %s and listed", (model["id"],)).fetchall()
        connection.execute(
            "update access.decision set said_status = 'disabled', decided_by = 'test', decided_at = now() where model_id = %s or base_model_id = %s",
            (model["id"], model["id"]),
        )
    republish(own_api)
    after = {path: own_api.get(path, "enterprise") for path in before}
    assert after["/models/unique"]["total"] == before["/models/unique"]["total"] - 1
    assert after["/v1/stats"]["data"]["totalModels"] == before["/v1/stats"]["data"]["totalModels"] - len(hidden)
    for (offer,) in hidden:
        assert own_api.client("enterprise").get(f"/v1/models/{offer}").status_code == 404
    assert own_api.get(f"/v1/models/{hidden[0][0]}", "admin")["data"]["model"] == model["id"]
    assert set(offers) <= {offer for (offer,) in hidden}
