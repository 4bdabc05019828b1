"""models.dev, from payloads small enough to read."""

import json
from datetime import date
from decimal import Decimal

import pytest

from model_assets.contracts import Listing, Price
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed
from model_assets.sources.models_dev import SOURCE, is_subscription, parse
from model_assets_tests.sources.damaged import amounts, outcomes, said, sound


def one(cost: object = None, provider: str = "lab", **entry: object) -> Parsed:
    """What becomes of one model `m`."""
    return parse({provider: {"id": provider, "models": {"m": entry | ({} if cost is None else {"cost": cost})}}})


# Prices


def test_prices_are_usd_per_million_tokens_as_quoted():
    cost = {"input": 3, "output": Decimal("15.5"), "cache_read": Decimal("0.3"), "cache_write": Decimal("3.75"), "reasoning": 15}
    assert amounts(one(cost | {"input_audio": 40, "output_audio": 80})) == {
        ("input",): "3", ("output",): "15.5", ("cache_read",): "0.3", ("cache_write_5m",): "3.75", ("reasoning",): "15",
        ("input_audio",): "40", ("output_audio",): "80",
    }  # fmt: skip


def test_a_float_s_noise_is_not_a_price():
    found = amounts(one({"input": Decimal("0.30000000000000004"), "output": Decimal("0.049999999999999996")}))
    assert found == {("input",): "0.3", ("output",): "0.05"}


def test_a_price_that_is_not_stated_is_unknown_and_no_zero():
    for parsed in (one(), one({})):
        assert amounts(parsed) == {("input",): "unknown", ("output",): "unknown"}
        assert parsed.rejects == []


def test_a_zero_is_free_and_in_a_subscription_included():
    assert [(p.state, p.amount) for p in one({"input": 0, "output": 0}).prices] == [("free", 0)] * 2
    assert [(p.state, p.amount) for p in one({"input": 0, "output": Decimal("0.0")}, "zai-coding-plan").prices] == [("included", None)] * 2
    assert amounts(one({"input": 1, "output": 2}, "github-copilot")) == {("input",): "1", ("output",): "2"}


def test_plans_are_subscriptions_and_free_endpoints_are_not():
    assert all(
        map(is_subscription, ("alibaba-coding-plan-cn", "xiaomi-token-plan-ams", "firepass", "gitlab", "opencode-go", "some-step-plan"))
    )
    assert not any(map(is_subscription, ("opencode", "lmstudio", "nvidia", "github-models", "planet", "explanation")))


def test_a_tier_holds_above_its_size():
    cost = {"input": 1, "output": 4, "tiers": [{"input": 2, "output": 6, "tier": {"type": "context", "size": 272000}}]}
    assert amounts(one(cost)) == {("input",): "1", ("output",): "4", ("input", 272000): "2", ("output", 272000): "6"}


def test_the_old_key_for_long_prompts_counts_only_where_there_are_no_tiers():
    cost = {"input": 1, "output": 4, "context_over_200k": {"input": 2, "output": 6}}
    assert amounts(one(cost)) == {("input",): "1", ("output",): "4", ("input", 200000): "2", ("output", 200000): "6"}
    both = one(cost | {"tiers": [{"input": 2, "output": 6, "tier": {"type": "context", "size": 256000}}]})
    assert [p.prompt_above_tokens for p in both.prices] == [0, 0, 256000, 256000]
    assert (both.price_values, both.share_mapped) == (6, 1)


def test_a_tier_by_something_else_is_reported_and_makes_no_row():
    parsed = one({"input": 1, "output": 4, "tiers": [{"input": 2, "output": 6, "tier": {"type": "output", "size": 9}}]})
    assert amounts(parsed) == {("input",): "1", ("output",): "4"}
    assert parsed.unmapped == {"cost.tiers[other type].input": 1, "cost.tiers[other type].output": 1}
    assert parsed.share_mapped == 0.5


