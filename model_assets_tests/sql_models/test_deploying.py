"""Deploying SQL models: what changes, what stays, and what belongs to someone else."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from model_assets.errors import ModelAssetsError
from model_assets.sql_models import load_models
from model_assets_tests.sql_models.conftest import NUMBERS, TABLE, TWICE, Write, objects, put, scalar


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
