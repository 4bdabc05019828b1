"""What is told of one model and of several, over HTTP, against what the command line answers; and nothing of what a caller may not see."""

import ast
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from model_assets import answers
from model_assets.api.snippets import providers, quick_start, quick_starts
from model_assets.cost.evaluate import evaluate
from model_assets.cost.ledger_book import offers_at
from model_assets.cost.usage import usage
from model_assets.database import connect
from model_assets_tests.api.conftest import Api, republish

MODEL, OTHER = "openai/gpt-4o", "openai/gpt-4o-mini"
ONE = f"/api/v1/models/{MODEL}"
PARTS = ("", "/prices", "/history", "/offers", "/versions", "/benchmarks", "/news", "/discussions", "/jobs")


def test_a_page_names_the_source_of_each_attribute_and_the_prices_of_each_provider(api: Api) -> None:
    found = api.get(ONE, "pro")["data"]
    with connect(api.url) as connection:
        served = answers.prices(connection, MODEL)
    assert found["attributes"]["context_tokens"] == {"value": 128000, "source": "models_dev_models"}
    assert found["attributes"]["knowledge_cutoff"] == {"value": "2023-09-01", "source": "models_dev_models", "precision": "month"}
    told = {
        (offer["offer"], price["meter"], price["region"]): price["served"]
        for one in found["prices_by_provider"]
        for offer in one["offers"]
        for price in offer["prices"]
    }
    plain = [
        row
        for row in served
        if row["service_tier"] == "standard" and not row["prompt_above_tokens"] and not row["time_window"] and not row["detail"]
    ]
    assert told == {(row["offer"], row["meter"], row["region"]): row["served"] for row in plain}
    assert found["counts"]["offers"] == found["offers"] > 0
    assert {"openai", "openrouter"} <= {start["provider"] for start in found["quick_start"]}


def test_a_listing_of_no_known_model_counts_the_disputes_about_it(own_api: Api) -> None:
    with own_api.connect() as connection:
        (listing,) = connection.execute("select min(offer) from catalog.offer where model is null").fetchone()
        doubted = "provider = 'deepseek' and closed_at is null"
        connection.execute(f"update catalog.dispute set model = null, offer = %s where {doubted}", [listing])
    open_ones = own_api.get("/api/v1/disputes", "admin", model=listing)["meta"]["total"]
    assert own_api.get(f"/api/v1/models/{quote(listing, safe='')}", "admin")["data"]["counts"]["open_disputes"] == open_ones > 0


@pytest.mark.parametrize("given", [MODEL, "gpt-4o-mini", "anthropic/claude-haiku-4-5", "openai/gpt-4o:batch"])
def test_prices_are_those_of_the_command_line_now_and_then(api: Api, given: str) -> None:
    then, before = "2026-05-19T12:00Z", "2026-05-18T12:00Z"
    for asked in ({}, {"as_of": before}, {"as_of": then, "known_at": before}, {"meter": "input"}, {"everything": True}):
        with connect(api.url) as connection:
            times = {name: answers.read_instant(value) for name, value in asked.items() if name in ("as_of", "known_at")}
            expected = answers.prices(connection, given, **{**asked, **times})
        found = api.get(f"/api/v1/models/{given}/prices", "admin", **asked)["data"]
        names = found[0].keys() - {"seen_until"}
        said = [json.dumps({name: row[name] for name in names}, sort_keys=True) for row in found]
        assert sorted(said) == sorted(json.dumps({name: row[name] for name in names}, sort_keys=True) for row in expected)


def test_pages_of_prices_hold_each_once_in_the_order_of_the_whole(api: Api) -> None:
    path = f"/api/v1/models/{MODEL}/prices"
    whole = api.get(path, "admin", everything=True)
    rows = [
        row
        for offset in range(0, whole["meta"]["total"], 4)
        for row in api.get(path, "admin", everything=True, limit=4, offset=offset)["data"]
    ]
    assert rows == whole["data"]
    assert len(rows) == whole["meta"]["total"] > 8
    beyond = api.get(path, "admin", everything=True, offset=10_000)
    assert (beyond["data"], beyond["meta"]["total"]) == ([], whole["meta"]["total"])


