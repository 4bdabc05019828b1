"""What a column comes from; and SQL models as assets, below those that write what they read."""

import dagster as dg
from sqlalchemy import Connection, Engine, text

from model_assets.publishing import publish
from model_assets.resources import Postgres
from model_assets.sql_assets import sql_asset_checks, sql_assets
from model_assets.sql_models import BASE_RELATIONS, column_lineage, load_models, refresh, relation_columns
from model_assets_tests.sql_models.conftest import COUNTED, NUMBERS, ROWS, TWICE, Write, nothing, scalar

# --- lineage ---


def test_the_lineage_of_a_price_reaches_the_ledger(database: Engine) -> None:
    models = load_models()
    with database.connect() as connection:
        base = relation_columns(connection, BASE_RELATIONS)
    found = column_lineage(models["catalog.price_claim"], models, base)
    assert found["amount"] == [("history.price", "amount")]
    assert found["seen_since"] == [("history.price", "seen")]
    assert found["per"] == [("catalog.meter", "per")]
    assert list(found) == list(models["catalog.price_claim"].columns)
    assert column_lineage(models["catalog.price_change"], models, base)["ratio"] == [("history.price", "amount")]
    assert column_lineage(models["access.free_models"], models, base)["state"] == [("access.listing_access", "state")]
    assert ("catalog.listing_price", "amount") in column_lineage(models["access.listing_terms"], models, base)["input_usd_per_mtok"]


def test_lineage_goes_through_a_star_and_a_function_has_none(write: Write) -> None:
    star = '-- S.\nselect * from {{ ref("catalog.twice") }}'
    models = write(numbers=NUMBERS, twice=TWICE, star=star, f="-- F.\ncreate function catalog.f() returns int language sql return 1")
    assert column_lineage(models["catalog.star"], models, {}) == {"n": [("catalog.twice", "n")], "doubled": [("catalog.twice", "doubled")]}
    assert column_lineage(models["catalog.f"], models, {}) == {}


# --- as assets ---

BASE_ASSETS = {
    "history.price": [["history", "one"], ["history", "two"]],
    "history.listing": [["history", "one"]],
    "ops.observation": [["history", "two"]],
}


def test_each_view_and_table_is_an_asset_below_those_that_write_what_it_reads() -> None:
    models = load_models()
    assets = {definition.key.to_user_string(): definition for definition in sql_assets(models, BASE_ASSETS, nothing)}
    assert set(assets) == {key.replace(".", "/") for key, model in models.items() if model.kind != "function"}
    upstream = {name: {key.to_user_string() for key in definition.dependency_keys} for name, definition in assets.items()}
    assert upstream["catalog/price_claim"] == {"history/one", "history/two", "catalog/meter"}
    assert upstream["catalog/source_health"] == {"history/two"}
    for definition in assets.values():
        [spec] = definition.specs
        assert spec.owners == [f"team:{spec.key.path[0]}"]
        assert spec.group_name == spec.key.path[0]
        assert spec.description
        assert spec.automation_condition
        assert {"sql", "postgres"} < spec.kinds
    assert {check.asset_key.to_user_string() for checks in sql_asset_checks(models) for check in checks.check_keys} == set(assets)


def test_what_reads_a_function_stands_below_what_the_function_reads(write: Write) -> None:
    function = '-- F.\ncreate function catalog.f() returns bigint language sql as $$ select count(*) from {{ ref("history.price") }} $$'
    models = write(f=function, above='-- A.\nselect f as n from {{ ref("catalog.f") }}() as f')
    [definition] = sql_assets(models, BASE_ASSETS, nothing)
    assert {key.to_user_string() for key in definition.dependency_keys} == {"history/one", "history/two"}


def test_materialising_all_of_an_empty_ledger_passes_every_check_and_says_what_is_there(url: str) -> None:
    models = load_models()
    assets, checks = sql_assets(models, BASE_ASSETS, lambda connection: publish(connection, models)), sql_asset_checks(models)
    result = dg.materialize([*assets, *checks], resources={"postgres": Postgres(url=url)})
    assert result.success
    metadata = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events() if event.asset_key}
    price = metadata[dg.AssetKey(["catalog", "price_claim"])]
    assert price["dagster/row_count"].value == 0
    assert str(price["dagster/relation_identifier"].value).endswith(".catalog.price_claim")
    lineage = price["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["amount"] == [dg.TableColumnDep(dg.AssetKey(key), "amount") for key in BASE_ASSETS["history.price"]]
    schema = price["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert {column.name: column.type for column in schema.columns}["amount"] == "numeric"
    assert metadata[dg.AssetKey(["catalog", "meter"])]["preview"].value.startswith("| meter | per | about |")  # type: ignore[union-attr]
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == sum(len(model.tests) for model in models.values())
    assert all(evaluation.passed for evaluation in evaluations)


def test_a_broken_claim_shows_its_rows_and_lets_the_run_go_on(bare: Engine, url: str, write: Write) -> None:
    yml = "models: {held: {columns: {n: {description: d, tests: [not_null, {unique: , severity: warn}]}}}}"
    models = write(yml, held=ROWS)
    result = dg.materialize([*sql_assets(models, {}, nothing), *sql_asset_checks(models)], resources={"postgres": Postgres(url=url)})
    assert result.success
    found = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert not found["n_is_not_null"].passed
    assert found["n_is_not_null"].severity == dg.AssetCheckSeverity.ERROR
    assert "| null | c | 7 |" in str(found["n_is_not_null"].metadata["first_failures"].value)
    assert found["n_is_unique"].severity == dg.AssetCheckSeverity.WARN
    assert found["n_is_unique"].metadata["failing"].value == 1


def test_a_table_is_filled_anew_when_it_is_materialised(bare: Engine, url: str, write: Write) -> None:
    models = write(numbers=COUNTED)

    def fill(connection: Connection) -> None:
        refresh(connection, models["catalog.numbers"])

    for number in range(2):
        with bare.begin() as connection:
            connection.execute(text("insert into ops.source (source) values (:name)"), {"name": str(number)})
        assert dg.materialize(sql_assets(models, {}, fill), resources={"postgres": Postgres(url=url)}).success
        assert scalar(bare, "select count(*) from catalog.numbers") == 1001 + number
