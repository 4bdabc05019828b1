import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.errors import ModelAssetsError, SettingsError
from model_assets.publishing import publish
from model_assets.resources import Postgres
from model_assets.sql_assets import sql_asset_checks, sql_assets
from model_assets.sql_models import (
    BASE_RELATIONS,
    SqlModel,
    column_lineage,
    deploy,
    load_models,
    refresh,
    relation_columns,
    run_test,
)

Write = Callable[..., dict[str, SqlModel]]


def nothing(_: Connection) -> None:
    """What fills no table."""


NUMBERS = "-- Numbers.\nselect n, n % 3 as rest, null::int as nothing from generate_series(1, 9) as n"
TWICE = '-- Doubled.\nselect n, 2 * n as doubled from {{ ref("catalog.numbers") }}'
TABLE = "-- Kept.\n-- materialized: table\n-- index: (n)\n-- index: (rest, n)\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write `name='text'` as files of the schema catalog (and `yml` as its schema.yml), and load them all."""

    def files(yml: str = "", **texts: str) -> dict[str, SqlModel]:
        folder = tmp_path / "catalog"
        folder.mkdir(exist_ok=True)
        for name, said in texts.items():
            (folder / f"{name}.sql").write_text(said)
        (folder / "schema.yml").write_text(yml)
        return load_models(tmp_path)

    return files


@pytest.fixture
def bare(database: Engine) -> Engine:
    """A database with no SQL model in it."""
    with database.begin() as connection:
        deploy(connection, {})
    return database


def put(engine: Engine, models: Mapping[str, SqlModel]) -> list[str]:
    with engine.begin() as connection:
        return deploy(connection, models)


def scalar(engine: Engine, query: str) -> Any:
    with engine.begin() as connection:
        return connection.execute(text(query)).scalar_one()


def objects(connection: Connection) -> list[tuple[Any, ...]]:
    """What identifies the relations of catalog: another oid is another relation."""
    query = "select oid, relname from pg_class where relnamespace = 'catalog'::regnamespace order by 1"
    return [tuple(row) for row in connection.execute(text(query))]


# --- reading the files ---


