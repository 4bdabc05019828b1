"""What a schedule runs, when, and with which environment: common to cron and systemd."""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from model_assets.errors import ModelAssetsError, SettingsError
from model_assets.settings import PROJECT


@dataclass(frozen=True)
class Plan:
    """Syncs at `schedule` (five fields of cron, meant in UTC). `variables` is the environment they need.

    `embedded`: they start our Postgres. `alerting`: there is a channel to send alerts to after each.
    """

    schedule: str
    home: Path
    variables: Mapping[str, str]
    embedded: bool
    alerting: bool = False
    log_file: Path | None = None
    python: Path = field(default_factory=lambda: Path(sys.executable))
    project: Path = PROJECT

    @property
    def command(self) -> list[str]:
        """The command line, from within `project`: there the package is found, installed or not."""
        return [str(self.python), "-m", "model_assets"]

    @property
    def folder(self) -> Path:
        """Where the schedule's own files are."""
        return self.home / "schedule"

    @property
    def daily_at(self) -> tuple[int, int] | None:
        """(hour, minute) of a schedule that is simply once a day."""
        minute, hour, *rest = self.schedule.split()
        return (int(hour), int(minute)) if rest == ["*"] * 3 and hour.isdecimal() and minute.isdecimal() else None


WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


def five_fields(schedule: str) -> str:
    """A cron expression without words for it."""
    return " ".join(WORDS.get(schedule, schedule).split())


def environment_file(variables: Mapping[str, str]) -> str:
    """The text of a file that both a shell and systemd's EnvironmentFile= read as `variables`.

    Raises SettingsError for a value with a line break or another control character, which such a file cannot hold.
    """
    lines = ["# Written by `model-assets install-schedule` from the variables that were set then. It holds secrets: mode 0600."]
    for name, value in variables.items():
        if not value.isprintable():
            raise SettingsError(
                f"{name} has a line break or another control character in it. Set it without, and install the schedule again."
            )
        escaped = "".join(f"\\{one}" if one in '"\\`$' else one for one in value)
        lines.append(f'{name}="{escaped}"')
    return "\n".join(lines) + "\n"


def rendered(template: str, values: Mapping[str, str]) -> str:
    """A template of this package with each @NAME@ replaced by its value."""
    content = (files("model_assets.schedule") / "templates" / template).read_text(encoding="utf-8")
    for name, value in values.items():
        content = content.replace(f"@{name}@", value)
    return content


def write(path: Path, content: str, mode: int, like: Path | None = None) -> None:
    """Write a file whole or not at all, never for a moment readable beyond `mode`; owned as `like` is, where that is another user's.

    Raises ModelAssetsError where this user may not.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # made with mode 0600
        with open(handle, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            owner = like.stat() if like else None
            if owner and owner.st_uid != os.geteuid():
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.replace(new, path)
    except OSError as error:
        raise ModelAssetsError(f"{path} cannot be written: {error.strerror}. Use a user who may, or another MODEL_ASSETS_HOME.") from error
