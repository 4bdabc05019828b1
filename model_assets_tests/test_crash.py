"""kill -9 of the database itself, between two merges and in the middle of one: nothing or all of it, and the next try works."""

import importlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_assets import embedded
from model_assets.database import engine, with_driver
from model_assets.errors import DatabaseDown
from model_assets.ledger.migrate import migrate
from model_assets_tests.in_memory import in_memory
from model_assets_tests.small_ledger import assert_sound, reset, select
from model_assets_tests.test_kill import books, import_all, recordings


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of an embedded server of these tests' own."""
    with tempfile.TemporaryDirectory(prefix="model-assets-crash-", dir=in_memory()) as made:
        Path(made).chmod(0o755)
        yield Path(made) / "home"
        embedded.stop(Path(made) / "home")


@pytest.fixture
def shot(home: Path) -> Iterator[str]:
    """The URL of an empty ledger there."""
    url = with_driver(embedded.ensure_running(home).url(), "psycopg")
    migrate(url)
    reset(url)
    yield url
    engine(url).dispose()


def shoot(home: Path) -> int:
    """Kill the server's first process, as the kernel does when memory is short."""
    folder = embedded._folder(home)
    assert folder is not None
    pid = embedded._postmaster(folder)
    assert pid
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize(
    ("place", "nth"),
    [
        ("model_assets.pipeline:stage", 2),
        ("model_assets.ledger.merge:lock_source", 2),
        ("model_assets.ledger.merge:_merge_relation", 6),
        ("model_assets.pipeline:merge", 2),
        ("model_assets.pipeline:publish", 2),
    ],
    ids=["staged", "locked", "in mid-merge", "before the commit", "between two merges"],
)
def test_a_server_that_is_shot_loses_no_commit_and_keeps_no_half_one(
    shot: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, nth: int
) -> None:
    folder = recordings(tmp_path)
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    work = getattr(owner, name)
    calls: list[int] = []

    def deadly(*given: object, **named: object) -> object:
        done = work(*given, **named)
        calls.append(0)
        if len(calls) == nth:
            shoot(home)
        return done

    monkeypatch.setattr(owner, name, deadly)
    with pytest.raises(DatabaseDown, match="does not answer"):
        import_all(shot, folder)
    assert len(calls) >= nth  # the shot was fired; a session may live a moment longer than its server
    monkeypatch.undo()
    assert with_driver(embedded.ensure_running(home).url(), "psycopg") == shot
    assert_sound(shot)
    assert import_all(shot, folder) == []
    assert_sound(shot)
    assert select(shot, "select count(*) from ops.sync_run where status = 'running'") == [0]
    mended = books(shot)
    reset(shot)
    assert import_all(shot, folder) == []
    assert mended == books(shot)
