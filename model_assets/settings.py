"""Every environment variable, typed. The only place that reads the environment.

The names are those that people already use; a value that cannot be used is a SettingsError that names the variable.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_assets.errors import SettingsError

PROJECT = Path(__file__).resolve().parent.parent
BUNDLED_RECORDINGS = Path(__file__).resolve().parent / "recordings"


def default_home() -> Path:
    """Where the embedded database lives: below the user's data folder; for root, whose home no other user may enter, below /var/lib."""
    if os.geteuid() == 0:
        return Path("/var/lib/model-assets")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "model-assets"


@dataclass(frozen=True)
class Settings:
    """What the environment says; field names are the variables' names in lower case."""

    database_url: str | None
    model_assets_home: Path
    model_recordings: tuple[Path, ...]
    model_watch_folder: Path | None
    model_policy_file: Path
    model_sync_enabled: bool
    model_sync_schedule: str
    model_sync_retry_attempts: int
    model_service_retry_ms: int
    db_retry_ms: int
    pricing_sync_enabled: bool
    pricing_sync_interval_hours: int

    @property
    def pricing_cron(self) -> str:
        """The price schedule as cron text: every N hours from 00:30 UTC, on the half hour so as not to meet the nightly one; 24 is once a day."""
        hours = self.pricing_sync_interval_hours
        return "30 0 * * *" if hours == 24 else f"30 */{hours} * * *"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environment` (of this process, unless given). Raises SettingsError."""
    env = _Reader(os.environ if environment is None else environment)
    schedule = env.text("MODEL_SYNC_SCHEDULE") or "0 2 * * *"
    if not is_cron(schedule):
        raise SettingsError(
            f"MODEL_SYNC_SCHEDULE is {schedule[:60]!r}, which is no cron expression. Use five fields, such as '0 2 * * *' (02:00 UTC)."
        )
    interval = env.whole("PRICING_SYNC_INTERVAL_HOURS", 6, 1, 24)
    if 24 % interval:
        raise SettingsError(f"PRICING_SYNC_INTERVAL_HOURS is {interval}, which does not divide a day. Use 1, 2, 3, 4, 6, 8, 12 or 24.")
    folders = [Path(part) for part in env.text("MODEL_RECORDINGS").split(os.pathsep) if part]
    watched = env.text("MODEL_WATCH_FOLDER")
    return Settings(
        database_url=env.text("DATABASE_URL") or None,
        model_assets_home=Path(env.text("MODEL_ASSETS_HOME") or default_home()).absolute(),
        model_recordings=(*folders, BUNDLED_RECORDINGS),
        model_watch_folder=Path(watched) if watched else None,
        model_policy_file=Path(env.text("MODEL_POLICY_FILE") or Path(__file__).parent / "access" / "policy.yml"),
        model_sync_enabled=env.yes("MODEL_SYNC_ENABLED", True),
        model_sync_schedule=schedule,
        model_sync_retry_attempts=env.whole("MODEL_SYNC_RETRY_ATTEMPTS", 3, 1, 10),
        model_service_retry_ms=env.whole("MODEL_SERVICE_RETRY_MS", 1000, 1, 60_000),
        db_retry_ms=env.whole("DB_RETRY_MS", 1000, 1, 60_000),
        pricing_sync_enabled=env.yes("PRICING_SYNC_ENABLED", True),
        pricing_sync_interval_hours=interval,
    )


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: what each field of a cron expression may hold, as text
_CRON = [
    {str(number) for number in range(60)},
    {str(number) for number in range(24)},
    {str(number) for number in range(1, 32)},
    {*(str(number) for number in range(1, 13)), *_MONTHS},
    {*(str(number) for number in range(8)), *_WEEKDAYS},
]


def is_cron(schedule: str) -> bool:
    """Whether this is a cron expression of five fields, or one of the usual words for one."""
    if schedule in ("@hourly", "@daily", "@weekly", "@monthly"):
        return True
    found = schedule.lower().split()
    return len(found) == len(_CRON) and all(
        _is_cron_part(part, allowed) for field, allowed in zip(found, _CRON, strict=True) for part in field.split(",")
    )


def _is_cron_part(part: str, allowed: set[str]) -> bool:
    """Whether this is `*`, a value, or a range, each perhaps with a step."""
    span, slash, step = part.partition("/")
    if slash and not re.fullmatch("[1-9][0-9]?", step):
        return False
    first, dash, last = span.partition("-")
    return span == "*" or (re.sub("^0(?=.)", "", first) in allowed and (not dash or re.sub("^0(?=.)", "", last) in allowed))


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def text(self, name: str) -> str:
        return self.environment.get(name, "").strip()

    def yes(self, name: str, default: bool) -> bool:
        found = self.text(name).lower()
        if found in ("", "true", "1", "yes", "on", "false", "0", "no", "off"):
            return found in ("true", "1", "yes", "on") if found else default
        raise SettingsError(f"{name} is {found[:40]!r}. Use true or false.")

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        found = self.text(name)
        if not found:
            return default
        if not re.fullmatch("[0-9]{1,9}", found) or not least <= int(found) <= most:
            raise SettingsError(f"{name} is {found[:40]!r}. Use a whole number from {least} to {most}.")
        return int(found)
