"""`install-schedule systemd`, and the units that people copy: verified by systemd's own program."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model_assets.schedule import systemd
from model_assets.schedule.plan import Plan
from model_assets.settings import PROJECT
from model_assets_tests.conftest import Run
from model_assets_tests.deploy.machine import program

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here (Debian: apt-get install systemd)"
)
AT_OPT = {"python": Path("/opt/model-assets/.venv/bin/python"), "project": Path("/opt/model-assets")}
OPT = Plan("0 2 * * *", Path("/var/lib/model-assets"), {}, embedded=False, alerting=True, **AT_OPT)


def verified(folder: Path, units: dict[str, str]) -> str:
    """What systemd-analyze complains of; a service must name programs and folders that exist."""
    folder.mkdir(exist_ok=True)
    for name, content in units.items():
        (folder / name).write_text(content)
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(str(folder / name) for name in units)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"})
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


def settings_of(unit: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit)
    return parser


def plan(tmp_path: Path, **given: object) -> Plan:
    home = tmp_path / 'a "home" of $5, 100%'
    python = program(tmp_path / "the $bin" / "python", "exit 0")
    return Plan("0 */6 * * 1-5", home, {}, embedded=True, alerting=True, python=python, project=tmp_path, **given)  # type: ignore[arg-type]


@needs_systemd
@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("log", [None, Path("/var/log/model assets.log")], ids=["journal", "file"])
def test_systemd_has_nothing_to_say_against_the_units(system: bool, log: Path | None, tmp_path: Path) -> None:
    units = systemd.units(plan(tmp_path, log_file=log), system=system, owner="daemon")
    assert verified(tmp_path / "units", units) == ""
    assert verified(tmp_path / "units", {"broken.service": units[systemd.SERVICE].replace("Type=oneshot", "Typo=oneshot")}) != ""


def test_the_service_runs_one_sync_and_the_timer_catches_up(tmp_path: Path) -> None:
    units = systemd.units(OPT, system=True, owner="model-assets")
    service, timer = settings_of(units[systemd.SERVICE])["Service"], settings_of(units[systemd.TIMER])["Timer"]
    assert (service["Type"], service["User"]) == ("oneshot", "model-assets")
    assert service["ExecStart"] == "/opt/model-assets/.venv/bin/python -m model_assets sync"
    assert service["WorkingDirectory"] == "/opt/model-assets"
    assert service["EnvironmentFile"] == "/var/lib/model-assets/schedule/systemd.env"
    assert service["StandardOutput"] == "journal"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/model-assets"
    assert (timer["OnCalendar"], timer["Persistent"]) == ("*-*-* 02:00:00 UTC", "true")


def test_an_embedded_postgres_outlives_the_sync_that_started_it(tmp_path: Path) -> None:
    assert "KillMode=process" in systemd.units(plan(tmp_path), system=False)[systemd.SERVICE]
    assert "KillMode" not in systemd.units(OPT, system=False)[systemd.SERVICE]


# --- installing -------------------------------------------------------------------------------------------------------------------------


def test_where_systemd_runs_the_timer_is_enabled(run: Run, systemctl: Callable[..., Path], home: Path, tmp_path: Path) -> None:
    noted = systemctl("running")
    code, out, err = run("install-schedule", "systemd", "--user", "--time", "02:00")
    assert (code, err) == (0, "")
    folder = tmp_path / "config" / "systemd" / "user"
    assert noted.read_text().splitlines() == ["--user is-system-running", "--user daemon-reload", f"--user enable --now {systemd.TIMER}"]
    assert sorted(path.name for path in folder.iterdir()) == [systemd.SERVICE, systemd.TIMER]
    environment = home / "schedule" / "systemd.env"
    assert environment.stat().st_mode & 0o777 == 0o600
    assert 'DATABASE_URL="postgresql://' in environment.read_text()
    assert "loginctl enable-linger" in out
    assert "journalctl --user -u model-assets-sync.service" in out
    assert run("install-schedule", "systemd", "--user", "--remove")[0] == 0
    assert noted.read_text().splitlines()[-2:] == [f"--user disable --now {systemd.TIMER}", "--user daemon-reload"]
    assert list(folder.iterdir()) == []
    assert not environment.exists()


@pytest.mark.parametrize("state", ["offline", "unknown"])
def test_where_systemd_does_not_run_the_commands_are_printed(
    state: str, run: Run, systemctl: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    noted = systemctl(state)
    code, out, _ = run("install-schedule", "systemd", "--user")
    assert code == 0
    assert "systemd does not run here. Where it does, give these commands:\n  systemctl --user daemon-reload\n" in out
    assert f"  systemctl --user enable --now {systemd.TIMER}\n" in out
    assert noted.read_text() == "--user is-system-running\n"
    assert (tmp_path / "config" / "systemd" / "user" / systemd.TIMER).exists()


def test_installing_again_changes_the_time(run: Run, systemctl: Callable[..., Path], home: Path, tmp_path: Path) -> None:
    systemctl("running")
    for at in ("02:00", "04:45"):
        assert run("install-schedule", "systemd", "--user", "--time", at)[0] == 0
    timer = (tmp_path / "config" / "systemd" / "user" / systemd.TIMER).read_text()
    assert re.findall("OnCalendar=.*", timer) == ["OnCalendar=*-*-* 04:45:00 UTC"]


def test_what_systemd_refuses_is_told(run: Run, systemctl: Callable[..., Path], home: Path) -> None:
    systemctl("running", 'echo "Failed to enable unit: Access denied" >&2; exit 1')
    code, _, err = run("install-schedule", "systemd", "--user")
    assert code == 1
    assert f"`systemctl --user enable --now {systemd.TIMER}` failed: Failed to enable unit: Access denied." in err


def test_without_systemd_nothing_is_written(run: Run, only: Callable[[dict[str, str]], Path], home: Path, tmp_path: Path) -> None:
    only({})
    code, out, err = run("install-schedule", "systemd", "--user")
    assert (code, out, home.exists(), (tmp_path / "config").exists()) == (1, "", False, False)
    assert "there is no program `systemctl` here. This machine does not use systemd" in err


def test_a_dry_run_shows_the_units_and_no_value_of_a_variable(
    run: Run, only: Callable[[dict[str, str]], Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only({})
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    code, out, _ = run("install-schedule", "systemd", "--system", "--dry-run")
    assert (code, home.exists()) == (0, False)
    assert "--- /etc/systemd/system/model-assets-sync.service\n[Unit]" in out
    assert "hunter2" not in out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_service_of_the_system_belongs_to_the_owner_of_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    assert systemd.owner_of(home) == "nobody"
    systemd.write(home / "schedule" / "systemd.env", "", 0o600, like=home)
    assert (home / "schedule" / "systemd.env").stat().st_uid == 65534
    assert systemd.owner_of(tmp_path / "none yet") == "root"


# --- the units in deploy/ ---------------------------------------------------------------------------------------------------------------

SHOWN = PROJECT / "deploy" / "systemd"


@pytest.mark.parametrize("name", [systemd.SERVICE, systemd.TIMER])
def test_the_units_in_deploy_are_those_that_would_be_installed(name: str) -> None:
    assert (SHOWN / name).read_text() == systemd.units(OPT, system=True, owner="model-assets")[name]


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_units_in_deploy(tmp_path: Path) -> None:
    fake = program(tmp_path / "model-assets", "exit 0")
    units = {path.name: path.read_text() for path in SHOWN.iterdir()}
    assert sorted(units) == [systemd.SERVICE, systemd.TIMER, "model-assets-up.service"]
    there = {name: re.sub(r"/opt/model-assets/\.venv/bin/(python|model-assets)", str(fake), unit) for name, unit in units.items()}
    assert verified(tmp_path / "units", {name: unit.replace("User=model-assets", "User=daemon") for name, unit in there.items()}) == ""


def test_up_stops_its_postgres_as_it_stops_and_is_restarted_when_it_fails() -> None:
    service = settings_of((SHOWN / "model-assets-up.service").read_text())["Service"]
    assert service["ExecStart"] == "/opt/model-assets/.venv/bin/model-assets up"
    assert (service["Restart"], service["KillMode"]) == ("on-failure", "process")
    assert service["ExecStopPost"].endswith("model-assets down")
    assert sys.platform != "linux" or service["User"] != "root"