def test_the_page_of_a_model_that_very_many_sell_has_the_prices_of_a_hundred_of_them(own_api: Api) -> None:
    with own_api.connect() as connection:
        columns = [row[0] for row in connection.execute(
            "select attname from pg_attribute where attrelid = 'catalog.price_span'::regclass and attnum > 0 order by attnum"
        )]  # fmt: skip
        values = [
            "'seller' || number" if name == "provider" else "'seller' || number || ':m'" if name == "offer" else name for name in columns
        ]
        connection.execute(
            f"insert into catalog.price_span select {', '.join(values)} from generate_series(1, 150) as number, (select * from catalog.price_span"
            " where model = %s and meter = 'input' and variant is null and snapshot is null and service_tier = 'standard' and prompt_above_tokens = 0"
            " and time_window is null and detail is null and upper(served_in) is null limit 1) as one",
            [MODEL],
        )
    found = own_api.get(ONE, "admin")["data"]["prices_by_provider"]
    assert len(found) == len({one["provider"] for one in found}) == 100
    assert own_api.get(f"{ONE}/prices", "admin", meter="input")["meta"]["total"] > 150


def test_history_shows_each_price_with_the_one_before_it_and_pages_hold_each_once(api: Api) -> None:
    with api.connect() as connection:
        model = connection.execute(
            "select model from catalog.price_span where model is not null group by model having count(distinct served_in) > 1 order by 1 limit 1"
        ).fetchone()[0]
        spans = connection.execute("select count(*) from catalog.price_span where model = %s and variant is null", [model]).fetchone()[0]
    path = f"/api/v1/models/{model}/history"
    rows = [row for offset in range(0, spans, 3) for row in api.get(path, "admin", limit=3, offset=offset)["data"]]
    assert len(rows) == spans == api.get(path, "admin", offset=10_000)["meta"]["total"]
    assert [row["since"] for row in rows] == sorted((row["since"] for row in rows), reverse=True)
    changed = [row for row in rows if row["before_state"] is not None]
    assert changed
    assert all((row["before_state"], row["before_amount"]) != (row["state"], row["amount"]) or row["source"] for row in changed)


def test_compared_models_differ_where_it_is_said(api: Api) -> None:
    found = api.get("/api/v1/models/compare", "pro", ids=f"gpt-4o,{OTHER}")["data"]
    assert found["asked"] == {"gpt-4o": MODEL, OTHER: OTHER}
    assert [model["id"] for model in found["models"]] == [MODEL, OTHER]
    assert {"name", "input_usd_per_mtok"} <= {*found["differing"]}
    assert "author" not in found["differing"]
    assert {name for name, (one, two) in found["attributes"].items() if one != two} == {*found["differing"]}
    assert api.client("pro").get("/api/v1/models/").status_code == 404
    assert api.get(f"{ONE}/", "pro")["data"]["id"] == MODEL
    assert api.client("pro").head(ONE).status_code == 200
    for wrong in ("gpt-4o", "gpt-4o,gpt-4o", ",".join(f"m{n}" for n in range(11)), ""):
        assert api.client().get("/api/v1/models/compare", params={"ids": wrong}).status_code == 422


def test_ten_long_ids_can_be_compared_and_none_is_longer_than_an_id_may_be(api: Api) -> None:
    with api.connect() as connection:
        found = connection.execute(
            "select provider || '/' || max(listed_id) from history.link where upper_inf(seen) and length(listed_id) > 20 and model is not null"
            " group by provider, model order by length(max(listed_id)) desc limit 10"
        ).fetchall()
    ids = [one for (one,) in found]
    assert len(", ".join(ids)) > 300
    assert [*api.get("/api/v1/models/compare", "admin", ids=", ".join(ids))["data"]["asked"]] == ids
    longest = [f"{number}{'x' * 299}" for number in range(10)]
    assert api.client().get("/api/v1/models/compare", params={"ids": ", ".join(longest)}).status_code == 404
    assert api.client().get("/api/v1/models/compare", params={"ids": f"{MODEL},{longest[0]}x"}).status_code == 422


def test_providers_are_counted_over_what_the_caller_sees(api: Api) -> None:
    for tier in ("free", "enterprise"):  # see access/test_followed_at_once.py for what is hidden
        visible = {row["id"] for row in api.get("/api/v1/models", tier, limit=100)["data"]}
        with api.connect() as connection:
            expected = dict(
                connection.execute(
                    "select provider, count(distinct coalesce(model, offer)) from catalog.offer where listed and coalesce(model, offer) = any(%s) group by 1",
                    [[*visible]],
                ).fetchall()
            )
        found = api.get("/api/v1/providers", tier, limit=500)
        assert {row["provider"]: row["models"] for row in found["data"]} == expected
        assert found["meta"]["total"] == len(expected)
        with api.connect() as connection:
            sold = "select count(distinct coalesce(model, offer)) from catalog.offer where listed and coalesce(model, offer) = any(%s)"
            assert found["meta"]["models"] == connection.execute(sold, [[*visible]]).fetchone()[0]
        assert found["meta"]["offers"] == sum(row["offers"] for row in found["data"])


