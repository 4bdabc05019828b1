"""What the tests of deployment share: the command line on this test's database, and a machine to install schedules on."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model_assets import database
from model_assets_tests.conftest import Run
from model_assets_tests.deploy.machine import CRONTAB, SYSTEMCTL, program


@pytest.fixture
def run(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on this test's database, whose address is given as people write it."""
    monkeypatch.setenv("DATABASE_URL", database.plain(url))
    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A MODEL_ASSETS_HOME whose name has to be quoted everywhere."""
    found = tmp_path / "100% mine"
    monkeypatch.setenv("MODEL_ASSETS_HOME", str(found))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return found


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Makes programs by name and script that are the only ones of these names: PATH has them, and a few that scripts need."""

    def make(programs: dict[str, str]) -> Path:
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        for name in ("sh", "cat", "mv", "grep"):
            (folder / name).symlink_to(f"/bin/{name}")
        for name, script in programs.items():
            program(folder / name, script)
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return make


@pytest.fixture
def crontab(only: Callable[[dict[str, str]], Path], tmp_path: Path) -> Path:
    """The file in which a stand-in for `crontab` keeps the crontab."""
    kept = tmp_path / "crontab"
    only({"crontab": CRONTAB.format(kept=kept)})
    return kept


@pytest.fixture
def systemctl(only: Callable[[dict[str, str]], Path], tmp_path: Path) -> Callable[..., Path]:
    """Makes a stand-in for `systemctl`, given whether systemd runs: the file in which it notes what it was told."""

    def make(state: str, enable: str = ":") -> Path:
        noted = tmp_path / "noted"
        only({"systemctl": SYSTEMCTL.format(noted=noted, state=state, enable=enable)})
        return noted

    return make


@pytest.fixture(autouse=True)
def _own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes started by tests find this interpreter whatever PATH says."""
    monkeypatch.setattr(sys, "executable", os.path.abspath(sys.executable))
