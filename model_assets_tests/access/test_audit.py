"""The audit: one row per change, in its transaction, by whom and why; and nobody can take one away unnoticed."""

import threading

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from model_assets.access.audit import speaking
from model_assets.access.policy import Policy, Rule, store_policy
from model_assets.access.roles import READER, WRITER, role_exists
from model_assets.access.users import profile, set_tier
from model_assets_tests.access.world import trail

BREAKS = "select audit_id, what from access.audit_breaks()"


@pytest.fixture
def audited(ledger: Connection) -> Connection:
    """Five more rows in the audit, of five users."""
    for number in range(5):
        set_tier(ledger, f"user-{number}", "pro", "ann", "a trial")
    assert ledger.execute(text(BREAKS)).all() == []
    return ledger


def last(connection: Connection) -> int:
    return int(connection.execute(text("select max(audit_id) from access.audit")).scalar_one())


def tamper(connection: Connection, statement: str) -> list[tuple[int, str]]:
    """What an owner of the table could do behind its triggers, and what is found of it."""
    connection.execute(text("set local session_replication_role = replica"))
    connection.execute(text(statement))
    connection.execute(text("set local session_replication_role = origin"))
    return [tuple(row) for row in connection.execute(text(BREAKS))]  # type: ignore[misc]


def test_a_change_is_one_row_with_who_why_and_the_columns_that_changed(ledger: Connection) -> None:
    with speaking(ledger, "ann", "she asked for it", "request-7"):
        ledger.execute(text("insert into access.profile (user_id, tier) values ('u', 'free')"))
        ledger.execute(text("update access.profile set tier = 'pro' where user_id = 'u'"))
        ledger.execute(text("update access.profile set tier = 'pro' where user_id = 'u'"))
        ledger.execute(text("update access.profile set tier = 'pro' where user_id = 'nobody'"))
    ledger.execute(text("delete from access.profile where user_id = 'u'"))
    inserted, updated, deleted = trail(ledger, "u")
    assert (inserted[:3], inserted[4]) == (("ann", "insert", None), "she asked for it")
    assert (updated[2]["tier"], updated[3]["tier"], set(updated[3]) <= {"tier", "changed_at"}) == ("free", "pro", True)
    assert deleted[0] == ledger.execute(text("select session_user")).scalar()
    assert (deleted[1], deleted[2]["tier"], deleted[3], deleted[4]) == ("delete", "pro", None, None)
    assert ledger.execute(text("select request_id from access.audit where subject = 'u' order by 1 limit 1")).scalar() == "request-7"


def test_each_row_of_a_statement_is_a_row_of_the_audit_and_none_is_left_where_it_is_taken_back(audited: Connection) -> None:
    before = last(audited)
    trial = audited.begin_nested()
    audited.execute(text("update access.profile set tier = 'enterprise'"))
    assert last(audited) == before + 5
    trial.rollback()
    assert last(audited) == before
    set_tier(audited, "user-1", "enterprise", "ann")
    assert last(audited) == before + 1
    assert audited.execute(text(BREAKS)).all() == []


def test_a_change_of_the_key_is_told_as_well(audited: Connection) -> None:
    audited.execute(text("update access.profile set user_id = 'other' where user_id = 'user-1'"))
    [_, gone], [come] = trail(audited, "user-1"), trail(audited, "other")
    assert (gone[2]["tier"], gone[3]["tier"]) == ("pro", None)
    assert come[3]["tier"] == "pro"


def test_a_policy_that_is_loaded_is_one_row_with_its_rules_and_the_same_again_is_none(ledger: Connection) -> None:
    before = last(ledger)
    one = Policy((Rule("free", 1, "allow", ids="x", note="why not"),))
    assert store_policy(ledger, one, "ann", "simpler")
    assert not store_policy(ledger, one, "ann", "simpler")
    assert last(ledger) == before + 1
    actor, action, was, now, why = trail(ledger, "policy")[-1]
    assert (actor, action, why, len(was["rules"])) == ("ann", "update", "simpler", 3)
    assert now == {"rules": [{"tier": "free", "position": 1, "effect": "allow", "ids": "x", "note": "why not"}]}