@pytest.mark.parametrize(
    "tier", [None, {}, {"type": "context"}, {"type": "context", "size": -1}, {"type": "context", "size": 2**70}, "context", 5]
)
def test_a_tier_whose_bound_cannot_be_read_puts_the_prices_of_its_listing_in_doubt(tier: object):
    (reject,) = one({"input": 1, "output": 4, "tiers": [{"input": 2, "tier": tier}]}).rejects
    assert (reject.relation, reject.listed_id, reject.row) == ("price", "m", None)


def test_a_mode_is_a_second_price_list_under_the_tier_one_asks_for():
    modes = {
        "fast": {"cost": {"input": 30, "output": 150}, "provider": {"body": {"speed": "fast"}}},
        "quick": {"cost": {"input": 5, "output": 9}, "provider": {"body": {"service_tier": "priority"}}},
        "quiet": {"provider": {}},
    }
    parsed = one({"input": 6, "output": 30}, experimental={"modes": modes})
    assert amounts(parsed) == {
        ("input",): "6", ("output",): "30", ("input", "fast"): "30", ("output", "fast"): "150",
        ("input", "priority"): "5", ("output", "priority"): "9",
    }  # fmt: skip
    kept = json.loads(said(parsed).extra)["experimental"]["modes"]
    assert kept["fast"] == {"provider": {"body": {"speed": "fast"}}}
    assert said(one(experimental=True)).extra == '{"experimental":true}'


def test_a_price_key_that_no_rule_maps_is_reported():
    parsed = one({"input": 1, "output": 2, "per_song": Decimal("0.5"), "video": {"second": 1, "note": "soon"}})
    assert parsed.unmapped == {"cost.per_song": 1, "cost.video.second": 1}
    assert parsed.drift == {"cost.video.note": 1}
    assert (parsed.price_values, parsed.share_mapped) == (4, 0.5)


@pytest.mark.parametrize("bad", ["free", "", -1, Decimal("-0.5"), True, [], {}, 2**70, Decimal("1e-300"), "NaN", "Infinity"])
def test_what_is_no_price_is_rejected_and_only_that_price_is_in_doubt(bad: object):
    parsed = one({"input": bad, "output": 2})
    (reject,) = parsed.rejects
    assert isinstance(reject.row, Price)
    assert (reject.relation, reject.row.meter, reject.row.amount) == ("price", "input", None)
    assert amounts(parsed) == {("output",): "2"}


def test_a_cost_that_lost_a_required_key_freezes_that_price():
    parsed = one({"inputs": 3, "output": 2})
    (reject,) = parsed.rejects
    assert isinstance(reject.row, Price)
    assert (reject.row.meter, reject.reason) == ("input", "cost has no input")
    assert parsed.unmapped == {"cost.inputs": 1}


@pytest.mark.parametrize("cost", ["3", 3, [], [{"input": 1}], True])
def test_a_cost_that_is_no_object_puts_all_prices_in_doubt_and_keeps_the_listing(cost: object):
    parsed = one(cost)
    assert said(parsed).listed_id == "m"
    assert [(r.relation, r.listed_id, r.row) for r in parsed.rejects] == [("price", "m", None)]
    assert parsed.prices == []


# Listings


