"""Restoring: what was backed up is there again, equal to the last byte; and whatever fails, what was there before still is."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command

from model_assets import database
from model_assets.backup import programs
from model_assets.backup.make import back_up
from model_assets.backup.manifest import BadBackup, manifest_file, read_manifest
from model_assets.backup.restore import check_fits, restore
from model_assets.backup.server import at, fresh_database, name_of
from model_assets.database import connect, plain
from model_assets.errors import ModelAssetsError
from model_assets.ledger.migrate import _config, migrate, newest
from model_assets.publishing import announce
from model_assets_tests.backup.conftest import databases, execute, reseal
from model_assets_tests.small_ledger import assert_sound, load, model, payload
from model_assets_tests.small_ledger import at as instant
from model_assets_tests.small_ledger import dump as claims

PROJECT = Path(__file__).resolve().parents[2]
Name = Callable[[], str]
UNSOUND = "alter table raw.payload drop constraint payload_sha256_fkey; truncate raw.body cascade"


@pytest.fixture
def old(new_url: Name) -> str:
    """The URL of a database that holds something."""
    url = new_url()
    execute(at(url, "postgres"), f'create database "{name_of(url)}"')
    execute(url, "create table mine as select 42 as answer")
    return url


@pytest.fixture
def nothing_left(server: str) -> Iterator[None]:
    """No half-restored database is there at the end that was not there before."""
    before = databases(server, "model_assets_restoring_")
    yield
    assert set(databases(server, "model_assets_restoring_")) <= set(before)


def test_what_was_backed_up_is_there_again(settled: str, dump: Path, new_url: Name, nothing_left: None) -> None:
    url = new_url()
    done = restore(dump, url)
    assert (done.replaced, done.proved.differing, done.proved.unsound, done.proved.missing_roles) == ({}, {}, {}, [])
    assert claims(url) == claims(settled)
    served = "select * from catalog.price order by offer, meter, service_tier, prompt_above_tokens, time_window, region, detail"
    assert execute(url, f"set timezone = 'UTC'; {served}") == execute(settled, f"set timezone = 'UTC'; {served}")
    assert_sound(url)


def test_work_goes_on_where_a_restore_ends(dump: Path, new_url: Name) -> None:
    url = new_url()
    restore(dump, url)
    numbers = execute(url, "select max(run_id) from ops.sync_run")[0][0]
    load(url, instant(400), payload(model("lab/a"), others=500))
    assert execute(url, "select max(run_id) from ops.sync_run")[0][0] == numbers + 1
    assert migrate(url) == newest()


def test_what_is_restored_has_a_later_number_than_any_that_what_it_replaces_gave_out(
    settled_copy: str, tmp_path: Path, new_url: Name
) -> None:
    backup = back_up(settled_copy, tmp_path / "ledger.dump").dump
    with connect(settled_copy) as connection:
        given = announce(connection)
    url = new_url()
    restore(backup, url)
    assert execute(url, "select version from catalog.published")[0][0] > given


def test_a_damaged_backup_is_not_restored(dump: Path, new_url: Name, server: str) -> None:
    url = new_url()
    dump.write_bytes(dump.read_bytes()[:-1])
    with pytest.raises(BadBackup):
        restore(dump, url)
    assert databases(server, name_of(url)) == []


# --- what is in the way ---


def test_a_database_that_holds_something_is_not_replaced_unasked(dump: Path, old: str) -> None:
    with pytest.raises(ModelAssetsError, match=r"is not empty: it has 1 tables and views\. Restore --into another one, or use --force"):
        restore(dump, old)
    assert execute(old, "select answer from mine") == [(42,)]


def test_what_is_replaced_is_kept_under_another_name(dump: Path, old: str, nothing_left: None) -> None:
    done = restore(dump, old, force=True)
    assert list(done.replaced) == [name_of(old)]
    assert execute(at(old, done.replaced[name_of(old)]), "select answer from mine") == [(42,)]
    assert_sound(old)


def test_an_empty_database_is_filled_and_no_other_stays(dump: Path, new_url: Name, server: str) -> None:
    url = new_url()
    execute(at(url, "postgres"), f'create database "{name_of(url)}"')
    assert restore(dump, url).replaced == {}
    assert databases(server, name_of(url)) == [name_of(url)]
    assert_sound(url)


def test_a_database_in_use_is_not_replaced(dump: Path, old: str) -> None:
    said = r"is in use by the daemon\. Stop `model-assets up`"
    with psycopg.connect(plain(old), application_name="the daemon"), pytest.raises(ModelAssetsError, match=said):
        restore(dump, old, force=True)
    assert execute(old, "select answer from mine") == [(42,)]


def test_one_who_comes_while_it_is_restored_keeps_the_old_one(dump: Path, old: str, nothing_left: None) -> None:
    came: list[psycopg.Connection] = []

    def come(_: str) -> None:
        came.append(psycopg.connect(plain(old), application_name="a late one"))

    with pytest.raises(ModelAssetsError, match=r"could not take over .* nothing was replaced"):
        restore(dump, old, force=True, tell=come)
    for connection in came:
        connection.close()
    assert execute(old, "select answer from mine") == [(42,)]


# --- what goes wrong ---


def test_a_restore_that_fails_half_way_leaves_what_was_there(dump: Path, old: str, nothing_left: None) -> None:
    content = dump.read_bytes()
    dump.write_bytes(content[: len(content) // 2])
    reseal(dump)
    with pytest.raises(ModelAssetsError, match=r"pg_restore failed \(.*\)\. Nothing was replaced"):
        restore(dump, old, force=True)
    assert execute(old, "select answer from mine") == [(42,)]


def test_what_is_not_as_the_manifest_says_is_not_restored(settled_copy: str, dump: Path, old: str, nothing_left: None) -> None:
    execute(settled_copy, "update history.listing set name = 'Another' where ctid = (select min(ctid) from history.listing)")
    dump.write_bytes(back_up(settled_copy, dump.parent / "other.dump").dump.read_bytes())
    reseal(dump)
    with pytest.raises(ModelAssetsError, match=r"is not what was backed up \(history\.listing has other values in its [\d,]+ rows[;)]"):
        restore(dump, old, force=True)
    assert execute(old, "select answer from mine") == [(42,)]


def test_what_was_not_sound_is_restored_only_on_request(url: str, tmp_path: Path, old: str, new_url: Name, nothing_left: None) -> None:
    load(url, instant(0), payload(model("lab/a"), others=3))
    execute(url, "alter table ops.observation drop constraint observation_source_observed_at_sha256_fkey; delete from raw.payload")
    dump = back_up(url, tmp_path).dump
    with pytest.raises(ModelAssetsError, match=r"not sound \(1 claims do not hold, such as: every accepted observation has its payload"):
        restore(dump, old, force=True)
    assert execute(old, "select answer from mine") == [(42,)]
    done = restore(dump, old, force=True, accept_unsound=True)
    assert list(done.proved.unsound) == ["every accepted observation has its payload"]
    assert execute(old, "select count(*) from ops.observation") == [(1,)]


KILLED = """
import os, signal, sys
from pathlib import Path
from model_assets.backup.restore import restore
def die(said):
    if "checking" in said:
        os.kill(os.getpid(), signal.SIGKILL)
