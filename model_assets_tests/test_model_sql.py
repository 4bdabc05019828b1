from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
import yaml
from sqlalchemy import Connection, Engine, text

from model_assets.sql_models import deploy, load_models, refresh, run_test
from model_assets_tests.test_catalog_sql import day, listing, price, rows
from model_assets_tests.test_referee_sql import claim, doubt, link

MODELS = load_models()
CANONICAL = {"source": "models_dev_models", "provider": "models.dev"}


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, MODELS)
        yield connection
        connection.rollback()


def fill(connection: Connection) -> None:
    for name in ("price_span", "offer", "model", "dispute"):
        refresh(connection, MODELS[f"catalog.{name}"])


def model(connection: Connection, columns: str, name: str = "lab/m") -> tuple[Any, ...]:
    fill(connection)
    [row] = connection.execute(text(f"select {columns} from catalog.model where model = :name"), {"name": name})
    return tuple(row)


def offers(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    fill(connection)
    return rows(connection, f"select {columns} from catalog.offer order by offer")


def said(connection: Connection, listed_id: str = "m", since: float = 1, until: float | None = None, **values: Any) -> None:
    """A listing of the model `lab/m`, sold by the provider that lists it: `host` by models_dev, unless told otherwise."""
    where = {"source": values.pop("source", "models_dev"), "provider": values.pop("provider", "host")}
    parts = {name: values.pop(name) for name in ("snapshot", "variant", "build", "model", "author", "offer") if name in values}
    linked = {"listed_id": listed_id, **where}
    if not connection.execute(
        text("select 1 from history.link where (source, provider, listed_id) = (:source, :provider, :listed_id)"), linked
    ).all():
        link(connection, sold_by=where["provider"], **linked, **parts)
    listing(connection, listed_id, since, until, **where, **values)


def sold(connection: Connection, provider: str, amount: str, **values: Any) -> None:
    """The model `lab/m` at a provider, at one price for prompt and answer."""
    said(connection, provider=provider, **values)
    for meter in ("input", "output"):
        price(connection, amount, 1, source="models_dev", provider=provider, meter=meter)


# --- identity ---


def test_every_listing_ever_seen_says_which_model_it_is_and_why(ledger: Connection) -> None:
    said(ledger, "m-fp8", name="M", build="fp8", offer="host:lab/m+fp8")
    said(ledger, "gone", until=3, model=None, offer="host:?gone")
    listing(ledger, "new", 2, source="models_dev")
    columns = "listed_id, name, listed, model, sold_by, build, snapshot, offer, rule, confidence, since, corrected_by"
    assert rows(ledger, f"select {columns} from catalog.identity order by listed_id") == [
        ("gone", None, False, None, "host", None, None, "host:?gone", "unresolved", 1, None, None),
        ("m-fp8", "M", True, "lab/m", "host", "fp8", None, "host:lab/m+fp8", "exact", 1, None, None),
        ("new", None, True, None, "host", None, None, "host:?new", "unresolved", 0, None, None),
    ]


def test_a_listing_is_what_it_was_last_held_to_be_and_names_who_corrected_it(ledger: Connection) -> None:
    listing(ledger, "m", 1, source="models_dev")
    link(ledger, model="lab/old", until=5)
    link(ledger, model="lab/new", since=5, rule="correction")
    ledger.execute(
        text("""
            insert into ops.identity_correction (source, listed_id, model, since, why, decided_by, undone_at, undone_by)
            values (null, 'm', 'lab/new', '2026-01-05Z', 'seen', 'ada', null, null),
                   ('models_dev', 'm', 'lab/x', '2026-01-05Z', 'seen', 'bob', now(), 'bob'),
                   ('litellm', 'm', 'lab/x', '2026-01-05Z', 'seen', 'eve', null, null)""")
    )
    assert rows(ledger, "select model, since, rule, corrected_by from catalog.identity") == [("lab/new", day(5), "correction", "ada")]


# --- offers ---


def test_an_offer_joins_the_listings_of_several_sources(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, listed_id="lab/m")
    claim(ledger, "litellm", "2", 1, listed_id="host/m")
    claim(ledger, "litellm", "6", 1, listed_id="host/m", meter="output")
    columns = "offer, provider, model, listed, sources, listed_ids, state, input_usd_per_mtok, output_usd_per_mtok, disputed, prices"
    told = ("host:lab/m", "host", "lab/m", True, ["litellm", "models_dev"], ["host/m", "lab/m"], "paid", 2, 6, False, 2)
    assert offers(ledger, columns) == [told]


def test_of_the_attributes_of_an_offer_the_first_in_rank_counts_and_what_is_shown_now_before_what_is_gone(ledger: Connection) -> None:
    said(ledger, "a", until=5, source="genai_prices", context_tokens=1, max_output_tokens=9)
    said(ledger, "b", source="litellm", context_tokens=2, retires_on=date(2099, 1, 1))
    said(ledger, "c", source="models_dev", context_tokens=3, lifecycle="beta")
    columns = "context_tokens, max_output_tokens, lifecycle, retires_on, first_seen, last_seen"
    assert offers(ledger, columns) == [(3, 9, "beta", date(2099, 1, 1), day(1), None)]


def test_an_offer_that_nobody_lists_any_more_has_an_end_and_no_price(ledger: Connection) -> None:
    said(ledger, until=5)
    price(ledger, "2", 1, 5, source="models_dev", effective_from=day(1))
    assert offers(ledger, "listed, state, input_usd_per_mtok, prices, last_seen") == [(False, None, None, 0, day(5))]


def test_the_base_price_is_that_of_standard_service_whatever_the_prompt(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    price(ledger, "1", 1, source="models_dev", service_tier="batch")
    price(ledger, "4", 1, source="models_dev", prompt_above_tokens=200_000)
    price(ledger, "3", 1, source="models_dev", region="eu")
    price(ledger, "9", 1, source="models_dev", currency="CNY")
    assert offers(ledger, "input_usd_per_mtok, output_usd_per_mtok, prices") == [(2, None, 5)]


def test_the_price_of_the_region_of_a_regional_offer_is_its_base_price(ledger: Connection) -> None:
    listing(ledger, "m", 1, source="models_dev")
    link(ledger, region="eu", offer="host:lab/m#eu")
    price(ledger, "3", 1, source="models_dev")
    assert offers(ledger, "offer, region, input_usd_per_mtok") == [("host:lab/m#eu", "eu", 3)]


def test_an_offer_whose_price_is_doubted_says_so(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "0", 10, source="models_dev")
    price(ledger, "0", 1, source="models_dev", meter="output")
    doubt(ledger, "models_dev", 10, "2")
    assert offers(ledger, "state, input_usd_per_mtok, held, unconfirmed, disputed") == [("paid", 2, True, False, False)]


def test_a_list_that_sells_nothing_makes_no_offer_and_gives_nobody_access(ledger: Connection) -> None:
    said(ledger, "lab/m", **CANONICAL)
    assert offers(ledger, "offer") == []
    assert rows(ledger, "select listed_id from access.listing_terms") == []
    assert model(ledger, "providers, offers, last_seen, retired_observed") == (0, 0, None, None)


# --- models ---


def test_the_makers_are_those_of_the_curated_file(ledger: Connection) -> None:
    providers = yaml.safe_load(resources.files("model_assets.identity").joinpath("providers.yml").read_text(encoding="utf-8"))["providers"]
    makers = sorted((name, about["author"]) for name, about in providers.items() if about["kind"] == "maker")
    assert rows(ledger, "select provider, author from catalog.maker order by 1") == makers


def test_attributes_come_from_the_list_of_models_then_its_maker_then_curated_lists_then_aggregators(ledger: Connection) -> None:
    openai = {"author": "openai", "model": "openai/m"}
    said(ledger, "openai/m", **CANONICAL, **openai, name="canonical")
    said(ledger, "m", provider="openai", source="litellm", **openai, name="maker", family="maker")
    said(ledger, "m", provider="host", **openai, name="curated", family="curated", license="curated")
    said(ledger, "m", provider="host", source="litellm", **openai, name="table", family="table", license="table", docs_url="table")
    columns = (
        "name, name_source, family, family_source, license, license_source, docs_url, docs_url_source, description, description_source"
    )
    told = ("canonical", "models_dev_models", "maker", "litellm", "curated", "models_dev", "table", "litellm", None, None)
    assert model(ledger, columns, "openai/m") == told


def test_among_equals_what_most_listings_say_counts_and_those_of_the_model_itself_before_its_builds(ledger: Connection) -> None:
    for provider, tokens in (("a", 8), ("b", 128), ("c", 128)):
        said(ledger, provider=provider, context_tokens=tokens)
    for build in ("fp8", "int4", "awq"):
        said(ledger, build, build=build, context_tokens=32, max_output_tokens=4)
    said(ledger, "old", until=4, context_tokens=1)
    assert model(ledger, "context_tokens, context_tokens_source, max_output_tokens") == (128, "models_dev", 4)


def test_what_somebody_else_made_of_a_models_weights_says_nothing_of_the_model(ledger: Connection) -> None:
    upload = {"source": "huggingface", "provider": "huggingface", "model": "lab/m"}
    said(ledger, "somebody/m", **upload, hugging_face_id="somebody/m", docs_url="https://somebody")
    said(ledger, "lab/m", **upload, hugging_face_id="lab/m", license="mit")
    ledger.execute(text("update history.link set evidence = '{\"published_by\": \"somebody\"}' where listed_id = 'somebody/m'"))
    assert model(ledger, "hugging_face_id, docs_url, license") == ("lab/m", None, "mit")
    ledger.execute(text("delete from history.listing where listed_id = 'lab/m'"))
    assert model(ledger, "hugging_face_id, docs_url") == (None, None)


def test_dates_keep_their_precision_and_lists_their_members(ledger: Connection) -> None:
    stated = {"released_on": date(2025, 9, 1), "released_on_precision": "month", "open_weights": False}
    said(ledger, **stated, input_modalities=["image", "text"], capabilities=["tool_call"])
    columns = "released_on, released_on_precision, knowledge_cutoff, knowledge_cutoff_precision, open_weights, input_modalities, output_modalities"
    assert model(ledger, columns) == (date(2025, 9, 1), "month", None, None, False, ["image", "text"], None)


def test_the_life_of_a_model_is_told_with_its_dates(ledger: Connection) -> None:
    said(ledger, until=5, lifecycle="stable")
    said(ledger, since=5, until=9, lifecycle="deprecated", retires_on=date(2026, 1, 20), replaced_by="n")
    said(ledger, "n", model="lab/n", offer="host:lab/n")
    columns = "lifecycle, lifecycle_source, deprecated_at, retires_on, retired_observed, first_seen, last_seen, replaced_by, replaced_by_id"
    told = ("retired", "models_dev", day(5), date(2026, 1, 20), day(9), day(1), day(9), "lab/n", "n")
    assert model(ledger, columns) == told


def test_a_successor_whose_name_means_two_models_is_not_believed(ledger: Connection) -> None:
    said(ledger, replaced_by="n")
    said(ledger, "n", model="lab/n", offer="host:lab/n")
    said(ledger, "n", provider="other", model="lab/other", offer="other:lab/other")
    assert model(ledger, "replaced_by, replaced_by_id") == (None, "n")


def test_a_provider_that_gives_a_model_up_says_nothing_of_the_model_while_its_maker_sells_it(ledger: Connection) -> None:
    openai = {"author": "openai", "model": "openai/m"}
    said(ledger, provider="openai", **openai)
    said(ledger, provider="host", **openai, lifecycle="deprecated", retires_on=date(2026, 1, 20))
    assert model(ledger, "lifecycle, deprecated_at, retires_on", "openai/m") == (None, None, None)


def test_where_no_maker_is_known_one_of_several_providers_cannot_end_a_model(ledger: Connection) -> None:
    said(ledger, provider="one", retires_on=date(2026, 1, 20))
    assert model(ledger, "lifecycle, lifecycle_source") == ("retired", "models_dev")
    said(ledger, provider="two")
    assert model(ledger, "lifecycle, retires_on") == (None, None)


def test_the_end_of_a_preview_or_of_one_of_two_snapshots_is_not_the_end_of_the_model(ledger: Connection) -> None:
    said(ledger, source="litellm")
    said(ledger, "m-preview", source="litellm", variant="preview", lifecycle="deprecated", retires_on=date(2026, 1, 20))
    assert model(ledger, "lifecycle, deprecated_at, retires_on") == (None, None, None)
    for number, retires in ((1, date(2026, 1, 20)), (2, None)):
        said(ledger, f"n-{number}", model="lab/n", offer=f"host:lab/n@{number}", snapshot=str(number), retires_on=retires)
    assert model(ledger, "lifecycle, retires_on", "lab/n") == (None, None)


def test_a_model_retires_with_the_last_of_its_snapshots_where_all_state_their_day(ledger: Connection) -> None:
    for number in (1, 2):
        said(ledger, f"m-{number}", snapshot=str(number), retires_on=date(2026, 1, 20 + number))
    assert model(ledger, "lifecycle, retires_on, retires_on_source") == ("retired", date(2026, 1, 22), "models_dev")


def test_a_model_that_only_the_list_of_models_still_names_is_sold_no_more(ledger: Connection) -> None:
    said(ledger, "lab/m", **CANONICAL)
    said(ledger, until=6)
    assert model(ledger, "last_seen, retired_observed, providers") == (None, day(6), 0)


def test_a_derivative_is_a_model_of_its_own_and_names_what_it_was_made_from(ledger: Connection) -> None:
    said(ledger)
    listing(ledger, "m-abliterated", 1, source="models_dev")
    link(ledger, "m-abliterated", "lab/m-abliterated", derivative_of="lab/m")
    assert model(ledger, "derivative_of", "lab/m-abliterated") == ("lab/m",)
    assert model(ledger, "derivative_of, offers") == (None, 1)


def test_the_cheapest_offer_is_paid_certain_and_no_variant_and_free_ones_are_named_apart(ledger: Connection) -> None:
    sold(ledger, "a", "5", offer="a:lab/m")
    sold(ledger, "b", "3", offer="b:lab/m")
    sold(ledger, "batch", "1", variant="batch", offer="batch:lab/m:batch")
    sold(ledger, "gift", "0", offer="gift:lab/m")
    sold(ledger, "fought", "2", offer="fought:lab/m")
    claim(ledger, "litellm", "7", 1, listed_id="fought/m", provider="fought")
    ledger.execute(text("update history.link set offer = 'fought:lab/m', sold_by = 'fought' where listed_id = 'fought/m'"))
    columns = "providers, offers, cheapest_offer, cheapest_input_usd_per_mtok, cheapest_output_usd_per_mtok, free_offers"
    assert model(ledger, columns) == (5, 5, "b:lab/m", 3, 3, ["gift:lab/m"])


def test_every_claim_of_schema_yml_holds_for_what_is_held_disputed_and_dated(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "2000", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "2")
    claim(ledger, "litellm", "3", 1, region="eu")
    claim(ledger, "genai_prices", "4", 1, effective_from=datetime.now(UTC) - timedelta(days=2))
    claim(ledger, "openrouter", "0", 1, listed_id="lab/x:free")
    listing(ledger, "unlinked", 1)
    price(ledger, "0.1", 1, listed_id="unlinked")
    fill(ledger)
    refresh(ledger, MODELS["catalog.price_change"])
    for name in MODELS:
        for test in MODELS[name].tests:
            if name.startswith("catalog.") and name not in ("catalog.source_health", "catalog.listing"):
                assert not run_test(ledger, test).failing, f"{name}: {test.name}"
    assert rows(ledger, "select count(*) > 0 from catalog.dispute where served_amount = 4") == [(True,)]
    assert rows(ledger, "select amount from catalog.price where listed_id = 'unlinked'") == [(Decimal("0.1"),)]