def test_a_listing_says_what_the_entry_says():
    parsed = parse({
        "lab": {
            "id": "lab", "doc": "https://lab.example/docs", "npm": "@ai-sdk/lab", "env": ["KEY"], "name": "Lab",
            "models": {
                "a/b:free": {
                    "id": "a/b:free", "name": "Model B ", "family": "b", "attachment": True, "reasoning": False, "tool_call": True,
                    "structured_output": False, "interleaved": {"field": "reasoning_content"}, "knowledge": "2025-03",
                    "release_date": "2025-11-04", "last_updated": "2025-11-05", "open_weights": False, "status": "beta",
                    "modalities": {"input": ["text", "pdf"], "output": ["text"]}, "limit": {"context": 200000, "output": 0},
                    "reasoning_options": [], "provider": {"npm": "@ai-sdk/other"},
                }
            },
        }
    })  # fmt: skip
    assert said(parsed) == Listing(
        provider="lab", listed_id="a/b:free", name="Model B", family="b", released_on=date(2025, 11, 4), released_on_precision="day",
        knowledge_cutoff=date(2025, 3, 1), knowledge_cutoff_precision="month", context_tokens=200000, input_modalities=("pdf", "text"),
        output_modalities=("text",), capabilities=("attachment", "interleaved", "tool_call"), open_weights=False, lifecycle="beta",
        docs_url="https://lab.example/docs",
        extra='{"interleaved":{"field":"reasoning_content"},"last_updated":"2025-11-05","provider":{"npm":"@ai-sdk/other"},"structured_output":false}',
    )  # fmt: skip
    assert not parsed.oddities
    assert not parsed.drift


def test_what_is_not_said_is_null():
    assert said(one()) == Listing("lab", "m")


def test_unknown_keys_are_kept_and_counted():
    parsed = parse({"p": {"models": {"m": {"speed": 7, "limit": {"images": 3}, "modalities": {"both": []}}}, "region": "eu"}})
    assert json.loads(said(parsed).extra) == {"speed": 7, "limit.images": 3, "modalities.both": []}
    assert parsed.drift == {"model.speed": 1, "model.limit.images": 1, "model.modalities.both": 1, "provider.region": 1}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("release_date", "2025-25-11"), ("release_date", "1970-01-01"), ("release_date", 2025), ("knowledge", "2025-02-31"),
        ("status", "legacy"), ("status", 3), ("name", ["a"]), ("name", "a" * 1_000_000),
        ("limit", []), ("limit", {"context": 99999999}), ("limit", {"context": 2**70}),
        ("limit", {"context": Decimal("1e300")}), ("limit", {"output": True}), ("modalities", "text"), ("modalities", {"input": "text"}),
        ("modalities", {"input": [3]}), ("open_weights", "yes"), ("tool_call", 1), ("interleaved", "yes"), ("id", "other"), ("family", 3),
    ],
)  # fmt: skip
def test_an_optional_field_that_cannot_be_used_is_null_and_reported(field: str, found: object):
    parsed = sound(one(**{field: found}))
    (oddity,) = parsed.oddities
    assert oddity.field.split(".")[0] == field
    assert said(parsed)[:-1] == Listing("lab", "m")[:-1]
    assert not parsed.rejects


@pytest.mark.parametrize("experimental", ["fast", [], 3])
def test_an_experimental_that_is_neither_yes_nor_an_object_is_reported(experimental: object):
    assert [oddity.field for oddity in one({"input": 1, "output": 2}, experimental=experimental).oddities] == ["experimental"]


@pytest.mark.parametrize("doc", ["javascript:alert(1)", "file:///etc/passwd", "//evil.example", "https://a b", 7, "ftp://x"])
def test_only_http_addresses_are_documentation(doc: object):
    parsed = parse({"p": {"doc": doc, "models": {"m": {}}}})
    assert said(parsed).docs_url is None
    assert [(o.listed_id, o.field) for o in parsed.oddities] == [("p", "doc")]


def test_texts_that_postgres_refuses_are_cleaned_wherever_they_stand():
    dirty = "a\x00b\u202e\u200b\ud800c"
    parsed = sound(one(name=dirty, family=dirty, strange=dirty, last_updated=dirty, modalities={"input": [dirty, "text"]}))
    assert (said(parsed).name, said(parsed).family, said(parsed).input_modalities) == ("abc", "abc", ("text",))
    assert json.loads(said(parsed).extra) == {"strange": "abc", "last_updated": "abc"}
    assert len(parsed.oddities) == 3
    assert said(one(name="<script>{{7*7}}</script>'; DROP TABLE")).name == "<script>{{7*7}}</script>'; DROP TABLE"


