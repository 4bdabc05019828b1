"""The two roles of requests: one reads, one writes what people may change, and neither anything else."""

import re
import threading

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from model_assets.access.roles import READER, SECRET, WRITER, grant_rights, make_roles, role_exists
from model_assets.settings import PROJECT
from model_assets_tests.access.world import observed, sell, settle


def refused(connection: Connection, statement: str) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        return True
    return False


def test_the_reader_reads_what_answers_need_and_writes_nothing(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "m", 1)
    settle(ledger)
    ledger.execute(text(f"set local role {READER}"))
    for asked in (
        "catalog.offer",
        "catalog.source_health",
        "access.model_access",
        "history.price",
        "ops.observation",
        "access.get_user_allowed_models('u')",
    ):
        assert not refused(ledger, f"select count(*) from {asked}")
    for asked in (*SECRET, "raw.body", "ops.inbox"):
        assert refused(ledger, f"select count(*) from {asked}")
    for written in (
        "delete from access.decision",
        "update access.profile set tier = 'admin'",
        "insert into access.profile values ('eve', 'admin')",
    ):
        assert refused(ledger, written)


def test_the_writer_writes_a_persons_word_and_not_what_the_policy_says(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "m", 1)
    settle(ledger)
    ledger.execute(text(f"set local role {WRITER}"))
    assert not refused(ledger, "update access.decision set said_status = 'disabled', decided_by = 'ann', decided_at = now()")
    for written in ("update access.decision set rule_free = true", "update access.decision set version = 7", "delete from access.decision"):
        assert refused(ledger, written)
    assert refused(ledger, "delete from history.price")


def test_what_the_page_has_granted_to_an_application_is_what_the_functions_need_and_no_more(ledger: Connection) -> None:
    page = (PROJECT / "docs" / "access.md").read_text()
    granted = re.findall(r"^grant .* to app;", page, re.MULTILINE)
    assert len(granted) == 2
    ledger.execute(text("create role model_assets_tests_app"))
    for line in granted:
        ledger.execute(text(line.replace(" to app;", " to model_assets_tests_app")))
    ledger.execute(text("set local role model_assets_tests_app"))
    for asked in ("access.can_user_use_model('u', 'm', null)", "access.get_user_allowed_models('u')", "access.model_access"):
        assert not refused(ledger, f"select * from {asked}")
    handed = """select * from access.sync_openrouter_models('[{"id": "lab/a", "pricing": {}}]')"""
    assert ledger.execute(text(handed)).one()[1:] == (1, "queued")
    for other in ("select body from ops.inbox", "delete from ops.inbox", "update ops.inbox set status = 'loaded'"):
        assert refused(ledger, other)


def test_granting_again_grants_nothing(database: Engine) -> None:
    with database.begin() as connection:
        assert grant_rights(connection) == []
        assert make_roles(connection) is None
        connection.execute(text("create table catalog.added (n integer)"))
        assert grant_rights(connection) == [f"grant select on catalog.added to {READER}"]


def test_a_column_that_may_be_written_since_this_version_is_granted_though_others_were_before(database: Engine) -> None:
    with database.connect() as connection:
        connection.execute(text(f"revoke update (note, decided_until) on access.decision from {WRITER}"))
        connection.execute(text(f"revoke insert on access.profile from {WRITER}"))
        connection.execute(text(f"grant insert (user_id) on access.profile to {WRITER}"))
        assert sorted(grant_rights(connection)) == [
            f"grant insert on access.profile to {WRITER}",
            f"grant update (decided_until, note) on access.decision to {WRITER}",
        ]
        assert grant_rights(connection) == []
        connection.rollback()


def test_whoever_may_not_make_roles_is_told_what_to_do(database: Engine) -> None:
    with database.connect() as connection:
        connection.execute(text("create role model_assets_test_nobody_in_particular"))
        connection.execute(text("grant create on schema catalog to model_assets_test_nobody_in_particular"))
        connection.execute(text("set local role model_assets_test_nobody_in_particular"))
        assert make_roles(connection) is None  # they are there already
        assert not role_exists(connection, "model_assets_no_such_role")
        connection.execute(text("reset role"))
        names = ("one_more_reader_of_tests", "one_more_writer_of_tests")
        connection.execute(text("set local role model_assets_test_nobody_in_particular"))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("model_assets.access.roles.READER", names[0])
            patched.setattr("model_assets.access.roles.WRITER", names[1])
            said = make_roles(connection)
        assert said is not None
        assert "create role" in said
        connection.rollback()


def test_roles_that_many_want_to_make_at_once_are_made_once(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("model_assets_tests_made_at_once_r", "model_assets_tests_made_at_once_w")
    monkeypatch.setattr("model_assets.access.roles.READER", names[0])
    monkeypatch.setattr("model_assets.access.roles.WRITER", names[1])
    errors: list[Exception] = []
    ready = threading.Barrier(6)

    def make() -> None:
        try:
            with database.begin() as connection:
                ready.wait(30)
                make_roles(connection)
        except Exception as error:  # noqa: BLE001, whatever it is, the test tells of it
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.begin() as connection:
        made = connection.execute(text("select count(*) from pg_roles where rolname = any(:names)"), {"names": list(names)}).scalar()
        for name in reversed(names):
            connection.execute(text(f"drop role if exists {name}"))
    assert (errors, made) == ([], 2)
