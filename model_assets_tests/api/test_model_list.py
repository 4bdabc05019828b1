"""The list of models over HTTP, against the same rows filtered in Python; and nothing but the literal meaning of whatever is put into it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from model_assets_tests.api.conftest import Api
from model_assets_tests.api.injections import INJECTIONS

LIST = "/api/v1/models"
Row = dict[str, Any]


def everything(api: Api, tier: str | None = "admin", **asked: Any) -> list[Row]:
    """All rows of a list, by its cursors."""
    rows, cursor = [], None
    while True:
        page = api.get(LIST, tier, **asked, **({"cursor": cursor} if cursor else {}))
        rows += page["data"]
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            return rows


def usd(row: Row, meter: str = "input") -> Decimal | None:
    return Decimal(row["prices"][meter]["amount"]) if meter in row["prices"] else None


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Row], object]]] = {
    "provider": ({"provider": "openai"}, lambda row: "openai" in row["providers"]),
    "provider as a source spells it": ({"provider": "Vertex_AI"}, lambda row: "google-vertex" in row["providers"]),
    "author": ({"author": "openai"}, lambda row: row["author"] == "openai"),
    "status": ({"status": "active"}, lambda row: row["status"] == "active"),
    "modality": ({"modality": "image"}, lambda row: "image" in row["input_modalities"] + row["output_modalities"]),
    "input modality": ({"input_modality": "pdf"}, lambda row: "pdf" in row["input_modalities"]),
    "output modality": ({"output_modality": "text"}, lambda row: "text" in row["output_modalities"]),
    "capabilities": ({"capability": ["reasoning", "tool_call"]}, lambda row: {"reasoning", "tool_call"} <= {*row["capabilities"]}),
    "open weights": ({"open_weights": True}, lambda row: row["open_weights"] is True),
    "closed weights": ({"open_weights": False}, lambda row: row["open_weights"] is False),
    "context": ({"min_context": 200_000}, lambda row: (row["context_tokens"] or 0) >= 200_000),
    "price of the prompt": ({"max_price": "0.5"}, lambda row: usd(row) is not None and usd(row) <= Decimal("0.5")),
    "no price is no price of 0": ({"min_price": "0"}, lambda row: usd(row) is not None),
    "price of another meter": (
        {"meter": "cache_read", "min_price": "0.1", "max_price": "0.5"},
        lambda row: usd(row, "cache_read") is not None and Decimal("0.1") <= usd(row, "cache_read") <= Decimal("0.5"),
    ),
    "tier": ({"tier": "free"}, lambda row: "free" in row["tiers"]),
    "lifecycle": ({"lifecycle": "deprecated"}, lambda row: row["lifecycle"] == "deprecated"),
    "released after": ({"released_after": "2025-06-01"}, lambda row: row["released_on"] and row["released_on"] > "2025-06-01"),
    "free": ({"free": True}, lambda row: row["free"]),
    "not new": ({"new": False}, lambda row: not row["new"]),
    "words": ({"q": "Mini GPT"}, lambda row: "gpt" in row["id"] and "mini" in row["id"]),
    "all at once": (
        {"author": "openai", "capability": "reasoning", "max_price": "1", "q": "gpt"},
        lambda row: (
            row["author"] == "openai"
            and "reasoning" in row["capabilities"]
            and usd(row) is not None
            and usd(row) <= 1
            and "gpt" in row["id"]
        ),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_just_the_rows_that_it_says(api: Api, name: str) -> None:
    asked, meant = FILTERS[name]
    rows = everything(api)
    assert len(rows) > 50
    expected = [row["id"] for row in rows if meant(row)]
    found = api.get(LIST, "admin", limit=100, **asked)
    assert [row["id"] for row in found["data"]] == expected
    assert found["meta"]["total"] == len(expected)
    assert expected or name in ("lifecycle", "provider as a source spells it")


SORTS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row["name"].lower(),
    "released_on": lambda row: row["released_on"],
    "context_tokens": lambda row: row["context_tokens"],
    "providers": lambda row: row["provider_count"],
    "first_seen": lambda row: row["first_seen"],
    "changed_at": lambda row: row["changed_at"],
    "price": usd,
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_by_cursor_give_every_row_once_and_in_order_though_many_share_the_value(api: Api, sort: str, descending: bool) -> None:
    rows = everything(api, limit=7, sort=f"{'-' if descending else ''}{sort}")
    value = SORTS[sort]
    by_id = sorted(everything(api), key=lambda row: row["id"])
    known = sorted((row for row in by_id if value(row) is not None), key=value, reverse=descending)
    if descending:  # a reversed sort is stable too: equals stay in order of their ids
        known = sorted((row for row in by_id if value(row) is not None), key=lambda row: row["id"])
        known.sort(key=value, reverse=True)
    assert [row["id"] for row in rows] == [row["id"] for row in known] + [row["id"] for row in by_id if value(row) is None]
    by_number = [
        row
        for page in range(1, 40)
        for row in api.get(LIST, "admin", limit=7, page=page, sort=f"{'-' if descending else ''}{sort}")["data"]
    ]
    assert by_number == rows


def test_only_the_fields_that_are_asked_for_come(api: Api) -> None:
    assert api.get(LIST, "pro", fields="name,id", limit=1)["data"][0].keys() == {"name", "id"}
    assert api.client().get(LIST, params={"fields": "id,words"}).status_code == 422


def test_a_tier_sees_in_every_page_only_what_it_may(api: Api) -> None:
    rows = {tier: {row["id"] for row in everything(api, tier, limit=9)} for tier in (None, "free", "pro", "enterprise", "admin")}
    assert rows[None] == rows["free"] < rows["pro"] <= rows["enterprise"] < rows["admin"]
    for tier in ("free", "pro", "enterprise"):
        assert api.get(LIST, tier)["meta"]["total"] == len(rows[tier])
        may_use = {row["id"] for row in everything(api) if tier in row["tiers"]}
        assert may_use <= rows[tier]


@pytest.mark.parametrize(
    "wrong",
    [
        {"provder": "openai"}, {"limit": 0}, {"limit": 101}, {"page": 0}, {"sort": "words"}, {"meter": "inputs"}, {"max_price": "NaN"},
        {"max_price": "-1"}, {"min_context": "1e99"}, {"page": 2, "cursor": "x"}, {"as_of": "soon"}, {"as_of": "2026-05-18", "capability": "x"},
        {"as_of": "2026-05-18", "sort": "context_tokens"}, {"q": "\0"}, {"q": " "}, {"q": "a " * 21}, {"author": "a\0b"}, {"fields": "nothing"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_a_reason(api: Api, wrong: dict[str, Any]) -> None:
    answer = api.client("pro").get(LIST, params=wrong)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert answer.headers["cache-control"] == "no-store"


def test_a_cursor_that_was_edited_or_is_of_another_question_is_refused(api: Api) -> None:
    cursor = api.get(LIST, "pro", limit=2)["meta"]["next_cursor"]
    assert api.get(LIST, "pro", limit=5, cursor=cursor)["meta"]["offset"] is None
    for edited in (cursor[:-2], cursor + "A", cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:], "x", cursor + "=", "é" * 30):
        assert api.client("pro").get(LIST, params={"limit": 2, "cursor": edited}).status_code == 400, edited
    for other in ({"sort": "-name"}, {"author": "openai"}, {"as_of": "2026-05-19"}):
        assert api.client("pro").get(LIST, params={"cursor": cursor, **other}).status_code == 400, other
    assert api.client("enterprise").get(LIST, params={"cursor": cursor}).status_code == 400


def test_whatever_is_put_into_a_filter_is_taken_literally(api: Api) -> None:
    client, before = api.client("pro"), api.get(LIST, "pro")["meta"]["total"]
    assert len(INJECTIONS) >= 150
    for text in INJECTIONS:
        found = client.get(LIST, params={"q": text, "fields": "id"})
        assert found.status_code in (200, 422), text
        if found.status_code == 200:
            assert found.json()["meta"]["total"] == 0, text
        for name in ("author", "provider", "license", "capability", "modality"):
            answer = client.get(LIST, params={name: text, "fields": "id"})
            assert answer.status_code in (200, 422), (name, text)
            assert answer.status_code == 422 or answer.json()["data"] == [], (name, text)
    for text in INJECTIONS[::3]:
        for name in ("sort", "meter", "tier", "fields", "as_of", "limit", "max_price"):
            assert client.get(LIST, params={name: text}).status_code == 422, (name, text)
        assert client.get(LIST, params={"cursor": text}).status_code == 400, text
    assert api.get(LIST, "pro", sort="-name")["meta"]["total"] == before


def test_an_answer_has_the_tag_of_what_is_published_for_a_tier_and_is_not_sent_twice(api: Api) -> None:
    first = api.client("pro").get(LIST, params={"limit": 3})
    again = api.client("pro").get(LIST, params={"limit": 3}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.client("free").get(LIST, params={"limit": 3}, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_a_past_list_has_what_was_listed_then_at_the_prices_served_then(api: Api) -> None:
    then = "2026-05-18T12:00Z"
    with api.connect() as connection:
        expected = dict(
            connection.execute(
                "select link.model, array_agg(distinct link.sold_by order by link.sold_by) from history.link"
                " join history.listing using (key_id) join catalog.source_rank as rank on rank.source = history.listing.source"
                " where upper_inf(link.seen) and listing.seen @> %s::timestamptz and rank.sells and model is not null group by 1",
                [then],
            ).fetchall()
        )
        prices = dict(
            connection.execute(
                "select model, min(amount) from catalog.price_as_of(%s) where meter = 'input' and currency = 'USD' and state in ('paid', 'free')"
                " and service_tier = 'standard' and prompt_above_tokens = 0 and time_window is null and detail is null and variant is null group by 1",
                [then],
            ).fetchall()
        )
    rows = [row for row in everything(api, as_of=then, limit=11) if row["kind"] == "model"]
    assert {row["id"]: row["providers"] for row in rows} == expected
    assert {row["id"]: usd(row) for row in rows if usd(row) is not None} == {model: prices[model] for model in prices if model in expected}
    assert everything(api, as_of="2026-05-17") == []
    dear = everything(api, as_of=then, sort="-price", min_price="2")
    assert [usd(row) for row in dear] == sorted((usd(row) for row in dear), reverse=True)
    assert {row["id"] for row in dear if row["kind"] == "model"} == {model for model in expected if (prices.get(model) or 0) >= 2}
    sold = everything(api, as_of=then, provider="openai")
    assert {row["id"] for row in sold} == {model for model, sellers in expected.items() if "openai" in sellers}