def test_a_cost_is_exact_and_that_of_the_command_line(api: Api) -> None:
    used = {"input": "1234567", "output": 0.1, "cache_read": 3}
    found = (
        api.client("pro")
        .post("/api/v1/cost", json={"model": "gpt-4o", "usage": used, "provider": "openai", "at": "2026-05-19T12:00Z"})
        .json()["data"]
    )
    at = datetime(2026, 5, 19, 12, tzinfo=UTC)
    with connect(api.url) as connection:
        expected = {
            offer: evaluate(rows, usage({"input": 1234567, "output": Decimal("0.1"), "cache_read": 3}), at)
            for offer, rows in offers_at(connection, "gpt-4o", at, datetime.now(UTC), "openai").items()
        }
    assert {one["offer"]: {name: Decimal(amount) for name, amount in one["totals"].items()} for one in found} == {
        offer: one.totals for offer, one in expected.items()
    }
    assert found[0]["totals"]["USD"] == "3.08642225"


def test_a_number_counts_with_all_the_digits_it_is_written_with(api: Api) -> None:
    client = api.client("pro")

    def asked(count: str) -> Any:
        body = f'{{"model": "gpt-4o", "provider": "openai", "usage": {{"input": {count}}}}}'
        return client.post("/api/v1/cost", content=body, headers={"Content-Type": "application/json"})

    for count in ("123456789012345.123456", '"123456789012345.123456"', "0.000000000001"):
        assert asked(count).json()["data"][0]["lines"][0]["quantity"] == count.strip('"')
    for wrong in ("1e400", "NaN", "-0.5", "0.0000000000001"):
        assert asked(wrong).status_code == 422, wrong
    for wrong in ("1e99999999999999999999999", "1.2.3"):
        assert asked(wrong).status_code in (400, 422), wrong


def test_a_provider_that_never_sold_the_model_is_not_found_and_one_that_did_not_yet_has_no_price(api: Api) -> None:
    asked = {"model": MODEL, "usage": {"input": 1}}
    for provider in ("anthropic", "no such provider"):
        answer = api.client("pro").post("/api/v1/cost", json=asked | {"provider": provider})
        said = f"{provider!r} never sold {MODEL!r}. GET /api/v1/models/{MODEL}/offers names who does."
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, said)
    answer = api.client("pro").post("/api/v1/cost", json=asked | {"provider": "openai", "at": "2001-01-01"})
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": {"inputs": 1}},
        {"usage": {"input": -1}},
        {"usage": {"input": "NaN"}},
        {"usage": {}},
        {"more": 1},
        {"usage": {"reasoning": 5}},
    ],
    ids=str,
)
def test_a_count_that_is_none_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    answer = api.client().post("/api/v1/cost", json={"model": MODEL, "usage": {"input": 1}, **wrong})
    assert answer.status_code == 422


