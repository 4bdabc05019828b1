"""The page of a model with all that tells of it: what the curated file says, news that name it, and its weights at Hugging Face."""

import json
from collections.abc import Iterator

import pytest

from model_assets import loading
from model_assets.fetching.http import Policy
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.sources.curated import SOURCE as CURATED
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.conftest import copy_of
from model_assets_tests.sources.hub_server import repository
from model_assets_tests.sources.test_hub import load as load_weights
from model_assets_tests.sources.test_huggingface import zipped
from model_assets_tests.sources.test_news import item, payload, rss
from model_assets_tests.sources.test_news import load as load_news

MODEL, SMALL, OPEN, REPOSITORY = "openai/gpt-4o", "openai/gpt-4o-mini", "deepseek/deepseek-r1", "deepseek-ai/DeepSeek-R1"
OLD, NEW = "a" * 40, "b" * 40
HOSTILE = "GPT-4o <script>alert(1)</script> \u202e"


@pytest.fixture(scope="module")
def told(server: str, bundled: str) -> Iterator[Api]:
    """The bundled recordings, the curated file that comes with the project, three items of news, and a repository with two versions of weights."""
    with copy_of(server, bundled) as url:
        [report] = loading.sync(url, [CURATED], Policy(), lambda _: None)
        assert report.errors == []
        load_news(
            url, 1, payload(a=rss(
                item(title="GPT-4o is here", guid="old", pubDate="Mon, 18 May 2026 10:00:00 GMT", link="https://a.example/old"),
                item(title=HOSTILE, guid="new", pubDate="Tue, 19 May 2026 10:00:00 GMT", link="javascript:alert(1)"),
                item(title="GPT-4o mini costs less", guid="small", pubDate="Tue, 19 May 2026 11:00:00 GMT"),
            )),
        )  # fmt: skip
        for day, sha in enumerate((OLD, NEW)):
            weights = {REPOSITORY: (sha, f"digest {sha}", 3, 1_000 + day)}
            load_weights(url, zipped([repository(REPOSITORY, sha)], weights=weights), day)
        settle(url, read_settings({}).model_policy_file)
        with serving(url) as api:
            yield api


def test_what_the_curated_file_says_of_a_model_is_on_its_page_and_null_where_it_says_nothing(told: Api) -> None:
    listings = CURATED.rows(read_settings({}).model_curated_file.read_bytes()).listings
    [said] = [json.loads(listing.extra) for listing in listings if listing.listed_id == "gpt-4o"]
    for given in (MODEL, "gpt-4o", said["slug"]):
        found = told.get(f"/api/v1/models/{given}", "pro")["data"]
        assert (found["id"], found["curated"]["slug"], found["curated"]["category"]) == (MODEL, said["slug"], said["category"])
        assert found["curated"]["best_for"]
        assert found["curated"]["not_for"]
        assert found["curated"]["url"].startswith("https://")
    assert told.get(f"/api/v1/models/{OPEN}", "pro")["data"]["id"] == OPEN
    with told.connect() as connection:
        query = "select model_id from catalog.model_card where visible_pro and model_id not in (select model from catalog.curated where model is not null)"
        [nobody] = connection.execute(f"{query} order by 1 limit 1").fetchone()
    assert told.get(f"/api/v1/models/{nobody}", "pro")["data"]["curated"] is None


def test_news_that_name_a_model_are_told_of_it_alone_the_newest_first_and_as_they_were_written(told: Api) -> None:
    found = told.get(f"/api/v1/models/{MODEL}/news", "pro")
    assert [(one["item"], one["title"]) for one in found["data"]] == [("new", HOSTILE), ("old", "GPT-4o is here")]
    assert [one["url"] for one in found["data"]] == [None, "https://a.example/old"]
    assert found["meta"]["total"] == 2
    assert told.get(f"/api/v1/models/{MODEL}/news", "pro", limit=1, offset=1)["data"] == found["data"][1:]
    assert [one["item"] for one in told.get(f"/api/v1/models/{SMALL}/news", "pro")["data"]] == ["small"]
    assert told.get(f"/api/v1/models/{MODEL}/discussions", "pro")["data"] == []
    assert [told.get(f"/api/v1/models/{one}", "pro")["data"]["counts"]["mentions"] for one in (MODEL, SMALL, OPEN)] == [2, 1, 0]


def test_the_versions_of_a_model_have_the_weights_of_its_own_repository(told: Api) -> None:
    found = told.get(f"/api/v1/models/{OPEN}/versions", "pro")["data"]
    assert {one["hugging_face_id"] for one in found["weights"]} == {REPOSITORY}
    assert [(one["version"], one["last_sha"], one["weight_bytes"]) for one in found["weights"]] == [(2, NEW, 1_001), (1, OLD, 1_000)]
    assert {provider for one in found["sold"] for provider in one["providers"]} == {"openrouter"}
    assert told.get(f"/api/v1/models/{MODEL}/versions", "pro")["data"]["weights"] == []