def test_verdicts_and_corrections_are_told_too(ledger: Connection) -> None:
    ledger.execute(
        text("""insert into ops.held_verdict (held_id, source, key_id, digest, changed_at, verdict, why, decided_by)
                values ('h1', 'feed', 1, '', now(), 'release', 'fine', 'ann')""")
    )
    ledger.execute(
        text("insert into ops.identity_correction (listed_id, model, since, why, decided_by) values ('m', 'lab/m', now(), 'y', 'ann')")
    )
    ledger.execute(text("update ops.identity_correction set undone_by = 'bob', undone_at = now()"))
    kinds = ledger.execute(text("select subject_kind, action, subject from access.audit order by audit_id desc limit 3")).all()
    assert [tuple(row) for row in kinds] == [
        ("identity_correction", "update", "m"),
        ("identity_correction", "insert", "m"),
        ("held_verdict", "insert", "h1"),
    ]


@pytest.mark.parametrize("statement", ["update access.audit set actor = 'x'", "delete from access.audit", "truncate access.audit"])
@pytest.mark.parametrize("role", [None, READER, WRITER], ids=["owner", "reader", "writer"])
def test_nobody_updates_deletes_or_truncates(audited: Connection, statement: str, role: str | None) -> None:
    if role:
        assert role_exists(audited, role)
        audited.execute(text(f"set local role {role}"))
    with pytest.raises(DBAPIError) as refused, audited.begin_nested():
        audited.execute(text(statement))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"
    audited.execute(text("reset role"))
    assert audited.execute(text(BREAKS)).all() == []


@pytest.mark.parametrize("table", ["access.decision", "access.profile"])
def test_what_is_audited_cannot_be_emptied_behind_the_audit(ledger: Connection, table: str) -> None:
    with pytest.raises(DBAPIError, match="keeps every row as it is"), ledger.begin_nested():
        ledger.execute(text(f"truncate {table}"))


def test_the_writer_writes_to_the_audit_only_by_changing_something(audited: Connection) -> None:
    audited.execute(text(f"set local role {WRITER}"))
    for statement in (
        "insert into access.audit select * from access.audit",
        "update access.audit_head set audit_id = 0",
        "select access.append_audit('profile', 'insert', '{x}', '{null}', '{null}')",
        "update access.decision set rule_free = true",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), audited.begin_nested():
            audited.execute(text(statement))
    set_tier(audited, "new", "pro", "ann")
    assert profile(audited, "new")["tier"] == "pro"
    audited.execute(text("reset role"))
    assert trail(audited, "new")[0][0] == "ann"


def test_an_edited_row_is_found(audited: Connection) -> None:
    row = last(audited) - 2
    assert tamper(audited, f"update access.audit set actor = 'eve' where audit_id = {row}") == [(row, "it was edited")]


def test_a_row_that_is_edited_with_its_hash_is_found_by_the_next(audited: Connection) -> None:
    row = last(audited) - 2
    found = tamper(audited, f"update access.audit as a set hash = access.audit_hash(a), why = 'x' where audit_id = {row}")
    assert found == [(row, "it was edited")]
    audited.execute(text("set local session_replication_role = replica"))
    audited.execute(text(f"update access.audit as a set hash = access.audit_hash(a) where audit_id = {row}"))
    assert audited.execute(text(BREAKS)).all() == [(row + 1, "it does not follow from the row before it")]


def test_a_row_that_was_taken_from_the_middle_is_found(audited: Connection) -> None:
    row = last(audited) - 2
    assert tamper(audited, f"delete from access.audit where audit_id = {row}") == [(row + 1, "1 rows before it are missing")]


def test_a_cut_end_is_found(audited: Connection) -> None:
    row = last(audited)
    assert tamper(audited, f"delete from access.audit where audit_id > {row - 2}") == [(row, "2 rows at the end are missing")]


def test_an_emptied_audit_is_found(audited: Connection) -> None:
    row = last(audited)
    assert tamper(audited, "delete from access.audit") == [(row, f"{row} rows at the end are missing")]


def test_a_forged_row_at_the_end_is_found(audited: Connection) -> None:
    row = last(audited)
    forged = f"""insert into access.audit select audit_id + 1, at, 'eve', action, subject_kind, subject, before, after, why, request_id, hash, hash
                 from access.audit where audit_id = {row}"""
    assert (row, "1 rows at the end were not written by the database") in tamper(audited, forged)


def test_who_writes_at_the_same_time_leaves_one_chain_without_gaps(database: Engine) -> None:
    def work(name: str) -> None:
        for number in range(10):
            with database.begin() as connection:
                set_tier(connection, f"{name}-{number}", "pro", name)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.connect() as connection:
        assert connection.execute(text("select count(*), max(audit_id) from access.audit")).one() == (60, 60)
        assert connection.execute(text(BREAKS)).all() == []