def test_what_is_disabled_is_nowhere_but_for_admins(own_api: Api) -> None:
    api, hidden, absent = own_api, MODEL, "openai/gpt-0o"
    with api.connect() as connection:
        named = [row[0] for row in connection.execute("select distinct listed_id from history.link where model = %s", [hidden])]
        connection.execute(
            "update access.decision set said_status = 'disabled', decided_by = 'a test', decided_at = now() where model_id = %s", [hidden]
        )
        connection.execute("update catalog.model set replaced_by = %s where model = %s", [hidden, OTHER])
    before = api.get("/api/v1/models", "pro")["meta"]["total"]
    republish(api)
    with api.connect() as connection:  # as a maker may say it
        connection.execute(
            "update catalog.model_card set replaced_by = %s, derivative_of = %s where model_id = %s", [hidden, hidden, OTHER]
        )
    assert api.get("/api/v1/models", "pro")["meta"]["total"] == before - 1
    for tier in (None, "free", "pro", "enterprise"):
        client = api.client(tier)
        for part in PARTS:
            answers_ = [client.get(f"/api/v1/models/{given}{part}") for given in (hidden, absent)]
            assert [answer.status_code for answer in answers_] == [404, 404], (tier, part)
            told = [
                json.dumps(answer.json()["error"]["message"]).replace(given, "")
                for answer, given in zip(answers_, (hidden, absent), strict=True)
            ]
            assert told[0] == told[1]
        for path, asked in (
            ("/api/v1/models", {"limit": 100}), ("/api/v1/models", {"q": "gpt-4o", "limit": 100}), ("/api/v1/models", {"as_of": "2026-05-19", "limit": 100}),
            ("/api/v1/providers", {"limit": 500}), ("/api/v1/disputes", {"status": "all", "limit": 500}), (f"/api/v1/models/{OTHER}", {}),
        ):  # fmt: skip
            answer = client.get(path, params=asked)
            assert f'"{hidden}"' not in answer.text, (tier, path)
            assert f":{hidden}" not in answer.text.replace(OTHER, ""), (tier, path)
        assert client.get("/api/v1/models/compare", params={"ids": f"{hidden},{OTHER}"}).status_code == 404
        assert client.get("/api/v1/disputes", params={"model": hidden}).status_code == 404
        assert client.post("/api/v1/cost", json={"model": hidden, "usage": {"input": 1}}).status_code == 404
        found = client.post("/api/v1/resolve", json={"ids": [*named, absent][:100]}).json()["data"]
        assert {(one["status"], one["model"], len(one["links"])) for one in found} == {("unknown", None, 0)}
    for part in PARTS:
        assert api.client("admin").get(f"/api/v1/models/{hidden}{part}").status_code == 200
    assert api.get(f"/api/v1/models/{OTHER}", "admin")["data"]["replaced_by"] == hidden


def test_a_plan_that_is_disabled_is_not_shown_with_its_model(own_api: Api) -> None:
    api = own_api
    with api.connect() as connection:
        plan, base = connection.execute(
            "select decision.model_id, base_model_id from access.decision join catalog.model_card as card on card.model_id = base_model_id"
            " where visible_enterprise order by 1 limit 1"
        ).fetchone()
        offers = [row[0] for row in connection.execute("select offer from catalog.offer where model || ':' || variant = %s", [plan])]
    assert any(offer in api.client("enterprise").get(f"/api/v1/models/{base}/offers").text for offer in offers)
    with api.connect() as connection:
        connection.execute(
            "update access.decision set said_status = 'disabled', decided_by = 'a test', decided_at = now() where model_id = %s", [plan]
        )
    republish(api)
    for part in PARTS:
        text = api.client("enterprise").get(f"/api/v1/models/{base}{part}").text
        assert not [offer for offer in offers if f'"{offer}"' in text], part
        assert api.client("enterprise").get(f"/api/v1/models/{plan}{part}").status_code == 404
    assert not [
        offer
        for offer in offers
        if offer in api.client("enterprise").post("/api/v1/cost", json={"model": base, "usage": {"input": 1}}).text
    ]
    assert any(offer in api.client("admin").get(f"/api/v1/models/{base}/offers").text for offer in offers)


def test_a_quick_start_holds_the_id_as_text_of_its_language_and_no_key() -> None:
    hostile = 'it\'s "x"\\; $(rm -rf ~) `id` ${HOME}'
    for name, provider in providers().items():
        start = quick_start(name, hostile)
        tree = ast.parse(start["python"])
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert hostile in said or provider.style == "google"
        assert hostile not in start["curl"]  # its quotes are written another way
        assert f"${provider.key}" in start["curl"]
        assert provider.key in start["python"]
        assert provider.key in start["javascript"]
        assert all(start[text].count(provider.url) == 1 for text in ("curl", "python", "javascript"))


def test_the_id_of_a_quick_start_is_the_providers_own_and_the_undated_one() -> None:
    def listed(source: str, listed_id: str, snapshot: str = "", provider: str = "openai") -> dict[str, Any]:
        return {"provider": provider, "source": source, "listed_id": listed_id, "snapshot": snapshot}

    rows = [
        listed("litellm", "openai/gpt-4o"),
        listed("litellm", "gpt-4o-l"),
        listed("models_dev", "gpt-4o-2024", "2024"),
        listed("models_dev", "gpt-4o"),
    ]
    assert [start["model"] for start in quick_starts([*rows, listed("models_dev", "x", provider="nobody knows")])] == ["gpt-4o"]
    assert quick_starts([listed("litellm", "azure/gpt-4o")]) == []