def test_a_file_is_a_relation_with_its_description_its_lineage_and_its_indexes(write: Write) -> None:
    models = write(numbers=TABLE + "select n, 1 as rest from generate_series(1, 9) as n;\n", twice=TWICE.replace('"', "'"))
    assert list(models) == ["catalog.numbers", "catalog.twice"]
    assert models["catalog.numbers"].kind == "table"
    assert models["catalog.numbers"].description == "Kept."
    assert models["catalog.numbers"].indexes == (("n",), ("rest", "n"))
    assert models["catalog.twice"].refs == ("catalog.numbers",)
    assert models["catalog.twice"].sql.endswith("from catalog.numbers")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("select 1 as n", "no description"),
        ("-- Only words.", "nothing but a comment"),
        ("-- A.\n-- materialized: cube\nselect 1 as n", "materialized: cube?"),
        ("-- A.\n-- index: (n)\nselect 1 as n", "a view can have no index"),
        ("-- A.\n-- materialized: table\n-- index: (lower(n))\nselect 1 as n", "index on"),
        ('-- A.\nselect * from {{ ref("catalog.nowhere") }}', "ref to catalog.nowhere, which is neither a file here nor a base relation"),
        ('-- A.\nselect * from {{ ref("nowhere") }}', "'nowhere' is not understood"),
        ("-- A.\nselect * from {{ source('x') }}", "is not understood"),
        ("-- A.\nselect * from history.price", "history.price is named without ref"),
        ('-- A.\nselect * from {{ ref("catalog.odd") }}', "in a circle: catalog.odd -> catalog.odd"),
        ("-- A.\ncreate function catalog.other() returns int language sql return 1", "must be catalog.odd"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(write: Write, said: str, found: str) -> None:
    with pytest.raises(SettingsError) as error:
        write(odd=said)
    assert found in str(error.value)
    assert "odd" in str(error.value)


def test_a_circle_is_told_in_its_order(write: Write) -> None:
    with pytest.raises(SettingsError, match=r"in a circle: catalog\.(\w+) -> catalog\.(\w+) -> catalog\.\1"):
        write(a='-- A.\nselect 1 from {{ ref("catalog.b") }}', b='-- B.\nselect 1 from {{ ref("catalog.a") }}')


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no folder"):
        load_models(tmp_path / "nowhere")


def test_a_relation_named_in_a_comment_or_a_text_needs_no_ref(write: Write) -> None:
    write(fine="-- A.\nselect 'from history.price' as said -- from history.price")


@pytest.mark.parametrize(
    ("yml", "found"),
    [
        ("models: [numbers]", "models: `key: value` lines are expected"),
        ("models: {other: {}}", "other: there is no catalog/other.sql"),
        ("models: {numbers: {tests: []}}", "numbers: unknown key 'tests'"),
        ("models: {numbers: {columns: {n: {tests: [not_null]}}}}", "numbers.columns.n: no description"),
        ("models: {numbers: {columns: {n: {description: d, tests: [positive]}}}}", "numbers.columns.n.tests: unknown test 'positive'"),
        ("models: {numbers: {columns: {n: {description: d, tests: not_null}}}}", "a list is expected"),
        ("models: {numbers: {columns: {n: {description: d, tests: [accepted_values: 5]}}}}", "a list of texts is expected"),
        ("models: {numbers: {columns: {n: {description: d, tests: [accepted_values: [yes]]}}}}", "a list of texts is expected"),
        ("models: {numbers: {columns: {n: {description: d, tests: [relationships: {to: x.y, field: n}]}}}}", "a relation that exists"),
        ("models: {numbers: {columns: {n: {description: d, tests: [{unique: {}, severity: bad}]}}}}", "severity: bad?"),
        ("models: {numbers: {columns: {n: {description: d, tests: [unique, unique]}}}}", "the test n_is_unique is written twice"),
        ("models: {numbers: {unique: n}}", "numbers.unique"),
        ("models: {", "not YAML"),
    ],
)
def test_what_schema_yml_may_not_say_is_named_with_its_place(write: Write, yml: str, found: str) -> None:
    with pytest.raises(SettingsError) as error:
        write(yml, numbers=NUMBERS)
    assert "schema.yml" in str(error.value)
    assert found in str(error.value)


def test_a_column_that_does_not_exist_is_named_when_it_is_deployed(bare: Engine, write: Write) -> None:
    with pytest.raises(SettingsError, match=r"schema\.yml: numbers\.columns\.m: catalog\.numbers has no column m\. It has n, rest"):
        put(bare, write("models: {numbers: {columns: {m: {description: d}}}}", numbers=NUMBERS))
    with pytest.raises(SettingsError, match=r"schema\.yml: numbers\.rows_are_unique: catalog\.numbers has no column m"):
        put(bare, write("models: {numbers: {unique: [n, m]}}", numbers=NUMBERS))


def test_a_test_of_what_is_not_there_is_named_with_its_place(bare: Engine, write: Write) -> None:
    yml = "models: {numbers: {columns: {n: {description: d, tests: [relationships: {to: history.price, field: m}]}}}}"
    models = write(yml, numbers=NUMBERS)
    put(bare, models)
    said = r"schema\.yml: numbers\.columns\.n\.tests: .* target\.m does not exist"
    with bare.begin() as connection, pytest.raises(SettingsError, match=said):
        run_test(connection, models["catalog.numbers"].tests[0])


def test_the_base_relations_exist(database: Engine) -> None:
    with database.connect() as connection:
        assert all(relation_columns(connection, BASE_RELATIONS).values())


# --- deploying ---


def test_deploying_twice_changes_nothing(bare: Engine, write: Write) -> None:
    models = write(numbers=TABLE + NUMBERS, twice=TWICE, f="-- F.\ncreate function catalog.f() returns bigint language sql return 1")
    assert sorted(put(bare, models)) == ["catalog.f", "catalog.numbers", "catalog.twice"]
    with bare.connect() as connection:
        before = objects(connection)
    assert put(bare, models) == []
    with bare.connect() as connection:
        assert objects(connection) == before


def test_the_models_of_the_project_deploy_twice_without_a_change(database: Engine) -> None:
    put(database, load_models())
    assert put(database, load_models()) == []


def test_a_changed_view_is_made_anew_with_all_that_is_built_on_it(bare: Engine, write: Write) -> None:
    apart = "-- Apart.\nselect 1 as one"
    top = "-- Top.\n-- materialized: table\nselect sum(doubled) as total from {{ ref('catalog.twice') }}"
    put(bare, write(numbers=NUMBERS, twice=TWICE, top=top, apart=apart))
    assert put(bare, write(numbers=NUMBERS.replace("9", "3"))) == ["catalog.numbers", "catalog.twice", "catalog.top"]
    assert scalar(bare, "select total from catalog.top") == 12


def test_a_view_may_change_its_columns_and_its_place_in_the_line(bare: Engine, write: Write) -> None:
    put(bare, write(a="-- A.\nselect 1 as n", b='-- B.\nselect n from {{ ref("catalog.a") }}'))
    put(bare, write(b="-- B.\nselect 'x' as word", a='-- A.\nselect word from {{ ref("catalog.b") }}'))
    assert scalar(bare, "select word from catalog.a") == "x"


def test_a_view_may_become_a_table_and_a_file_that_is_gone_takes_its_relation_along(bare: Engine, write: Write, tmp_path: Path) -> None:
    put(bare, write(numbers=NUMBERS, twice=TWICE))
    put(bare, write(numbers=TABLE + NUMBERS))
    assert scalar(bare, "select relkind::text from pg_class where oid = 'catalog.numbers'::regclass") == "r"
    (tmp_path / "catalog" / "twice.sql").unlink()
    assert put(bare, load_models(tmp_path)) == []
    assert scalar(bare, "select to_regclass('catalog.twice')") is None


def test_a_relation_that_someone_dropped_is_made_again(bare: Engine, write: Write) -> None:
    models = write(numbers=NUMBERS, twice=TWICE)
    put(bare, models)
    with bare.begin() as connection:
        connection.execute(text("drop view catalog.twice"))
    assert put(bare, models) == ["catalog.twice"]


def test_a_view_of_someone_else_is_named_and_not_dropped(bare: Engine, write: Write) -> None:
    put(bare, write(numbers=NUMBERS))
    with bare.begin() as connection:
        connection.execute(text("create view public.mine as select n from catalog.numbers"))
    with pytest.raises(ModelAssetsError, match=r"catalog\.numbers has to be made anew, but view mine depends on"):
        put(bare, write(numbers=NUMBERS.replace("9", "3")))
    assert scalar(bare, "select count(*) from public.mine") == 9


def test_a_relation_of_someone_else_under_the_same_name_is_named_and_kept(bare: Engine, write: Write) -> None:
    with bare.begin() as connection:
        connection.execute(text("create table catalog.numbers as select 1 as one"))
    with pytest.raises(ModelAssetsError, match=r"catalog\.numbers is there already and was not made from SQL models"):
        put(bare, write(numbers=NUMBERS))
    assert scalar(bare, "select one from catalog.numbers") == 1


def test_a_failed_deploy_leaves_everything_as_it_was(bare: Engine, write: Write) -> None:
    put(bare, write(numbers=NUMBERS, twice=TWICE))
    with pytest.raises(Exception, match="nowhere"):
        put(bare, write(numbers=NUMBERS.replace("9", "3"), twice='-- T.\nselect nowhere from {{ ref("catalog.numbers") }}'))
    assert scalar(bare, "select count(*) from catalog.twice") == 9


def test_descriptions_stand_in_the_database_and_signs_mean_nothing_to_the_driver(bare: Engine, write: Write) -> None:
    yml = "models: {numbers: {columns: {n: {description: \"100 % of 'n' :n\"}}}}"
    put(bare, write(yml, numbers="-- It's 5 % of :all.\nselect 7 % 4 as n, ':n' as said, '%s' as percent"))
    assert scalar(bare, "select obj_description('catalog.numbers'::regclass)") == "It's 5 % of :all."
    assert scalar(bare, "select col_description('catalog.numbers'::regclass, 1)") == "100 % of 'n' :n"
    assert scalar(bare, "select said || percent from catalog.numbers") == ":n%s"


# --- refreshing ---

COUNTED = TABLE + "select n, n as rest from generate_series(1, 1000 + (select count(*) from {{ ref('ops.source') }})) as n"


def test_a_refreshed_table_keeps_its_indexes_grants_and_comments(bare: Engine, write: Write) -> None:
    models = write("models: {numbers: {columns: {n: {description: a number}}}}", numbers=COUNTED)
    put(bare, models)
    with bare.begin() as connection:
        connection.execute(text("grant select on catalog.numbers to public"))
        connection.execute(text("grant select, insert on catalog.numbers to pg_monitor with grant option"))
    looks = [
        "select string_agg(indexdef, ';' order by indexdef) from pg_indexes where schemaname = 'catalog' and tablename = 'numbers'",
        "select relacl::text from pg_class where oid = 'catalog.numbers'::regclass",
        "select obj_description('catalog.numbers'::regclass) || col_description('catalog.numbers'::regclass, 1)",
    ]
    before = [scalar(bare, look) for look in looks]
    for number in range(1, 3):
        with bare.begin() as connection:
            connection.execute(text("insert into ops.source (source) values (:name)"), {"name": str(number)})
            assert refresh(connection, models["catalog.numbers"]) == 1
    assert [scalar(bare, look) for look in looks] == before
    assert before[0].count("CREATE INDEX") == 2
    assert "pg_monitor" in before[1]


def test_grants_survive_a_change_of_text(bare: Engine, write: Write) -> None:
    function = "-- F.\ncreate function catalog.f() returns bigint language sql as 'select 1::bigint'"
    put(bare, write(numbers=NUMBERS, f=function))
    with bare.begin() as connection:
        connection.execute(text("grant select on catalog.numbers to pg_monitor; grant execute on function catalog.f() to pg_monitor"))
    put(bare, write(numbers=NUMBERS.replace("9", "3"), f=function.replace("1", "2")))
    assert scalar(bare, "select has_table_privilege('pg_monitor', 'catalog.numbers', 'select')")
    assert "pg_monitor" in scalar(bare, "select proacl::text from pg_proc where oid = 'catalog.f()'::regprocedure")


def test_a_reader_never_sees_a_table_missing_or_empty(bare: Engine, write: Write) -> None:
    models = write(numbers=COUNTED)
    put(bare, models)
    done, seen, broken = threading.Event(), set(), []

    def read() -> None:
        while not done.is_set():
            try:
                with bare.connect() as connection:
                    seen.add(connection.execute(text("select count(*) from catalog.numbers")).scalar_one())
            except Exception as error:  # noqa: BLE001, whatever it is, a reader saw it
                broken.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(25):
        with bare.begin() as connection:
            connection.execute(text("insert into ops.source (source) values (:name)"), {"name": str(number)})
            refresh(connection, models["catalog.numbers"])
    done.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert len(seen) > 1
    assert min(seen) >= 1000


def test_a_table_on_which_a_view_hangs_is_filled_like_any_other(bare: Engine, write: Write) -> None:
    models = write(numbers=COUNTED, twice=TWICE)
    put(bare, models)
    with bare.begin() as connection:
        connection.execute(text("insert into ops.source (source) values ('one')"))
        assert refresh(connection, models["catalog.numbers"]) == 1
        assert refresh(connection, models["catalog.numbers"]) == 0
    assert scalar(bare, "select count(*) from catalog.twice") == 1001
    assert scalar(bare, "select count(*) from pg_class where relname like '%__new%'") == 0
    assert put(bare, models) == []


def test_a_table_that_was_deployed_empty_is_filled_by_hash(bare: Engine, write: Write) -> None:
    many = '-- N.\n-- materialized: table\nselect n from generate_series(1, (select 150000 * count(*) from {{ ref("ops.source") }})) as n'
    models = write(numbers=many)
    put(bare, models)
    with bare.begin() as connection:
        connection.execute(text("insert into ops.source (source) values ('one'); set local statement_timeout = '10s'"))
        assert refresh(connection, models["catalog.numbers"]) == 150_000
        assert connection.execute(text("show enable_nestloop")).scalar_one() == "on"


def test_a_few_rows_are_brought_up_without_the_others(bare: Engine, write: Write) -> None:
    where = "{% if few %} where source = any(:few) {% endif %}"
    sources = (
        f"-- S.\n-- materialized: table\nselect source, current_setting('test.word') as word from {{{{ ref(\"ops.source\") }}}} {where}"
    )
    models = write(sources=sources)
    assert "any" not in models["catalog.sources"].sql
    assert "where source = any(array['a', 'b''c']::text[])" in models["catalog.sources"].sql_of_few("array['a', 'b''c']::text[]")
    with bare.begin() as connection:
        connection.execute(text("insert into ops.source (source) values ('a'), ('b''c'), ('d'); set local test.word = 'old'"))
        deploy(connection, models)
        connection.execute(text("set local test.word = 'new'"))
        assert refresh(connection, models["catalog.sources"], only=("source", ["a", "b'c"])) == 4  # two out, two in
        words = dict(connection.execute(text("select source, word from catalog.sources where source in ('a', 'b''c', 'd')")).all())
    assert words == {"a": "new", "b'c": "new", "d": "old"}


def test_only_a_table_that_was_deployed_can_be_refreshed(bare: Engine, write: Write) -> None:
    models = write(numbers=TABLE + NUMBERS, twice=TWICE)
    with bare.begin() as connection:
        with pytest.raises(ModelAssetsError, match="There is no table"):
            refresh(connection, models["catalog.numbers"])
        with pytest.raises(ModelAssetsError, match="is a view: it is always current"):
            refresh(connection, models["catalog.twice"])


# --- tests of rows ---

ROWS = "-- R.\nselect * from (values (1, 'a', 1), (2, 'b', null), (2, 'c', null), (null, 'c', 7)) as r (n, word, other)"
CASES = {
    "not_null": ("word", "not_null", 0),
    "not_null fails": ("n", "not_null", 1),
    "unique": ("other", "unique", 0),
    "unique fails": ("n", "unique", 1),
    "accepted_values": ("word", "accepted_values: [a, b, c]", 0),
    "accepted_values fails": ("word", "accepted_values: [a, b]", 2),
    "accepted_values of numbers": ("n", "accepted_values: ['1', '2']", 0),
    "relationships": ("n", "relationships: {to: catalog.numbers, field: n}", 0),
    "relationships fails": ("other", "relationships: {to: catalog.numbers, field: rest}", 1),
}


@pytest.mark.parametrize(("column", "claim", "failing"), CASES.values(), ids=CASES.keys())
def test_a_claim_about_a_column_counts_what_breaks_it(bare: Engine, write: Write, column: str, claim: str, failing: int) -> None:
    claim = claim if ":" in claim else f"{claim}: "
    yml = f"models: {{held: {{columns: {{{column}: {{description: d, tests: [{{{claim}, severity: warn}}]}}}}}}}}"
    models = write(yml, held=ROWS, numbers=NUMBERS)
    put(bare, models)
    [test] = models["catalog.held"].tests
    with bare.begin() as connection:
        found = run_test(connection, test)
    assert (found.failing, len(found.sample), test.severity) == (failing, failing, "warn")
    assert all(column in row for row in found.sample)


@pytest.mark.parametrize(("columns", "failing"), [("[n, word]", 0), ("[n, other]", 1), ("[word]", 1)])
def test_a_grain_is_broken_by_rows_that_share_it_where_null_is_a_value(bare: Engine, write: Write, columns: str, failing: int) -> None:
    models = write(f"models: {{held: {{unique: {columns}}}}}", held=ROWS)
    put(bare, models)
    with bare.begin() as connection:
        assert run_test(connection, models["catalog.held"].tests[0]).failing == failing


def test_a_sample_is_short_and_the_count_is_whole(bare: Engine, write: Write) -> None:
    models = write(
        "models: {numbers: {columns: {rest: {description: d, tests: [not_null]}}}}",
        numbers="-- N.\nselect null::int as rest from generate_series(1, 50)",
    )
    put(bare, models)
    with bare.begin() as connection:
        found = run_test(connection, models["catalog.numbers"].tests[0])
    assert (found.failing, len(found.sample)) == (50, 10)


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

BASE_ASSETS = {"history.price": [["history", "one"], ["history", "two"]], "history.listing": [["history", "one"]], "ops.sync_run": []}


def test_each_view_and_table_is_an_asset_below_those_that_write_what_it_reads() -> None:
    models = load_models()
    assets = {definition.key.to_user_string(): definition for definition in sql_assets(models, BASE_ASSETS, nothing)}
    assert set(assets) == {key.replace(".", "/") for key, model in models.items() if model.kind != "function"}
    upstream = {name: {key.to_user_string() for key in definition.dependency_keys} for name, definition in assets.items()}
    assert upstream["catalog/price_claim"] == {"history/one", "history/two", "catalog/meter"}
    assert upstream["catalog/source_health"] == {"history/one", "history/two"}
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


def test_materialising_all_twice_leaves_what_once_leaves_and_says_what_is_there(url: str) -> None:
    models = load_models()
    assets, checks = sql_assets(models, BASE_ASSETS, lambda connection: publish(connection, models)), sql_asset_checks(models)
    for _ in range(2):
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
