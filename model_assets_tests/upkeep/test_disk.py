"""The disk: nothing is written where it might fill up, and a full one does no lasting harm. On a small disk of the test's own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from model_assets import embedded, pipeline
from model_assets.attempts import attempt
from model_assets.database import connect, engine, with_driver
from model_assets.errors import DatabaseDown, NoRoom
from model_assets.fetching.http import Policy
from model_assets.ledger.migrate import migrate
from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.upkeep import disk
from model_assets.upkeep.condition import condition
from model_assets.upkeep.disk import MB, SPARE, disk_of, require_room
from model_assets.upkeep.jobs import database_has_room
from model_assets_tests.small_ledger import OPENROUTER, assert_sound, at, dump, load, model, payload, record, row_versions, select, unfenced

BALLAST = 1024 * 1024


@pytest.fixture
def small_home() -> Iterator[Path]:
    """A home on a disk of 90 MB, which other users may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    with tempfile.TemporaryDirectory(prefix="model-assets-disk-") as made:
        Path(made).chmod(0o755)
        disk_folder = Path(made) / "disk"
        disk_folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m,mode=0755", "tmpfs", disk_folder], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
        try:
            yield disk_folder / "home"
        finally:
            embedded.stop(disk_folder / "home")
            subprocess.run(["umount", "-l", disk_folder], check=True)


@pytest.fixture
def small(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a migrated ledger on that disk, whose database is the embedded one of this process."""
    monkeypatch.setenv("MODEL_ASSETS_HOME", str(small_home))
    with pytest.MonkeyPatch.context() as settings:  # no write-ahead log of 16 MB pieces fits more than a few times
        settings.setitem(embedded.SETTINGS, "max_wal_size", "32MB")
        settings.setitem(embedded.SETTINGS, "min_wal_size", "32MB")
        url = with_driver(embedded.ensure_running(small_home).url(), "psycopg")
        migrate(url)
        yield url
        engine(url).dispose()


def test_a_sync_does_not_start_and_an_import_writes_nothing_where_the_disk_is_too_small(small: str, small_home: Path) -> None:
    before = row_versions(small)
    said = r"^nothing was written: \d+ MB are left at .*/data, and 256 MB are needed.* Free some space there"
    with pytest.raises(NoRoom, match=said), attempt(small, "openrouter", at(0).date(), "a test"):
        pipeline.record_live(small, OPENROUTER, Policy())
    with pytest.raises(NoRoom, match="256 MB are needed"):
        load(small, at(0), payload(model("lab/a")))
    assert row_versions(small) == before
    [(kind, what_to_do)] = select(small, "select error_class, what_to_do from ops.sync_run")
    assert kind == "NoRoom"
    assert "Free some space" in what_to_do


def test_a_merge_does_not_start_where_the_disk_filled_up_since_the_payload_was_kept(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(disk, "SPARE", 0)
        audited = pipeline.audit(small, OPENROUTER, record(small, at(0), payload(model("lab/a"))))
    with pytest.raises(NoRoom):
        pipeline.publish(small, OPENROUTER, audited, unfenced)
    assert dump(small) == []


def test_little_space_is_told_before_it_is_too_little(small: str, small_home: Path) -> None:
    found = condition(read_settings(), small, with_daemon=False)
    assert found.disk is not None
    assert 0 < found.disk.free < 90 * MB
    assert found.problems[-1] == found.disk.what_to_do
    assert "syncs stop below 256 MB" in found.disk.what_to_do
    check = database_has_room(Postgres(url=small))
    assert isinstance(check, dg.AssetCheckResult)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_a_disk_that_fills_up_in_a_merge_loses_nothing_and_works_again_once_there_is_room(
    small: str, small_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SPARE", 0)
    monkeypatch.setattr(disk, "PER_BYTE", 0)
    load(small, at(0), payload(model("lab/a")))
    before = dump(small)
    ballast = small_home.parent / "ballast"
    with pytest.raises(OSError, match="No space left"):
        fill(ballast)
    many = payload(*(model(f"lab/{number}", extra="x" * 2000) for number in range(8000)))
    with pytest.raises((DatabaseDown, DBAPIError)) as failed:
        load(small, at(1), many)
    assert isinstance(failed.value, DatabaseDown) or "No space left on device" in str(failed.value)
    engine(small).dispose()
    ballast.unlink()
    assert with_driver(embedded.ensure_running(small_home).url(), "psycopg") == small
    assert dump(small) == before
    assert_sound(small)
    assert load(small, at(1), payload(model("lab/b"))).outcome == "changes"
    assert_sound(small)


def test_the_room_that_is_needed_grows_with_the_payload(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    home = tmp_path / "home"
    address = Ours(home, url).url
    require_room(address, 1000)
    with pytest.raises(NoRoom, match="MB are needed"):
        require_room(address, free // 3 + SPARE)
    require_room(address, (free - 2 * SPARE) // 3)


def fill(ballast: Path) -> None:
    """Write until not a byte is left."""
    with ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * BALLAST)


class Ours:
    """A home whose notes say that the embedded server listens where another one does: only the notes are looked at."""

    def __init__(self, home: Path, url: str) -> None:
        (home / "postgres" / "data").mkdir(parents=True)
        (home / "postgres" / "port").write_text("54321")
        self.url = "postgresql+psycopg://me@127.0.0.1:54321/model_assets"


def test_nothing_is_said_of_the_disk_of_a_server_elsewhere(url: str, tmp_path: Path) -> None:
    home = Ours(tmp_path / "home", url).url
    assert disk_of(home) is not None
    for elsewhere in ("postgresql://me@db.example:54321/mine", "postgresql://me@127.0.0.1:5432/mine", url):
        assert disk_of(elsewhere) is None
        require_room(elsewhere, 10**15)
    with connect(url) as connection:
        assert connection.execute(text("select 1")).scalar() == 1
    check = database_has_room(Postgres(url=url))
    assert isinstance(check, dg.AssetCheckResult)
    assert check.passed
    assert "disk" not in " ".join(condition(read_settings(), url, with_daemon=False).problems)
