"""Making a backup: of one instant, whole or not there at all, without showing a password."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from model_assets.backup import make, programs, tables
from model_assets.backup.folder import backups
from model_assets.backup.make import UNFINISHED, back_up
from model_assets.backup.manifest import manifest_file, whole
from model_assets.backup.programs import Program
from model_assets.backup.server import at, name_of
from model_assets.backup.verify import verify
from model_assets.database import connect, plain
from model_assets.errors import ModelAssetsError, SettingsError
from model_assets.sql_models import load_models, refresh
from model_assets_tests.backup.conftest import execute
from model_assets_tests.small_ledger import at as instant
from model_assets_tests.small_ledger import load, model, payload

PROJECT = Path(__file__).resolve().parents[2]


def until(done: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came."""
    end = time.monotonic() + 60
    while not (came := done()) and time.monotonic() < end:
        time.sleep(0.02)
    return came


def script(folder: Path, name: str, *lines: str) -> Path:
    """A program of the shell, first on the PATH where `folder` is."""
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.fixture
def ledger(url: str) -> str:
    """A ledger of one day."""
    load(url, instant(0), payload(model("lab/a"), model("lab/b"), others=3))
    return url


@pytest.fixture
def changing(ledger: str) -> Iterator[list[int]]:
    """Changes two tables in one transaction as often as it can, and counts how often."""
    turns: list[int] = []
    over = threading.Event()

    def change() -> None:
        with psycopg.connect(plain(ledger), autocommit=True) as connection:
            while not over.is_set():
                with connection.transaction():
                    connection.execute("update ops.source set ledger_version = ledger_version + 1")
                    connection.execute("update ops.observation set listings = listings + 1")
                turns.append(1)

    thread = threading.Thread(target=change)
    thread.start()
    yield turns
    over.set()
    thread.join()


def test_what_changes_during_a_backup_is_in_the_dump_as_it_is_in_the_manifest(ledger: str, changing: list[int], tmp_path: Path) -> None:
    assert until(lambda: len(changing) > 0)
    before = len(changing)
    made = back_up(ledger, tmp_path)
    assert len(changing) > before + 10
    _, proved = verify(made.dump, ledger)
    assert proved.differing == {}


