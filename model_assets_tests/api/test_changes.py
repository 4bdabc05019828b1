"""GET /api/v1/changes: who sees which change, cursors, and the three formats."""

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import defusedxml.ElementTree
import pytest

from model_assets.changes.feed import BadCursor, Cursor, read_cursor
from model_assets.changes.formats import ATOM
from model_assets.database import connect
from model_assets_tests.api.conftest import Api, republish, serving
from model_assets_tests.changes.world import load, told
from model_assets_tests.conftest import copy_of

HOSTILE = "</title><script>alert(1)</script> {{7*7}} '; DROP TABLE x;-- [a](javascript:alert(1)) =cmd| \x01\ufffe&amp;"
PATH = "/api/v1/changes"


def free_for_all(api: Api, name: str) -> None:
    """Somebody lets everybody use a model."""
    with api.connect() as connection:
        connection.execute(
            "update access.decision set said_free = true, said_pro = true, said_status = 'active', decided_by = 'a test', decided_at = now()"
            " where model_id like %s",
            (f"%/{name}",),
        )
    republish(api)


@pytest.fixture(scope="module")
def shop(server: str, template: str) -> Iterator[Api]:
    """Three days: `f` (for everybody) and `a` (for who pays) change their price each day, `b` is new and waits."""
    with copy_of(server, template) as url:
        for number in range(3):
            usd = f"0.00000{10 + number}"
            load(url, number, {"a": usd, "f": usd} | ({"b": usd} if number else {}), published=number == 2)
        with serving(url) as api:
            free_for_all(api, "f")
            yield api


def names(found: dict[str, Any]) -> set[str]:
    return {one["model_id"].rpartition("/")[2] for one in found["changes"]}


def all_of(api: Api, tier: str | None, **parameters: Any) -> list[dict[str, Any]]:
    """Page by page to the end."""
    found: list[dict[str, Any]] = []
    page = api.get(PATH, tier, **parameters)
    while True:
        found += page["changes"]
        if not page["more"]:
            return found
        page = api.get(PATH, tier, **parameters, cursor=page["next_cursor"])


def test_a_caller_sees_the_changes_of_the_models_that_their_tier_sees(shop: Api) -> None:
    assert names(shop.get(PATH)) == names(shop.get(PATH, "free")) == {"f"}
    assert names(shop.get(PATH, "pro")) == {"a", "f"}
    assert names(shop.get(PATH, "admin")) == {"a", "b", "f"}


def test_who_could_not_see_a_model_come_is_told_when_it_is_there_for_them(server: str, template: str) -> None:
    with copy_of(server, template) as url:
        load(url, 0, {"a": "0.000001"})
        with serving(url) as api:
            load(url, 1, {"a": "0.000001", "b": "0.000001"})
            republish(api)
            end = api.get(PATH, "pro")["next_cursor"]
            free_for_all(api, "b")
            [found] = api.get(PATH, "pro", **({"cursor": end} if end else {"type": "model_available"}))["changes"]
            assert (found["type"], found["before"], found["after"]) == (
                "model_available",
                {"tiers": []},
                {"tiers": ["free", "pro", "enterprise"]},
            )
            republish(api)
            assert len(api.get(PATH, type="model_available")["changes"]) == 1


def test_an_answer_tells_nobody_how_much_of_it_is_hidden(shop: Api) -> None:
    found = shop.get(PATH, limit=500)
    assert set(found) == {"changes", "next_cursor", "more"}
    assert found["more"] is False
    assert "change_id" not in str(found)
    hidden = [str(one["id"]) for one in told(shop.url) if not one["model_id"].endswith("/f")]
    assert hidden
    text = shop.client().get(PATH).text
    assert not [one for one in hidden if one in text]


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_cursors_skip_nothing_and_repeat_nothing(shop: Api, limit: int, order: str) -> None:
    whole = [one["id"] for one in shop.get(PATH, "admin", limit=500)["changes"]]
    paged = [one["id"] for one in all_of(shop, "admin", limit=limit, order=order)]
    assert paged == (whole if order == "oldest" else whole[::-1])
    assert whole == [str(one["id"]) for one in told(shop.url)]


