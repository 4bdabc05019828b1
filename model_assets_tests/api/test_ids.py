"""What an id, and the name of a provider, means over HTTP: the same everywhere, however somebody spells it."""

import json
from urllib.parse import quote

from model_assets.database import connect
from model_assets.identity.corrections import keep_correction
from model_assets.identity.links import refresh_links
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets_tests.api.conftest import Api, republish, serving
from model_assets_tests.api.injections import INJECTIONS
from model_assets_tests.conftest import copy_of
from model_assets_tests.small_ledger import at, load

MODEL, OTHER = "openai/gpt-4o", "openai/gpt-4o-mini"
ONE = f"/api/v1/models/{MODEL}"
PARTS = ("", "/prices", "/history", "/offers", "/versions", "/benchmarks", "/news", "/discussions", "/jobs")


def test_any_id_of_any_source_leads_to_the_model_and_the_answer_says_what_it_means(api: Api) -> None:
    with api.connect() as connection:
        links = connection.execute(
            "select listed_id, provider, model, variant from history.link where upper_inf(seen) and model is not null"
        ).fetchall()
    meant: dict[str, set[str]] = {}
    for listed_id, provider, model, _ in links:
        for given in (listed_id, f"{provider}/{listed_id}", model):
            meant.setdefault(given, set()).add(model)
    ids = sorted(meant)
    for start in range(0, len(ids), 100):
        asked = {"ids": ids[start : start + 100]}
        for one in api.client("admin").post("/api/v1/resolve", json=asked).json()["data"]:
            # whatever a provider calls so, a canonical id is the one that is meant
            models = {one["given"]} & meant[one["given"]] or meant[one["given"]]
            assert {link["model"] for link in one["links"]} == models, one["given"]
    for listed_id, provider, model, variant in links[::12]:
        found = api.get(f"/api/v1/models/{provider}/{listed_id}", "admin")["data"]
        assert (found["asked"], found["resolved_as"]["model"], found["id"]) == (f"{provider}/{listed_id}", model, model)
        assert found["resolved_as"]["variant"] in (variant or None, None)
    assert api.get("/api/v1/models/gpt-4o", "pro")["data"]["id"] == MODEL


def test_a_provider_is_the_same_however_a_source_spells_it(api: Api) -> None:
    spellings = [
        ("amazon-bedrock", "bedrock", "anthropic/claude-haiku-4-5"), ("google", "gemini", "google/gemini-2.5-flash"),
        ("deepseek", "DeepSeek", "deepseek/deepseek-chat"),
    ]  # fmt: skip
    of_model = [f"/api/v1/models/{{}}/{part}" for part in ("prices", "offers", "history")]
    paths = [*of_model, "/api/v1/disputes", "/api/v1/changes", "/api/v1/models", "/v1/models", "/api/admin/models"]
    told_of = set()
    for own, spelled, model in spellings:
        for path in paths:
            one, other = (api.get(path.format(model), "admin", provider=name) for name in (own, spelled))
            assert one | {"timestamp": None} == other | {"timestamp": None}, (path, spelled)
            told_of |= {path} if one.get("changes") or one.get("data") else set()
        asked = {"model": model, "usage": {"input": 1000}, "at": "2026-05-19T12:00Z"}
        one, other = (api.client("admin").post("/api/v1/cost", json=asked | {"provider": name}).json()["data"] for name in (own, spelled))
        assert one == other
        assert {cost["offer"].partition(":")[0] for cost in one} == {own}
    assert told_of == set(paths)


def test_ids_are_resolved_together_and_an_unknown_one_is_said_to_be(api: Api) -> None:
    ids = ["gpt-4o", MODEL, "no such thing", "gpt-4o"]
    found = api.client("pro").post("/api/v1/resolve", json={"ids": ids}).json()["data"]
    assert [one["given"] for one in found] == ids
    assert [(one["status"], one["model"]) for one in found] == [("resolved", MODEL)] * 2 + [("unknown", None)] + [("resolved", MODEL)]
    assert found[0]["links"][0].keys() >= {"rule", "confidence", "snapshot", "variant"}
    assert api.client().post("/api/v1/resolve", json={"ids": ["x"] * 101}).status_code == 422
    assert api.client().post("/api/v1/resolve", json={"ids": []}).status_code == 422


