"""What is read from the files of SQL models, and what is said of one that cannot be used."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from model_assets.errors import SettingsError
from model_assets.sql_models import BASE_RELATIONS, load_models, relation_columns, run_test
from model_assets_tests.sql_models.conftest import NUMBERS, TABLE, TWICE, Write, put


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
