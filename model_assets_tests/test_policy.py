from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.access.policy import Policy, Rule, load_policy, store_policy
from model_assets.errors import SettingsError
from model_assets.sql_models import deploy, load_models
from model_assets_tests.access.world import link
from model_assets_tests.test_catalog_sql import listing, price, rows


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there, and no policy."""
    with database.connect() as connection:
        deploy(connection, load_models())
        store_policy(connection, Policy())
        yield connection
        connection.rollback()


def model(connection: Connection, listed_id: str, prices: str, **values: Any) -> None:
    """Put a listing and its prices (`input=1 output=dynamic image=0`) into the ledger."""
    listing(connection, listed_id, 1, **values)
    for meter, said in (quoted.split("=") for quoted in prices.split()):
        amount = None if said.isalpha() else said
        price(connection, amount, 1, state=said if said.isalpha() else None, listed_id=listed_id, meter=meter)


def allowed(connection: Connection, tier: str) -> list[str]:
    return list(connection.scalars(text(f"select listed_id from access.{tier}_models order by 1")))


def rule(tier: str = "pro", effect: str = "allow", position: int = 1, **conditions: Any) -> Rule:
    return Rule(tier, position, effect, **conditions)


def policy(*rules: Rule) -> Policy:
    return Policy(rules)


# --- the terms of a listing ---


@pytest.mark.parametrize(
    ("prices", "state"),
    [
        ("input=0 output=0", "free"),
        ("input=0 output=0 cache_read=0", "free"),
        ("input=0 output=0 web_search=included", "free"),
        ("input=0 output=0 image=2", "paid"),
        ("input=0 output=0 image=unknown", "unknown"),
        ("input=0 output=0 image=dynamic", "dynamic"),
        ("input=0", "unknown"),
        ("image=0", "unknown"),
        ("input=0 output=unknown", "unknown"),
        ("input=1 output=unknown", "unknown"),
        ("input=1 output=2", "paid"),
        ("input=1 output=2 image=unknown", "paid"),
        ("input=0 output=2", "paid"),
        ("input=1", "paid"),
        ("image=1", "paid"),
        ("input=included output=included", "included"),
        ("input=0 output=included", "included"),
        ("input=dynamic output=dynamic", "dynamic"),
        ("input=1 output=dynamic", "dynamic"),
        ("", "unknown"),
    ],
)
def test_free_has_to_be_proven_and_what_is_not_known_is_unknown(ledger: Connection, prices: str, state: str) -> None:
    model(ledger, "m", prices)
    assert rows(ledger, "select state from access.listing_terms") == [(state,)]


def test_the_base_price_is_the_standard_one_in_usd(ledger: Connection) -> None:
    model(ledger, "m", "input=1 output=2")
    price(ledger, "0.5", 1, service_tier="batch")
    price(ledger, "3", 1, prompt_above_tokens=200_000)
    price(ledger, "7", 1, currency="CNY")
    assert rows(ledger, "select input_usd_per_mtok, output_usd_per_mtok from access.listing_terms") == [(1, 2)]


def test_prices_of_hours_only_count_as_the_dearest_of_them(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    for window, into, out in (("00:00-08:00 UTC", "0.5", "3"), ("08:00-24:00 UTC", "1", "2")):
        price(ledger, into, 1, time_window=window)
        price(ledger, out, 1, meter="output", time_window=window)
    price(ledger, "9", 1, time_window="08:00-24:00 UTC", service_tier="priority")
    assert rows(ledger, "select state, input_usd_per_mtok, output_usd_per_mtok from access.listing_terms") == [("paid", 1, 3)]


def test_a_price_of_the_whole_day_is_the_base_price_whatever_some_hours_cost(ledger: Connection) -> None:
    model(ledger, "m", "input=1 output=2")
    price(ledger, "5", 1, time_window="08:00-16:00 UTC")
    price(ledger, "0.5", 1, meter="output", time_window="08:00-16:00 UTC")
    assert rows(ledger, "select input_usd_per_mtok, output_usd_per_mtok from access.listing_terms") == [(1, 2)]


def test_an_hour_whose_price_is_not_known_leaves_the_dearest_hour_unknown(ledger: Connection) -> None:
    model(ledger, "m", "output=2")
    price(ledger, "1", 1, time_window="00:00-08:00 UTC")
    price(ledger, None, 1, time_window="08:00-24:00 UTC")
    assert rows(ledger, "select state, input_usd_per_mtok, output_usd_per_mtok from access.listing_terms") == [("unknown", None, 2)]


def test_hours_that_are_free_do_not_prove_that_the_day_is(ledger: Connection) -> None:
    model(ledger, "m", "output=0")
    price(ledger, "0", 1, time_window="00:00-08:00 UTC")
    assert rows(ledger, "select state, input_usd_per_mtok from access.listing_terms") == [("unknown", 0)]


def test_a_listing_is_retired_when_its_announced_last_day_is_over(ledger: Connection) -> None:
    ledger.execute(text("set local time zone 'Pacific/Kiritimati'"))  # its day begins 14 hours before the one of UTC
    today = datetime.now(UTC).date()
    for name, days, lifecycle in (("over", -1, None), ("said otherwise", -1, "stable"), ("last day", 0, None), ("later", 1, "beta")):
        model(ledger, name, "input=0 output=0", lifecycle=lifecycle)
        said = {"name": name, "day": today + timedelta(days=days)}
        ledger.execute(text("update history.listing set retires_on = :day where listed_id = :name"), said)
    assert rows(ledger, "select listed_id, lifecycle from access.listing_terms order by 1") == [
        ("last day", "stable"),
        ("later", "beta"),
        ("over", "retired"),
        ("said otherwise", "retired"),
    ]
    store_policy(ledger, load_policy())
    for tier in ("free", "pro", "enterprise"):
        assert allowed(ledger, tier) == ["last day", "later"]


# --- who may use what ---


def test_an_empty_policy_allows_nothing(ledger: Connection) -> None:
    model(ledger, "m", "input=0 output=0")
    assert [allowed(ledger, tier) for tier in ("free", "pro", "enterprise")] == [[], [], []]


def test_a_tier_without_an_allow_rule_may_use_nothing(ledger: Connection) -> None:
    model(ledger, "m", "input=0 output=0")
    store_policy(ledger, policy(rule("pro", ids=".*"), rule("free", "deny", 2, ids="nothing")))
    assert [allowed(ledger, tier) for tier in ("free", "pro", "enterprise")] == [[], ["m"], []]


def test_the_free_tier_never_gets_what_is_dynamic_unknown_or_partly_paid(ledger: Connection) -> None:
    for name, prices in {"free": "input=0 output=0", "router": "input=dynamic output=dynamic", "half": "input=0 output=1"}.items():
        model(ledger, name, prices)
    for name, prices in {"images": "input=0 output=0 image=1", "silent": "input=unknown output=unknown", "none": ""}.items():
        model(ledger, name, prices)
    store_policy(ledger, load_policy())
    assert allowed(ledger, "free") == ["free"]
    store_policy(ledger, policy(rule("free", ids=".*"), rule("enterprise", position=2, ids=".*")))
    assert allowed(ledger, "free") == ["free", "half", "images"]
    assert len(allowed(ledger, "enterprise")) == 6


def test_a_deny_rule_beats_every_allow_rule_of_its_tier_and_no_other(ledger: Connection) -> None:
    model(ledger, "m", "input=1 output=1", author="lab")
    denied = rule("pro", "deny", 1, authors=("lab",))
    store_policy(ledger, policy(denied, rule("pro", position=2, ids="m"), rule("enterprise", position=3, ids="m")))
    assert (allowed(ledger, "pro"), allowed(ledger, "enterprise")) == ([], ["m"])


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({"providers": ("host",)}, True),
        ({"providers": ("other",)}, False),
        ({"providers": ()}, False),
        ({"authors": ("lab",)}, True),
        ({"authors": ("other", "lab")}, True),
        ({"authors": ()}, False),
        ({"ids": "^lab/"}, True),
        ({"ids": "^m$"}, False),
        ({"states": ("paid", "free")}, True),
        ({"states": ("free",)}, False),
        ({"lifecycles": ("stable",)}, True),
        ({"lifecycles": ("beta",)}, False),
        ({"licences": ("mit", "apache-2.0")}, True),
        ({"licences": ("gemma",)}, False),
        ({"licences": ()}, False),
        ({"licence_classes": ("safe",)}, False),
        ({"modalities": ("image", "video")}, True),
        ({"modalities": ("audio",)}, False),
        ({"max_input_usd_per_mtok": Decimal(1)}, True),
        ({"max_input_usd_per_mtok": Decimal("0.99")}, False),
        ({"max_output_usd_per_mtok": Decimal(2), "ids": "m"}, True),
        ({"max_output_usd_per_mtok": Decimal(2), "ids": "x"}, False),
    ],
)
def test_a_rule_matches_when_all_of_its_conditions_do(ledger: Connection, conditions: dict[str, Any], matches: bool) -> None:
    model(ledger, "lab/m", "input=1 output=2", author="lab", license="Apache-2.0", input_modalities=["text"], output_modalities=["image"])
    store_policy(ledger, policy(rule(**conditions)))
    assert bool(allowed(ledger, "pro")) is matches


def test_a_price_that_is_not_known_is_below_no_bound_and_a_missing_author_in_no_list(ledger: Connection) -> None:
    model(ledger, "m", "image=1")
    store_policy(ledger, policy(rule(max_output_usd_per_mtok=Decimal(1000)), rule(position=2, authors=("lab",))))
    assert allowed(ledger, "pro") == []


def test_the_default_policy_keeps_retired_and_dear_models_where_they_belong(ledger: Connection) -> None:
    model(ledger, "cheap", "input=5 output=25")
    model(ledger, "dear", "input=5 output=25.01")
    model(ledger, "old", "input=0 output=0", lifecycle="deprecated")
    model(ledger, "dead", "input=0 output=0", lifecycle="retired")
    model(ledger, "plan", "input=included output=included")
    model(ledger, "free", "input=0 output=0", lifecycle="beta")
    store_policy(ledger, load_policy())
    assert allowed(ledger, "free") == ["free"]
    assert allowed(ledger, "pro") == ["cheap", "free"]
    assert allowed(ledger, "enterprise") == ["cheap", "dear", "free", "old", "plan"]


def test_the_default_policy_keeps_routers_and_placeholders_from_the_free_tier_even_where_a_list_says_0(ledger: Connection) -> None:
    routers = ["auto", "auto-beta", "auto-model", "bodybuilder", "fusion", "openrouter/auto", "openrouter/openrouter/auto", "x/pareto-code"]
    placeholders = ["custom", "fireworks-ai-default"]
    models = [
        "auto/m",
        "custom-7b",
        "default/m",
        "kilo-auto/free",
        "lab/auto-coder-7b",
        "lab/fusion-7b",
        "moonshot-v1-auto",
        "openrouter/free",
    ]
    for name in routers + placeholders + models:
        model(ledger, name, "input=0 output=0")
    store_policy(ledger, load_policy())
    assert allowed(ledger, "free") == models


def test_why_names_the_first_rule_that_allows(ledger: Connection) -> None:
    model(ledger, "m", "input=1 output=1")
    store_policy(ledger, policy(rule(ids="x"), rule(position=2, ids="m", note="we like it"), rule(position=3, ids="m")))
    assert rows(ledger, "select name, input_usd_per_mtok, why from access.pro_models") == [(None, 1, "rule 2: we like it")]


# --- the file ---


def test_the_default_policy_loads_with_its_rules_numbered() -> None:
    rules = load_policy().rules
    assert [found.position for found in rules] == [1, 2, 3, 4, 5, 6]
    assert {found.tier for found in rules} == {"free", "pro", "enterprise"}
    assert [found.effect for found in rules] == ["allow", "deny", "deny", "allow", "allow", "allow"]
    assert rules[4].max_output_usd_per_mtok == 25


def test_a_bound_is_the_decimal_that_is_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: 0.1}]")
    assert load_policy(path).rules[0].max_input_usd_per_mtok == Decimal("0.1")


def test_a_policy_without_rules_is_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text("rules: []")
    assert load_policy(path) == Policy()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "`rules:`"),
        ("rules: {tier: pro}", "should be a list"),
        ("rules: [pro]", "rule 1: `key: value` lines are expected"),
        ("rules: [{tier: pro, effect: allow, model: m}]", "rule 1: unknown key 'model'"),
        ("rules: [{tier: pro, effect: allow, ids: m}, {tier: gold, effect: allow, ids: m}]", "rule 2: unknown tier 'gold'. Write one of"),
        ("rules: [{effect: allow, ids: m}]", "rule 1: no tier"),
        ("rules: [{tier: pro, effect: maybe, ids: m}]", "rule 1: unknown effect 'maybe'"),
        ("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: -1}]", "rule 1: max_input_usd_per_mtok: a number of USD, 0 or more"),
        ("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: .nan}]", "0 or more"),
        ("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: yes}]", "not True"),
        ("rules: [{tier: pro, effect: allow, ids: '('}]", "rule 1: ids: '(' is not a regular expression"),
        ("rules: [{tier: pro, effect: allow, ids: 5}]", "rule 1: ids: 5 is not a regular expression"),
        ("rules: [{tier: pro, effect: allow, providers: openai}]", "rule 1: providers: a list of texts is expected"),
        ("rules: [{tier: pro, effect: allow, states: [cheap]}]", "rule 1: states: unknown value 'cheap'"),
        ("rules: [{tier: pro, effect: allow}]", "rule 1: a rule without a condition would allow everything"),
        ("rules: [{tier: pro, effect: allow, providers: }]", "rule 1: providers: nothing stands behind it"),
        ("rules: [{tier: pro, effect: allow, ids: a, ids: b}]", "'ids' is written twice"),
        ("rules: [", "is not YAML"),
        ("rules: [{tier: pro, effect: allow, licence_classes: [fine]}]", "rule 1: licence_classes: unknown value 'fine'"),
        ("{rules: [], models: []}", "nothing but `new_models:`"),
        ("{rules: [], new_models: 7}", "`activate_after_days:` and a number of days, 0 or more, is expected, not 7"),
        ("{rules: [], new_models: {activate_after_days: -1}}", "0 or more, is expected"),
        ("{rules: [], new_models: {activate_after_days: yes}}", "0 or more, is expected"),
        ("{rules: [], new_models: {activate_after_days: 7, other: 1}}", "0 or more, is expected"),
        ("rules: [{tier: pro, effect: allow, ids: m, note: 2026-13-45}]", "a value cannot be read: month must be in 1..12"),
        (f"rules: [{{tier: pro, effect: allow, max_input_usd_per_mtok: {'9' * 5000}}}]", "a value cannot be read"),
        ("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: '1e200000'}]", "a number of USD, 0 or more"),
        ("rules: [{tier: pro, effect: allow, max_input_usd_per_mtok: '1e-200000'}]", "a number of USD, 0 or more"),
        (
            "rules: [{tier: pro, effect: allow, ids: 'a{99999999999999999999}'}]",
            "is not a regular expression: the repetition number is too large",
        ),
        (f"rules: [{{tier: pro, effect: allow, ids: '{'(' * 5000}{')' * 5000}'}}]", "is not a regular expression: it is nested too deeply"),
        ('rules: [{tier: pro, effect: allow, ids: m, note: "a\\0"}]', "rule 1: note: it holds a character that cannot be stored"),
        ('rules: [{tier: pro, effect: allow, providers: ["\\ud800"]}]', "rule 1: providers: it holds a character that cannot be stored"),
        (f"rules: {'[' * 5000}{']' * 5000}", "is nested too deeply"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_and_rule(tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "policy.yml"
    path.write_text(written)
    with pytest.raises(SettingsError) as found:
        load_policy(path)
    assert str(path) in str(found.value)
    assert said in str(found.value)


def test_after_how_long_new_models_are_admitted_is_read_and_stored(tmp_path: Path, ledger: Connection) -> None:
    path = tmp_path / "policy.yml"
    path.write_text("{rules: [], new_models: {activate_after_days: 7}}")
    assert load_policy(path) == Policy((), timedelta(days=7))
    assert store_policy(ledger, load_policy(path))
    assert not store_policy(ledger, load_policy(path))
    assert rows(ledger, "select activate_new_after from access.policy_setting") == [(timedelta(days=7),)]


def test_the_class_of_a_licence_is_that_of_the_place_where_the_weights_are_published(ledger: Connection) -> None:
    for licence_class, name in (("safe", "open"), ("gated", "shut")):
        said = {"extra": f'{{"licence_class": "{licence_class}"}}', "license": "mit", "source": "huggingface", "provider": "huggingface"}
        listing(ledger, f"lab/{name}", 1, **said)
        model(ledger, name, "input=1 output=1")
        link(ledger, f"lab/{name}", f"lab/{name}", source="huggingface", provider="huggingface")
        link(ledger, name, f"lab/{name}")
    store_policy(ledger, policy(rule(licence_classes=("safe",))))
    assert allowed(ledger, "pro") == ["open"]
    store_policy(ledger, policy(rule(licences=("mit",))))
    assert allowed(ledger, "pro") == ["open", "shut"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.yml cannot be read"):
        load_policy(tmp_path / "gone.yml")


def test_storing_the_same_policy_again_writes_nothing(ledger: Connection) -> None:
    assert store_policy(ledger, load_policy())
    before = rows(ledger, "select xmin, * from access.policy")
    assert not store_policy(ledger, load_policy())
    assert rows(ledger, "select xmin, * from access.policy") == before
    assert store_policy(ledger, Policy(load_policy().rules[:1]))
    assert rows(ledger, "select count(*) from access.policy") == [(1,)]


def test_a_regular_expression_that_only_postgres_refuses_is_named_and_leaves_the_old_policy(ledger: Connection) -> None:
    store_policy(ledger, policy(rule(ids="m")))
    with pytest.raises(SettingsError, match=r"rule 1 \(pro\): ids: .* Postgres says"):
        store_policy(ledger, policy(rule(ids="(?P<name>m)")))
    assert rows(ledger, "select ids from access.policy") == [("m",)]