def test_the_last_cursor_goes_on_when_more_comes(server: str, template: str) -> None:
    with copy_of(server, template) as url:
        load(url, 0, {"a": "0.000001"})
        load(url, 1, {"a": "0.0000011"})
        with serving(url) as api:
            end = api.get(PATH, "admin")
            assert len(end["changes"]) == 2
            assert api.get(PATH, "admin", cursor=end["next_cursor"]) == {"changes": [], "next_cursor": end["next_cursor"], "more": False}
            load(url, 2, {"a": "0.0000012"})
            republish(api)
            assert [one["after"]["amount"] for one in api.get(PATH, "admin", cursor=end["next_cursor"])["changes"]] == ["1.2", "1.2"]


def test_filters_by_type_model_provider_and_time(shop: Api) -> None:
    assert {one["type"] for one in all_of(shop, "admin", type="model_added,offer_added")} == {"model_added", "offer_added"}
    assert {one["type"] for one in all_of(shop, "admin", type=["model_added"])} == {"model_added"}
    [model] = {one["model_id"] for one in all_of(shop, None)}
    assert names(shop.get(PATH, "admin", model=model)) == {"f"}
    assert shop.get(PATH, "admin", provider="nobody")["changes"] == []
    late = all_of(shop, "admin", since="2026-01-03T02:00:00", type="price_changed")
    assert {one["at"] for one in late} == {"2026-01-03T02:00:00Z"}
    assert shop.client("admin").get(PATH, params={"type": "model_added,odd"}).status_code == 400
    for wrong in ({"limit": 0}, {"limit": 501}, {"since": "yesterday"}, {"order": "odd"}, {"format": "odd"}):
        assert shop.client("admin").get(PATH, params=wrong).status_code == 422


@pytest.mark.parametrize("since", ["", " ", "yesterday", "2026-13-01", "2026", "20991231", "1779156000"])
def test_an_instant_that_is_none_is_refused_in_words(shop: Api, since: str) -> None:
    answer = shop.client("admin").get(PATH, params={"since": since})
    said = "The request is not valid: query.since: that is no instant. Write one like 2026-05-19T02:00:00Z, or a day like 2026-05-19, or leave it out."
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, said)


def test_a_cursor_that_was_never_given_out_is_400(shop: Api) -> None:
    good = shop.get(PATH, "admin", limit=1)["next_cursor"]
    rand = random.Random(5)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    edited = [good[:place] + rand.choice(letters.replace(good[place], "")) + good[place + 1 :] for place in range(1, 23)]
    odd = [
        "x",
        good[1:],
        good + "A",
        good + "=",
        "n" * 23,
        "p" + "A" * 22,
        good.upper(),
        "é" * 23,
        "' or 1=1 --",
        "\x00" * 23,
        "%00",
        "-1",
        "0",
    ]
    for cursor in edited + odd:
        answer = shop.client("admin").get(PATH, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_CURSOR"), cursor


def test_a_cursor_reads_back_as_it_was_written() -> None:
    for _ in range(200):
        made = Cursor(__import__("uuid").uuid4(), random.random() < 0.5)
        assert read_cursor(str(made)) == made
    with pytest.raises(BadCursor):
        read_cursor("")


# --- formats ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/atom+xml", "application/atom+xml"),
        ("application/feed+json, application/json;q=0.9", "application/feed+json"),
        ("text/html, application/atom+xml;q=0.5, application/json;q=0.1", "application/atom+xml"),
        ("application/json;q=0, application/*;q=0.1", "application/json"),
    ],
)
def test_accept_picks_the_format(shop: Api, accept: str, kind: str) -> None:
    answer = shop.client("admin").get(PATH, headers={"accept": accept})
    assert answer.headers["content-type"].split(";")[0] == kind
    assert "Accept" in answer.headers["vary"]


def test_what_is_none_of_the_formats_is_406_and_the_parameter_goes_before_accept(shop: Api) -> None:
    assert shop.client("admin").get(PATH, headers={"accept": "text/html"}).status_code == 406
    answer = shop.client("admin").get(PATH, params={"format": "atom"}, headers={"accept": "text/html"})
    assert answer.headers["content-type"].startswith("application/atom+xml")