def test_an_id_of_several_listings_of_no_known_model_is_ambiguous_as_its_page_says(server: str, template: str) -> None:
    names = ["unheard-of-by-anybody", *(f"crowd-{number}" for number in range(40))]
    models = [{"id": name, "prices": {"input_mtok": 1, "output_mtok": 2}} for name in names]
    body = json.dumps([{"id": host, "models": models} for host in ("one-host", "another-host")]).encode()
    with copy_of(server, template) as url:
        load(url, at(0), body, "genai_prices")
        settle(url, read_settings({}).model_policy_file)
        with serving(url) as api:
            ids = ["unheard-of-by-anybody", "one-host/unheard-of-by-anybody"]
            both, one = api.client("admin").post("/api/v1/resolve", json={"ids": ids}).json()["data"]
            assert (both["status"], both["model"]) == ("ambiguous", None)
            assert {link["provider"] for link in both["links"]} == {"one-host", "another-host"}
            assert (one["status"], len(one["links"])) == ("unresolved", 1)
            assert [api.client("admin").get(f"/api/v1/models/{given}").status_code for given in ids] == [409, 200]


def test_every_id_of_openrouters_list_leads_to_what_its_entry_is_whatever_else_is_called_so(api: Api) -> None:
    entries = {model["id"]: model["access"]["model_id"] for model in api.get("/api/models", "admin", enhanced="true")["data"]}
    with api.connect() as connection:
        repeated = "select count(*) from history.link where listed_id = 'openrouter/auto' and upper_inf(seen)"
        assert connection.execute(repeated).fetchone()[0] > 1
        checked = connection.execute(
            "select id, said.model_id from unnest(%s::text[]) as id, access.can_user_use_model('a user', id) as said", (list(entries),)
        ).fetchall()
    assert dict(checked) == entries
    for start in range(0, len(entries), 100):
        asked = {"ids": list(entries)[start : start + 100]}
        for one in api.client("admin").post("/api/v1/resolve", json=asked).json()["data"]:
            assert one["status"] in ("resolved", "unresolved")
            assert one["model"] is None or entries[one["given"]].startswith(one["model"])


def test_an_id_of_openrouters_own_feed_is_what_openrouter_says_though_others_list_it_as_another_model(own_api: Api) -> None:
    given, other = "openrouter/auto", "openai/gpt-4o-mini"
    with connect(own_api.url) as connection:
        keep_correction(connection, given, other, source="models_dev", provider=None, since=None, why="to see", by="somebody")
        refresh_links(connection)
    with own_api.connect() as reader:
        listed = reader.execute("select distinct coalesce(model, offer) from history.link where listed_id = %s", [given]).fetchall()
    assert len(listed) == 2
    republish(own_api)
    [entry] = [model for model in own_api.get("/api/models", "admin", enhanced="true")["data"] if model["id"] == given]
    page = own_api.get(f"/api/v1/models/{given}", "admin")["data"]
    [resolved] = own_api.client("admin").post("/api/v1/resolve", json={"ids": [given]}).json()["data"]
    assert (page["id"], resolved["model"]) == (entry["access"]["model_id"], None)
    assert page["id"] != other


def test_no_text_as_an_id_is_more_than_an_id_that_nobody_has(api: Api) -> None:
    client = api.client("pro")
    for text in INJECTIONS[::3]:
        for path in (f"/api/v1/models/{quote(text, safe='')}", f"/api/v1/models/{quote(text, safe='')}/prices"):
            assert client.get(path).status_code in (404, 422), text
        assert client.get("/api/v1/disputes", params={"model": text}).status_code in (404, 422), text
        assert client.get("/api/v1/disputes", params={"provider": text}).json().get("data", []) == [], text
        assert client.post("/api/v1/cost", json={"model": text, "usage": {"input": 1}}).status_code in (404, 422), text
    found = client.post("/api/v1/resolve", json={"ids": [text for text in INJECTIONS if "\0" not in text][:100]}).json()["data"]
    assert {one["status"] for one in found} == {"unknown"}
    answer = client.post("/api/v1/resolve", content=b'{"ids": ["\\ud800"]}', headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