def test_no_table_is_exchanged_under_a_backup(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is exchanged between the snapshot and its reading would be read as empty."""
    sums, done = tables.table_sums, threading.Event()

    def exchange() -> None:
        with connect(ledger) as connection:
            refresh(connection, load_models()["catalog.offer"])
        done.set()

    exchanging = threading.Thread(target=exchange)
    waiting = "select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"

    def sums_while_somebody_exchanges(connection: psycopg.Connection) -> dict[str, tables.TableSum]:
        exchanging.start()
        assert until(lambda: done.is_set() or bool(execute(ledger, waiting)))
        assert not done.is_set()
        return sums(connection)

    execute(ledger, "insert into catalog.offer (provider) values ('a row that the refresh takes away')")
    there = execute(ledger, "select count(*) from catalog.offer")[0][0]
    monkeypatch.setattr(tables, "table_sums", sums_while_somebody_exchanges)
    made = back_up(ledger, tmp_path)
    exchanging.join()
    assert done.is_set()
    assert made.manifest.parts["ledger"].tables["catalog.offer"].rows == there
    assert execute(ledger, "select count(*) from catalog.offer where provider like 'a row%'") == [(0,)]


def test_work_in_progress_is_left_out(ledger: str, tmp_path: Path) -> None:
    execute(ledger, "create unlogged table staged.half as select generate_series(1, 1000) as n; create table public.mine as select 5 as n")
    found = back_up(ledger, tmp_path).manifest.parts["ledger"].tables
    assert [name for name in found if name.startswith("staged.")] == []
    assert found["public.mine"].rows == 1


def test_a_backup_is_for_nobody_else_to_read(ledger: str, tmp_path: Path) -> None:
    made = back_up(ledger, tmp_path / "new")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (made.dump.parent, made.dump, manifest_file(made.dump))] == [0o700, 0o600, 0o600]


def test_the_checksum_does_not_depend_on_the_order_of_rows_and_finds_every_change(ledger: str) -> None:
    def sums() -> tables.TableSum:
        with tables.connect(ledger) as connection:
            return tables.table_sums(connection)["public.t"]

    execute(ledger, "create table public.t as select n, 'x' || n as t from generate_series(1, 100) n")
    first = sums()
    execute(
        ledger, "create table public.u as select * from public.t order by n desc; drop table public.t; alter table public.u rename to t"
    )
    assert sums() == first
    for change in (
        "update public.t set t = 'y' where n = 7",
        "update public.t set t = case n when 3 then 'x4' else 'x3' end where n in (3, 4)",
    ):
        execute(ledger, change)
        changed = sums()
        assert changed.rows == first.rows
        assert changed != first
        execute(ledger, "update public.t set t = 'x' || n")
        assert sums() == first


# --- whole or not at all ---


def test_only_the_newest_are_kept_and_what_others_put_there_stays(ledger: str, tmp_path: Path) -> None:
    mine = back_up(ledger, tmp_path / "mine.dump").dump
    made = [back_up(ledger, tmp_path).dump for _ in range(3)]
    newest = back_up(ledger, tmp_path, keep=2)
    assert sorted(newest.removed) == sorted(made[:2])
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        path.name for dump in (mine, made[2], newest.dump) for path in (dump, manifest_file(dump))
    }


def test_a_backup_of_another_database_is_not_removed(ledger: str, settled_copy: str, tmp_path: Path) -> None:
    other = back_up(settled_copy, tmp_path).dump
    assert back_up(ledger, tmp_path, keep=1).removed == []
    whole(other)


def test_a_file_that_is_there_is_not_overwritten(ledger: str, tmp_path: Path) -> None:
    made = back_up(ledger, tmp_path / "a.dump").dump
    before = made.read_bytes()
    with pytest.raises(ModelAssetsError, match="is there already"):
        back_up(ledger, made)
    assert made.read_bytes() == before


def test_two_backups_into_one_folder_at_once_are_refused(ledger: str, tmp_path: Path) -> None:
    with make._only_one(tmp_path), pytest.raises(ModelAssetsError, match="another backup is being made"):
        back_up(ledger, tmp_path)
    back_up(ledger, tmp_path)


def test_a_disk_without_room_is_found_before(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(ModelAssetsError, match=r"has 0\.0 MiB free, and a backup may need [0-9.]+ MiB\. Make room"):
        back_up(ledger, tmp_path)
    assert backups(tmp_path) == []


def test_a_dump_that_fails_leaves_the_older_backups_and_no_other_file(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = back_up(ledger, tmp_path / "to").dump
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", "pg_dump", '[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.1" && exit', "echo disk is full >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(ModelAssetsError, match=r"pg_dump failed \(disk is full\)\. No backup was made"):
        back_up(ledger, tmp_path / "to", keep=1)
    assert {path.name for path in (tmp_path / "to").iterdir()} == {older.name, manifest_file(older).name, ".model-assets-backup.lock"}


def test_a_database_without_a_ledger_is_not_backed_up(server: str, tmp_path: Path) -> None:
    with pytest.raises(ModelAssetsError, match="has no ledger to back up"):
        back_up(server.format(name="postgres"), tmp_path)


def test_kill_9_during_a_dump_leaves_no_backup_and_the_next_cleans_up(ledger: str, tmp_path: Path) -> None:
    real = programs.find("pg_dump", execute(ledger, "select current_setting('server_version_num')::int / 10000")[0][0])
    (tmp_path / "bin").mkdir()
    script(
        tmp_path / "bin", "pg_dump", f'"{real.path}" "$@" || exit', '[ "$1" = --version ] && exit',
        f"echo $$ > {tmp_path / 'new'}; mv {tmp_path / 'new'} {tmp_path / 'dumped'}; exec sleep 100",
    )  # fmt: skip
    environment = {**os.environ, "DATABASE_URL": ledger, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "model_assets", "backup", str(tmp_path / "to")]
    child = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until((tmp_path / "dumped").exists)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    os.kill(int((tmp_path / "dumped").read_text()), signal.SIGKILL)
    left = [path.name for path in (tmp_path / "to").iterdir()]
    assert [name for name in left if name.endswith((".dump", ".json"))] == []
    assert [name for name in left if name.startswith(UNFINISHED)] != []
    made = back_up(ledger, tmp_path / "to").dump
    assert [one.dump for one in backups(tmp_path / "to")] == [made]
    assert [path for path in (tmp_path / "to").iterdir() if path.name.startswith(UNFINISHED)] == []


DIE_AT_RENAME = """
import os, signal, sys
from pathlib import Path
from model_assets.backup.make import back_up
rename, left = Path.rename, [int(sys.argv[1])]
def die(self, target):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = die
back_up(sys.argv[2], Path(sys.argv[3]))
"""


@pytest.mark.parametrize("nth", [1, 2])
def test_kill_9_before_any_file_has_its_name_leaves_no_backup(ledger: str, tmp_path: Path, nth: int) -> None:
    command = [sys.executable, "-c", DIE_AT_RENAME, str(nth), ledger, str(tmp_path)]
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == -signal.SIGKILL
    assert len([*tmp_path.glob("*.json")]) == nth - 1
    assert backups(tmp_path) == []
    assert [*tmp_path.glob("*.dump")] == []
    assert whole(back_up(ledger, tmp_path, keep=1).dump)


# --- the programs ---


def test_the_password_is_in_no_command_line(tmp_path: Path) -> None:
    shown = script(tmp_path, "shows", 'echo "$@ and $PGPASSWORD" >&2')
    code, said = programs.said_by(programs.start(Program(shown, 18), ["--x"], "postgresql+psycopg://me:s%20e%3Acret@127.0.0.1:5/base"))
    assert code == 0
    command, _, password = said.strip().rpartition(" and ")
    assert password == "s e:cret"
    assert "cret" not in command
    assert {"--no-password", "--x", "user=me", "host=127.0.0.1", "port=5", "dbname=base"} <= set(command.split())


def test_a_program_older_than_the_server_is_passed_over_and_named_where_there_is_no_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "pg_dump", "echo 'pg_dump (PostgreSQL) 12.3 (Debian 12.3-1)'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert programs.find("pg_dump", 12) == Program(tmp_path / "pg_dump", 12)
    assert programs.find("pg_dump", 15).major >= 15
    with pytest.raises(SettingsError, match=rf"of Postgres 99 or newer is needed here; {tmp_path}/pg_dump is 12 and .*\. Install"):
        programs.find("pg_dump", 99)


def test_dagster_s_tables_are_backed_up_on_request(ledger: str, tmp_path: Path) -> None:
    with pytest.raises(ModelAssetsError, match=r"there is no database \S+_dagster on this server\. Leave out --with-dagster"):
        back_up(ledger, tmp_path, with_dagster=True)
    beside = at(ledger, f"{name_of(ledger)}_dagster")
    execute(ledger, f'create database "{name_of(beside)}"')
    try:
        execute(beside, "create table runs as select 1 as id")
        made = back_up(ledger, tmp_path, with_dagster=True)
        assert made.manifest.parts["dagster"].tables == {"public.runs": made.manifest.parts["dagster"].tables["public.runs"]}
        assert whole(made.dump)
        assert [one.dump for one in backups(tmp_path)] == [made.dump]
        assert verify(made.dump, ledger)[1].differing == {}
        assert make.back_up(ledger, tmp_path, keep=1).removed == [made.dump]
        assert [*tmp_path.glob("*.dagster.dump")] == []
    finally:
        execute(ledger, f'drop database "{name_of(beside)}" with (force)')