# Entries and envelopes


@pytest.mark.parametrize("listed_id", ["", "  ", "a\x00b", "a\u202eb", "a\ud800", "a\nb", "a" * 513])
def test_an_id_that_is_none_rejects_the_listing_and_nothing_else(listed_id: str):
    parsed = sound(parse({"p": {"models": {listed_id: {"cost": {"input": 1, "output": 1}}, "good": {}}}}))
    assert [row.listed_id for row in parsed.listings] == ["good"]
    assert [(r.relation, r.provider, r.listed_id) for r in parsed.rejects] == [("listing", "p", None)]


@pytest.mark.parametrize("entry", [None, "gone", 4, True, []])
def test_a_model_that_is_no_object_is_rejected_by_itself(entry: object):
    parsed = sound(parse({"p": {"models": {"bad": entry, "good": {}}}}))
    assert [row.listed_id for row in parsed.listings] == ["good"]
    assert [(r.relation, r.provider, r.listed_id) for r in parsed.rejects] == [("listing", "p", "bad")]


@pytest.mark.parametrize("about", [None, "gone", [], {}, {"models": []}, {"models": None}])
def test_a_provider_that_is_broken_is_rejected_by_itself(about: object):
    parsed = sound(parse({"bad": about, "good": {"models": {"m": {}}}}))
    assert [row.provider for row in parsed.listings] == ["good"]
    assert [(r.relation, r.provider, r.listed_id) for r in parsed.rejects] == [("listing", "bad", None)]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        None,
        "text",
        3,
        True,
        {"error": "down"},
        {"error": {"code": 500}},
        {"data": []},
        {"p": {"models": {}}},
        {"p": {"models": {"m": 1}}},
    ],
)
def test_a_payload_that_is_no_catalogue_is_refused_whole(payload: object):
    with pytest.raises(BadPayload):
        parse(payload)


def test_the_source_names_itself():
    assert (SOURCE.name, SOURCE.url) == ("models_dev", "https://models.dev/api.json")
    assert SOURCE.description.startswith("models.dev:")


# Mutations

MADE = {
    "lab": {
        "id": "lab", "env": ["KEY"], "npm": "@ai-sdk/lab", "api": "https://${HOST}/v1", "name": "Lab", "doc": "https://lab.example",
        "models": {
            "m": {
                "id": "m", "name": "M", "family": "m", "attachment": True, "reasoning": True, "temperature": False, "tool_call": True,
                "structured_output": True, "interleaved": {"field": "reasoning_content"}, "knowledge": "2025-03",
                "release_date": "2025-11-04", "last_updated": "2025-11",
                "modalities": {"input": ["text"], "output": ["text"]}, "open_weights": False, "status": "beta",
                "limit": {"context": 400000, "input": 272000, "output": 128000}, "provider": {"npm": "@ai-sdk/other"},
                "reasoning_options": [{"type": "effort", "values": ["low", None]}],
                "cost": {
                    "input": Decimal("1.25"), "output": 10, "cache_read": Decimal("0.125"),
                    "tiers": [{"input": Decimal("2.5"), "output": 15, "tier": {"type": "context", "size": 272000}}],
                    "context_over_200k": {"input": Decimal("2.5"), "output": 15},
                },
                "experimental": {
                    "modes": {"fast": {"cost": {"input": 30, "output": 150}, "provider": {"body": {"service_tier": "priority"}}}}
                },
            },
            "n": {"id": "n", "name": "N"},
        },
    }
}  # fmt: skip


def test_every_mutation_of_a_made_payload_has_a_declared_outcome():
    count = outcomes(parse, MADE)
    assert count.total() > 1_000
    assert min(count["refused whole"], count["rejected"], count["reported"], count["plain rows"]) > 10
