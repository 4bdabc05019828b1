"""Filling tables anew while others read them."""

import threading

import pytest
from sqlalchemy import Engine, text

from model_assets.errors import ModelAssetsError
from model_assets.sql_models import deploy, refresh
from model_assets_tests.sql_models.conftest import COUNTED, NUMBERS, TABLE, TWICE, Write, put, scalar


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
