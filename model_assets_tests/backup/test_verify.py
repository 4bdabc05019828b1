"""Proving a backup: it is really restored, and what differs is found and named."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_assets import embedded
from model_assets.backup.make import back_up
from model_assets.backup.manifest import manifest_file, read_manifest
from model_assets.backup.verify import verify
from model_assets_tests.backup.conftest import databases, execute, reseal
from model_assets_tests.conftest import Run
from model_assets_tests.in_memory import in_memory

CHANGES = {
    "a value": ("update history.price set amount = amount + 1 where ctid = (select min(ctid) from history.price where amount > 0)",
                r"history.price has other values in its"),
    "a row gone": ("delete from ops.sync_run where run_id = (select min(run_id) from ops.sync_run)", "ops.sync_run has"),
    "a table gone": ("drop table ops.held_verdict cascade", "ops.held_verdict is missing"),
    "a table more": ("create table public.more as select 1 as n", "public.more is not in the manifest"),
    "one bit of a payload": ("update raw.body set gzip = set_bit(gzip, 77, 1 - get_bit(gzip, 77)) where ctid = (select min(ctid) from raw.body)",
                             "raw.body has other values"),
}  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that every user may enter, for the embedded server."""
    with tempfile.TemporaryDirectory(prefix="model-assets-backup-", dir=in_memory()) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"
        embedded.stop(Path(folder) / "home")


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_dump_that_holds_something_else_is_found_and_the_table_named(
    what: str, settled_copy: str, dump: Path, server: str, run: Run
) -> None:
    statement, named = CHANGES[what]
    execute(settled_copy, statement)
    dump.write_bytes(back_up(settled_copy, dump.parent / "other.dump").dump.read_bytes())
    reseal(dump)
    before = databases(server, "model_assets_verifying_")
    code, out, err = run("backup", "verify", dump, "--scratch", server.format(name="postgres"))
    assert code == 1
    assert all(words in out for words in named.split(" ", 1))
    assert named in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith(f"model-assets: {dump} does not hold what was backed up")
    assert set(databases(server, "model_assets_verifying_")) <= set(before)


def test_a_ledger_that_was_not_sound_is_found(settled_copy: str, server: str, tmp_path: Path, run: Run) -> None:
    execute(settled_copy, "alter table ops.observation drop constraint observation_source_observed_at_sha256_fkey; delete from raw.payload")
    dump = back_up(settled_copy, tmp_path).dump
    code, out, err = run("backup", "verify", dump, "--scratch", server.format(name="postgres"))
    assert code == 1
    assert "BROKEN every accepted observation has its payload" in out
    assert "that was not sound" in err


def test_a_proof_that_fails_leaves_no_database(dump: Path, server: str, settled: str) -> None:
    content = dump.read_bytes()
    dump.write_bytes(content[: len(content) // 2])
    reseal(dump)
    before = databases(server, "model_assets_verifying_")
    with contextlib.suppress(Exception):
        verify(dump, settled)
        pytest.fail("half a dump was restored")
    assert set(databases(server, "model_assets_verifying_")) <= set(before)


def test_a_proof_needs_only_the_files_and_leaves_the_server_that_others_use_alone(dump: Path, home: Path, run: Run, monkeypatch) -> None:
    """The embedded server is started for it, and stopped again where DATABASE_URL names another."""
    monkeypatch.setenv("MODEL_ASSETS_HOME", str(home))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    code, out, err = run("backup", "verify", dump)
    assert (code, err.splitlines()[-1]) == (0, "checking the ledger's claims")
    rows = sum(table.rows for table in read_manifest(dump).parts["ledger"].tables.values())
    assert out.splitlines()[-1] == f"{dump} can be restored: {rows:,} rows are equal, and the ledger is sound."
    assert embedded.running(home) is None


# --- the command line ---


def test_a_backup_goes_the_whole_way_on_the_command_line(settled_copy: str, server: str, tmp_path: Path, run: Run, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    code, out, err = run("backup", tmp_path / "new folder", "--keep", 3)
    assert (code, err) == (0, "")
    [dump] = (tmp_path / "new folder").glob("*.dump")
    assert out.startswith(f"{dump}: ")
    code, out, _ = run("backup", "list", tmp_path / "new folder", "--json")
    [row] = json.loads(out)
    assert (code, row["file"], row["dagster"], row["bytes"]) == (0, str(dump), False, dump.stat().st_size)
    code, out, _ = run("backup", "verify", dump, "--scratch", server.format(name="postgres"), "--json")
    assert code == 0
    found = json.loads(out)
    assert {one["found"] for one in found["tables"]} == {"equal"}
    assert sum(one["rows"] for one in found["tables"]) == row["rows"]
    code, _, err = run("restore", dump)
    assert code == 1
    assert "use --force, which keeps the old one" in err.splitlines()[-1]
    code, out, err = run("restore", dump, "--force")
    assert (code, "had content, which is kept as" in out) == (0, True)
    kept = out.rpartition("drop database ")[2].strip(" ;\n")
    assert kept in databases(server, "")
    execute(server.format(name="postgres"), f'drop database "{kept}" with (force)')


def test_without_a_place_it_goes_below_the_home(settled: str, tmp_path: Path, run: Run, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled)
    assert run("backup", "list")[:2] == (
        0,
        f"No backup is in {tmp_path}/home/backups. `model-assets backup {tmp_path}/home/backups` makes one.\n",
    )
    code, out, _ = run("backup", "--json")
    made = json.loads(out)
    assert (code, made["removed"], Path(made["file"]).parent) == (0, [], tmp_path / "home" / "backups")
    code, out, err = run("backup", "list")
    assert (code, Path(made["file"]).name in out, err) == (0, True, "")


def test_a_list_says_what_is_no_backup(dump: Path, run: Run) -> None:
    manifest_file(dump).unlink()
    code, out, err = run("backup", "list", dump.parent)
    assert code == 0
    assert err.startswith(f"not a backup: {manifest_file(dump)} is missing")
    assert run("backup", "list", dump.parent / "nowhere")[0] == 1


def test_keep_goes_with_a_folder(tmp_path: Path, run: Run) -> None:
    code, out, err = run("backup", tmp_path / "a.dump", "--keep", 2)
    assert (code, out) == (2, "")
    assert "--keep goes with a folder" in err


def test_no_password_is_printed(settled: str, server: str, tmp_path: Path, run: Run, monkeypatch) -> None:
    where = database_with_password(settled)
    monkeypatch.setenv("DATABASE_URL", where)
    said = [run("backup", tmp_path), run("backup", "list", tmp_path)]
    dump = next(tmp_path.glob("*.dump"))
    said += [run("restore", dump, "--into", where), run("backup", "verify", dump, "--scratch", where, "--json")]
    assert [code for code, _, _ in said] == [0, 0, 1, 0]
    assert "open sesame" not in str(said)
    assert b"sesame" not in manifest_file(dump).read_bytes()


def database_with_password(url: str) -> str:
    """The URL with a password in it, one of the test's own where the server asks for none."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return parsed.set(password=parsed.password or "open sesame").render_as_string(hide_password=False).replace(" ", "%20")