def test_an_atom_feed_has_all_that_rfc_4287_requires_the_newest_first(shop: Api) -> None:
    answer = shop.client("admin").get(PATH, params={"format": "atom", "limit": 3})
    feed = defusedxml.ElementTree.fromstring(answer.content)
    space = {"a": ATOM}
    assert feed.tag == f"{{{ATOM}}}feed"
    for parent in (feed, *feed.findall("a:entry", space)):
        assert [len(parent.findall(f"a:{name}", space)) for name in ("id", "title", "updated")] == [1, 1, 1]
        assert parent.find("a:id", space).text.startswith(("http", "urn:uuid:"))
    assert feed.find("a:author/a:name", space).text
    assert feed.find("a:link[@rel='self']", space).get("href").endswith("format=atom&limit=3")
    ids = [entry.find("a:id", space).text for entry in feed.findall("a:entry", space)]
    assert ids == [f"urn:uuid:{one['id']}" for one in reversed(told(shop.url))][:3]
    following = urlsplit(feed.find("a:link[@rel='next']", space).get("href"))
    older = defusedxml.ElementTree.fromstring(shop.client("admin").get(f"{following.path}?{following.query}").content)
    assert not {entry.find("a:id", space).text for entry in older.findall("a:entry", space)} & set(ids)


def test_a_json_feed_has_all_that_its_version_requires(shop: Api) -> None:
    feed = shop.get(PATH, "admin", format="jsonfeed", limit=2)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert all(item["id"] and (item["content_text"] or item["content_html"]) for item in feed["items"])
    assert [item["_model_assets"]["id"] for item in feed["items"]] == [str(one["id"]) for one in reversed(told(shop.url))][:2]
    assert feed["next_url"].startswith("http")


def test_an_empty_feed_is_whole(server: str, template: str) -> None:
    with copy_of(server, template) as url, serving(url) as api:
        assert api.get(PATH) == {"changes": [], "next_cursor": None, "more": False}
        feed = defusedxml.ElementTree.fromstring(api.client().get(PATH, params={"format": "atom"}).content)
        assert feed.find(f"{{{ATOM}}}updated").text == "1970-01-01T00:00:00Z"


def test_what_hostile_names_hold_is_text_and_nothing_else(server: str, template: str) -> None:
    with copy_of(server, template) as url:
        load(url, 0, {"a": "0.000001"})
        load(url, 1, {"a": "0.0000011"})
        with connect(url) as connection:
            connection.exec_driver_sql("update catalog.change set provider = %s, model_id = %s, model = null", (HOSTILE, HOSTILE))
        with serving(url) as api:
            body = api.client("admin").get(PATH, params={"format": "atom"}).content
            assert b"<script" not in body
            feed = defusedxml.ElementTree.fromstring(body)
            shown = HOSTILE.replace("\x01", "\N{REPLACEMENT CHARACTER}").replace("\ufffe", "\N{REPLACEMENT CHARACTER}")
            [title, _] = [one.text for one in feed.findall(f".//{{{ATOM}}}entry/{{{ATOM}}}title")]
            assert shown in title
            assert {one.tag.removeprefix(f"{{{ATOM}}}") for one in feed.iter()} == {
                "feed", "id", "title", "updated", "author", "name", "link", "entry", "published", "category", "content",
            }  # fmt: skip
            links = [one.get("href") for one in feed.iter(f"{{{ATOM}}}link")]
            assert all(one.startswith(api.address) for one in links)
            assert api.get(PATH, "admin")["changes"][0]["provider"] == HOSTILE


# --- caching ----------------------------------------------------------------------------------------------------------------------------


def test_each_format_and_tier_has_a_tag_of_its_own_and_is_not_sent_twice(shop: Api) -> None:
    tags = set()
    for tier in (None, "pro", "admin"):
        for kind in ("json", "atom", "jsonfeed"):
            answer = shop.client(tier).get(PATH, params={"format": kind})
            tags.add(answer.headers["etag"])
            again = shop.client(tier).get(PATH, params={"format": kind}, headers={"if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
    assert len(tags) == 9


def test_a_kept_page_is_not_served_in_another_format_or_under_another_host(shop: Api) -> None:
    client = shop.client("admin")
    assert client.get(PATH, headers={"accept": "application/json"}).json()["changes"]
    assert client.get(PATH, headers={"accept": "application/atom+xml"}).content.startswith(b"<?xml")
    assert b"evil.test" in client.get(PATH, params={"format": "atom"}, headers={"host": "evil.test"}).content
    assert b"evil.test" not in client.get(PATH, params={"format": "atom"}).content