restore(Path(sys.argv[1]), sys.argv[2], force=True, tell=die)
"""


def test_kill_9_of_a_restore_loses_nothing_and_the_next_cleans_up(dump: Path, old: str, server: str, nothing_left: None) -> None:
    before = set(databases(server, "model_assets_restoring_"))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(dump), old], cwd=PROJECT, check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = set(databases(server, "model_assets_restoring_")) - before
    assert execute(old, "select answer from mine") == [(42,)]
    end = time.monotonic() + 60
    while execute(at(old, "postgres"), f"select 1 from pg_stat_activity where datname = '{left}'") and time.monotonic() < end:
        time.sleep(0.1)  # the server notices only now that its client is gone
    restore(dump, old, force=True)
    assert left not in databases(server, "model_assets_restoring_")


def test_a_database_that_somebody_is_restoring_into_is_not_taken_for_left_over(server: str) -> None:
    with fresh_database(server.format(name="postgres"), "restoring") as one, fresh_database(server.format(name="postgres"), "restoring"):
        assert execute(one.url, "select 1") == [(1,)]


# --- older and newer ---


def test_a_backup_of_a_newer_version_is_refused(dump: Path, new_url: Name) -> None:
    reseal(dump, revision="9999")
    with pytest.raises(ModelAssetsError, match=f"the backup is at revision 9999, this version knows {newest()}. Use the newer version"):
        restore(dump, new_url())


def test_a_backup_of_a_newer_server_is_refused(dump: Path) -> None:
    manifest = read_manifest(dump)
    theirs, older = manifest.server, manifest.server - 1
    check_fits(manifest, theirs)
    with pytest.raises(ModelAssetsError, match=f"the backup is of Postgres {theirs}, this server is {older}. Restore it on {theirs}"):
        check_fits(manifest, older)


def test_a_backup_of_an_older_version_is_brought_up_to_this_one(dump: Path, new_url: Name, tmp_path: Path) -> None:
    older = new_url()
    execute(at(older, "postgres"), f'create database "{name_of(older)}"')
    with connect(older) as connection:
        connection.exec_driver_sql("create schema ops")
        command.upgrade(_config(connection), "0002")
    made = back_up(older, tmp_path / "older.dump")
    assert made.manifest.revision == "0002"
    url = new_url()
    assert restore(made.dump, url).proved.revision == newest()
    assert execute(url, "select count(*) from catalog.price") == [(0,)]
    assert_sound(url)


def test_grants_are_restored_and_those_to_roles_that_are_not_here_are_said(url: str, new_url: Name, tmp_path: Path) -> None:
    stays, goes = (f"{name}_{uuid.uuid4().hex[:8]}" for name in ("stays", "goes"))
    execute(url, f"create role {stays}; create role {goes}; grant select on raw.body to {stays}; grant select on ops.source to {goes}")
    try:
        dump = back_up(url, tmp_path).dump
        execute(url, f"drop owned by {goes}; drop role {goes}")
        target = new_url()
        assert restore(dump, target).proved.missing_roles == [goes]
        assert execute(target, f"select has_table_privilege('{stays}', 'raw.body', 'select')") == [(True,)]
        execute(target, f"drop owned by {stays}")
    finally:
        execute(url, f"drop owned by {stays}; drop role {stays}; drop role if exists {goes}")


def test_a_setting_that_an_older_server_does_not_know_is_no_failure(
    dump: Path, new_url: Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pg_restore 17 and newer says to Postgres 16 and older: it works all the same, with exit code 1."""
    real = programs.find("pg_restore", read_manifest(dump).pg_dump)
    fake = tmp_path / "bin" / "pg_restore"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\n"{real.path}" "$@" || exit 3\n[ "$1" = --version ] && exit\n'
        "echo 'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"' >&2; exit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    assert programs.find("pg_restore", 1).path == fake
    assert restore(dump, new_url()).proved.differing == {}


def test_dagster_s_tables_are_restored_beside(settled_copy: str, tmp_path: Path, new_url: Name, server: str) -> None:
    beside = at(settled_copy, f"{name_of(settled_copy)}_dagster")
    execute(settled_copy, f'create database "{name_of(beside)}"')
    try:
        execute(beside, "create table runs as select 7 as id")
        dump = back_up(settled_copy, tmp_path, with_dagster=True).dump
    finally:
        execute(settled_copy, f'drop database "{name_of(beside)}"')
    url = new_url()
    target = at(url, f"{name_of(url)}_dagster")
    execute(at(url, "postgres"), f'create database "{name_of(target)}"')
    execute(target, "create table runs as select 5 as id")
    with pytest.raises(ModelAssetsError, match="_dagster is not empty"):
        restore(dump, url)
    done = restore(dump, url, force=True)
    assert execute(target, "select id from runs") == [(7,)]
    assert execute(at(url, done.replaced[name_of(target)]), "select id from runs") == [(5,)]
    assert_sound(url)
    database.engine(url).dispose()
    assert manifest_file(dump).is_file()
