"""A service and its timer for systemd, of this user or of the system."""

import os
import pwd
import re
import subprocess
from pathlib import Path

from model_assets.errors import ModelAssetsError
from model_assets.schedule.calendar import on_calendar
from model_assets.schedule.plan import Plan, environment_file, rendered, write
from model_assets.schedule.programs import run, said
from model_assets.settings import user_configuration

SERVICE, TIMER = "model-assets-sync.service", "model-assets-sync.timer"
NO_SYSTEMD = "This machine does not use systemd: use `model-assets install-schedule cron`."
HARDENING = (
    "ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes",
    "RestrictNamespaces=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
)  # fmt: skip


def unit_folder(system: bool) -> Path:
    """Where systemd looks for units."""
    return Path("/etc/systemd/system") if system else user_configuration() / "systemd" / "user"


def units(plan: Plan, *, system: bool, owner: str = "root") -> dict[str, str]:
    """name -> content of the two units. A system's service runs as `owner`, and may write below the plan's home only."""
    locked = [*HARDENING, f"ReadWritePaths={_word(str(plan.home))}"]  # a user's manager may not be allowed to do these
    values = {
        "USER": f"User={owner}\n" if system and owner != "root" else "",
        "PROJECT": _percent(str(plan.project)),
        "ENVIRONMENT": _percent(str(plan.folder / "systemd.env")),
        "COMMAND": " ".join(map(_word, plan.command)),  # of these only the program may have a $, and in a program's name it is plain
        "ALERTS": f"ExecStopPost=-{' '.join(map(_word, plan.command))} alerts send\n" if plan.alerting else "",
        "OUTPUT": f"StandardOutput=append:{_percent(str(plan.log_file))}\nStandardError=inherit"
        if plan.log_file
        else "StandardOutput=journal",
        # the embedded Postgres outlives the sync that started it
        "KILL": "\nKillMode=process" if plan.embedded else "",
        "HARDENING": "\n".join(locked) if system else "",
        "WHEN": "\n".join(f"OnCalendar={moment}" for moment in on_calendar(plan.schedule)),
    }
    return {name: rendered(name, values).rstrip("\n") + "\n" for name in (SERVICE, TIMER)}


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """A word of a list in a unit file."""
    if re.fullmatch(r"[\w@+./:=,-]+", text):
        return text
    return '"' + _percent(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def owner_of(home: Path) -> str:
    """Whose `home` is, who need not be the one who installs; of one that is still to be made, this user."""
    user = home.stat().st_uid if home.exists() else os.geteuid()
    return pwd.getpwuid(user).pw_name


def install(plan: Plan, *, system: bool) -> list[str]:
    """The units are written, and run if systemd does; else the commands that are still to be given. Raises ModelAssetsError."""
    live = runs(system)
    write(plan.folder / "systemd.env", environment_file(plan.variables), 0o600, like=plan.home if plan.home.exists() else None)
    for name, content in units(plan, system=system, owner=owner_of(plan.home)).items():
        write(unit_folder(system) / name, content, 0o644)
    commands = [[*_control(system), "daemon-reload"], [*_control(system), "enable", "--now", TIMER]]
    return _given(commands, live)


def remove(plan: Plan, *, system: bool) -> list[str]:
    """The timer is stopped and the files are gone; else the commands that are still to be given."""
    live = runs(system)
    left = _given([[*_control(system), "disable", "--now", TIMER]], live) if (unit_folder(system) / TIMER).exists() else []
    for path in (unit_folder(system) / SERVICE, unit_folder(system) / TIMER, plan.folder / "systemd.env"):
        path.unlink(missing_ok=True)
    return left + _given([[*_control(system), "daemon-reload"]], live)


def runs(system: bool) -> bool:
    """Whether systemd, or this user's part of it, is running. Raises ModelAssetsError where it is not installed."""
    state = run(*_control(system), "is-system-running", missing=NO_SYSTEMD).stdout.strip()
    return state in (b"running", b"degraded", b"starting", b"initializing", b"maintenance")


def _control(system: bool) -> list[str]:
    return ["systemctl"] if system else ["systemctl", "--user"]


def _given(commands: list[list[str]], live: bool) -> list[str]:
    if not live:
        return [" ".join(command) for command in commands]
    for command in commands:
        _give(command)
    return []


def _give(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    done = run(*command, missing=NO_SYSTEMD)
    if done.returncode:
        raise ModelAssetsError(f"`{' '.join(command)}` failed: {said(done)}. The units are written; give that command when it is mended.")
    return done
