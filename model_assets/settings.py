"""Every environment variable, typed. The only place that reads the environment.

The names are those that people already use; a value that cannot be used is a SettingsError that names the variable.
"""

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from model_assets.errors import SettingsError

PROJECT = Path(__file__).resolve().parent.parent
BUNDLED_RECORDINGS = Path(__file__).resolve().parent / "recordings"


def default_home() -> Path:
    """Where the embedded database lives: below the user's data folder; for root, whose home no other user may enter, below /var/lib."""
    if os.geteuid() == 0:
        return Path("/var/lib/model-assets")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "model-assets"


class TierRate(NamedTuple):
    """How much a tier may ask of the API: `requests` at once, and as many again in each `seconds`. Besides tiers there are `anonymous`, who sends
    no token, and `wrong`: credentials that are wrong, from one address."""

    tier: str
    requests: int
    seconds: int


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """What the environment says; field names are the variables' names in lower case."""

    database_url: str | None
    model_assets_home: Path
    model_recordings: tuple[Path, ...]
    model_watch_folder: Path | None
    model_policy_file: Path
    model_curated_file: Path
    model_news_feeds: Path | None
    model_discussion_queries: tuple[str, ...]
    model_assets_executor: str
    model_celery_broker: str | None
    model_sync_enabled: bool
    model_sync_schedule: str
    model_sync_retry_attempts: int
    model_sync_cooldown_minutes: int
    model_sync_wait_seconds: int
    model_service_retry_ms: int
    db_retry_ms: int
    pricing_sync_enabled: bool
    pricing_sync_interval_hours: int
    dagster_retention_days: int
    model_sync_retention_days: int
    model_views_retention_days: int
    """Within them views are kept by day, before them by year: a year at least, which is the longest time that is asked for by its days."""
    alert_urls: str = field(repr=False)
    slack_webhook_url: str = field(repr=False)
    discord_webhook: str = field(repr=False)
    admin_notification_email: str
    smtp_url: str = field(repr=False)
    alert_link: str
    alert_hanging_minutes: int
    alert_daily_digest: bool
    alert_digest_hour: int
    artificial_analysis_api_key: str | None = field(repr=False)
    hf_token: str | None = field(repr=False)
    hf_filters: tuple[tuple[str, int | None], ...]
    """Which tags of Hugging Face's models are read, and at most how many of each (null: all)."""
    jwt_secret: str = field(repr=False)
    jwt_algorithm: str
    jwt_jwks: str
    """A file, or an http(s) URL, of the public keys that users' tokens are signed with; for RS256 and ES256."""
    jwt_issuer: str
    jwt_audience: str
    cron_secret: str = field(repr=False)
    admin_key: str = field(repr=False)
    """As `cron_secret`: while it is empty, the routes that need it let nobody in by it."""
    api_host: str
    api_port: int
    api_workers: int
    api_metrics_port: int | None
    """Where the metrics are served besides, for who may reach that port; null: nowhere."""
    api_rate_limits: tuple[TierRate, ...]
    """A tier that is not named has no limit. Only requests that make the database work count, not those answered from the cache or with a 304:
    a whole office may share an address, and reading the same page is cheap. So the default, ten a second for each anonymous address and each
    user (more for those who pay, none for admins), is met by nobody who works, and by whoever searches in a loop. The hourly limits that others
    have are `anonymous:20,free:100,pro:500,enterprise:2000`. `wrong` is `wrong:30/minute` unless named; `off` is no limit for anything."""
    api_trusted_proxies: tuple[Network, ...]
    """Whose X-Forwarded-For counts: nobody's, unless named."""
    openrouter_models_list: tuple[dict[str, Any], ...]
    """What `GET /api/models` lists where nothing was loaded yet and OpenRouter does not answer: at least an id each."""
    api_catalogue_tier: str
    """Whose models the public catalogue shows to those without a tier of their own."""
    api_webhook_loopback: bool
    """Lets webhooks lead to this machine itself, over http too: for trying them out."""

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
        model_curated_file=Path(env.text("MODEL_CURATED_FILE") or Path(__file__).parent / "sources" / "curated.yml"),
        model_policy_file=Path(env.text("MODEL_POLICY_FILE") or Path(__file__).parent / "access" / "policy.yml"),
        model_news_feeds=Path(feeds) if (feeds := env.text("MODEL_NEWS_FEEDS")) else None,
        model_discussion_queries=tuple(query.strip() for query in env.text("MODEL_DISCUSSION_QUERIES").split(",") if query.strip()),
        model_assets_executor=env.one_of("MODEL_ASSETS_EXECUTOR", "in_process", "celery"),
        model_celery_broker=env.text("MODEL_CELERY_BROKER") or None,
        model_sync_enabled=env.yes("MODEL_SYNC_ENABLED", True),
        model_sync_schedule=schedule,
        model_sync_retry_attempts=env.whole("MODEL_SYNC_RETRY_ATTEMPTS", 3, 1, 10),
        model_sync_cooldown_minutes=env.whole("MODEL_SYNC_COOLDOWN_MINUTES", 5, 0, 1440),
        model_sync_wait_seconds=env.whole("MODEL_SYNC_WAIT_SECONDS", 280, 0, 300),
        model_service_retry_ms=env.whole("MODEL_SERVICE_RETRY_MS", 1000, 1, 60_000),
        db_retry_ms=env.whole("DB_RETRY_MS", 1000, 1, 60_000),
        pricing_sync_enabled=env.yes("PRICING_SYNC_ENABLED", True),
        pricing_sync_interval_hours=interval,
        dagster_retention_days=env.whole("DAGSTER_RETENTION_DAYS", 60, 1, 36_500),
        model_sync_retention_days=env.whole("MODEL_SYNC_RETENTION_DAYS", 365, 1, 36_500),
        model_views_retention_days=env.whole("MODEL_VIEWS_RETENTION_DAYS", 400, 366, 36_500),
        alert_urls=env.text("ALERT_URLS"),
        slack_webhook_url=env.text("SLACK_WEBHOOK_URL"),
        discord_webhook=env.text("DISCORD_WEBHOOK"),
        admin_notification_email=env.text("ADMIN_NOTIFICATION_EMAIL"),
        smtp_url=env.text("SMTP_URL"),
        alert_link=env.text("ALERT_LINK") or "http://127.0.0.1:3000",
        alert_hanging_minutes=env.whole("ALERT_HANGING_MINUTES", 45, 1, 10_000),
        alert_daily_digest=env.yes("ALERT_DAILY_DIGEST", False),
        alert_digest_hour=env.whole("ALERT_DIGEST_HOUR", 8, 0, 23),
        artificial_analysis_api_key=env.text("ARTIFICIAL_ANALYSIS_API_KEY") or None,
        hf_token=env.text("HF_TOKEN") or None,
        hf_filters=env.filters("HF_FILTERS", "litert", env.whole("HF_SYNC_FETCH_LIMIT", 0, 0, 10_000_000) or None),
        jwt_secret=env.secret("JWT_SECRET", 32),
        jwt_algorithm=env.one_of("JWT_ALGORITHM", "hs256", "rs256", "es256").upper(),
        jwt_jwks=env.text("JWT_JWKS"),
        jwt_issuer=env.text("JWT_ISSUER"),
        jwt_audience=env.text("JWT_AUDIENCE"),
        cron_secret=env.secret("CRON_SECRET", 16),
        admin_key=env.secret("ADMIN_KEY", 16),
        api_host=env.text("API_HOST") or "127.0.0.1",
        api_port=env.whole("API_PORT", 8000, 1, 65_535),
        api_workers=env.whole("API_WORKERS", 1, 1, 64),
        api_metrics_port=env.whole("API_METRICS_PORT", 0, 1, 65_535) or None,
        api_rate_limits=env.rates("API_RATE_LIMITS", "anonymous:600/minute,free:600/minute,pro:1200/minute,enterprise:2400/minute"),
        api_trusted_proxies=env.networks("API_TRUSTED_PROXIES"),
        openrouter_models_list=env.models("OPENROUTER_MODELS_LIST"),
        api_catalogue_tier=env.one_of("API_CATALOGUE_TIER", "free", "pro", "enterprise"),
        api_webhook_loopback=env.yes("API_WEBHOOK_LOOPBACK", False),
    )


class _Watched(dict[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def variables_set(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """name -> value of each variable that is set now and that this project reads, or libpq to connect: what a sync started elsewhere, by
    cron or systemd, needs. Raises SettingsError as `read_settings` does."""
    watched = _Watched(os.environ if environment is None else environment)
    read_settings(watched)
    wanted = {*watched.asked, *LIBPQ} - {*OF_CALLERS}
    return {name: watched[name] for name in sorted(wanted) if watched.get(name, "").strip()}


#: by what the API knows its callers: secrets that no sync needs
OF_CALLERS = ("ADMIN_KEY", "CRON_SECRET", "JWT_SECRET")
#: what a connection needs that is not in the URL
LIBPQ = ("PGPASSFILE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGSSLCERT", "PGSSLKEY", "PGSSLMODE", "PGSSLROOTCERT")


def user_configuration() -> Path:
    """The folder of this user's configuration files."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


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

    def filters(self, name: str, default: str, limit: int | None) -> tuple[tuple[str, int | None], ...]:
        """Tags, each perhaps with a limit of its own: `litert,license:mit:500`."""
        found: dict[str, int | None] = {}
        for part in (self.text(name) or default).split(","):
            match = re.fullmatch(r"([\w.+/-]+(?::[\w.+/-]*[A-Za-z][\w.+/-]*)?)(?::([1-9][0-9]{0,7}))?", part.strip())
            if not match or match[1] in found:
                raise SettingsError(
                    f"{name} is {self.text(name)[:60]!r}. Use tags, each once, with a limit where one is wanted: litert,gguf:500."
                )
            found[match[1]] = int(match[2]) if match[2] else limit
        return tuple(found.items())

    def secret(self, name: str, least: int) -> str:
        """A secret of at least so many bytes, or none. What is wrong with one is said without a letter of it."""
        found = self.text(name)
        if found and (length := len(found.encode("utf-8", "surrogateescape"))) < least:
            raise SettingsError(
                f"{name} is {length} bytes long, which can be guessed. Use at least {least}, such as `openssl rand -hex 32` makes."
            )
        return found

    def rates(self, name: str, default: str) -> tuple[TierRate, ...]:
        """Requests by tier, in an hour or a minute: `anonymous:20,free:10/minute`; `off` is no limit for anybody."""
        text = self.text(name) or default
        found: dict[str, TierRate] = {}
        for part in [] if text.lower() == "off" else text.lower().split(","):
            match = re.fullmatch(r"(anonymous|free|pro|enterprise|admin|wrong):([1-9][0-9]{0,6})(?:/(hour|minute))?", part.strip())
            if not match or match[1] in found:
                raise SettingsError(
                    f"{name} is {text[:60]!r}. Use off, or tiers, each once, with requests per hour or minute: anonymous:20,free:10/minute."
                )
            found[match[1]] = TierRate(match[1], int(match[2]), 60 if match[3] == "minute" else 3600)
        return tuple(found.values())

    def models(self, name: str) -> tuple[dict[str, Any], ...]:
        """Models by id: `lab/m,lab/n:free`, or a JSON array of ids, or of objects with an `id`, each once."""
        text = self.text(name)
        try:
            given = json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",") if part.strip()]
            found = [{"id": one, "name": one} if isinstance(one, str) else {**one, "id": one["id"]} for one in given]
            ids = {one["id"] for one in found if isinstance(one["id"], str) and one["id"].strip()}
        except (ValueError, TypeError, KeyError):
            found, ids = [{}], set()
        if len(ids) < len(found):
            raise SettingsError(f'{name} is {text[:60]!r}. Use ids, each once: lab/m,lab/n:free, or JSON: [{{"id": "lab/m"}}].')
        return tuple(found)

    def networks(self, name: str) -> tuple[Network, ...]:
        """Addresses and networks: `10.0.0.7, 192.168.1.0/24, fd00::/8`."""
        try:
            return tuple(ipaddress.ip_network(part.strip()) for part in self.text(name).split(",") if part.strip())
        except ValueError:
            raise SettingsError(f"{name} is {self.text(name)[:60]!r}. Use addresses and networks: 10.0.0.7, 192.168.1.0/24.") from None

    def one_of(self, name: str, default: str, *others: str) -> str:
        found = self.text(name).lower() or default
        if found not in (default, *others):
            raise SettingsError(f"{name} is {found[:40]!r}. Use {' or '.join((default, *others))}.")
        return found

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        found = self.text(name)
        if not found:
            return default
        if not re.fullmatch("[0-9]{1,9}", found) or not least <= int(found) <= most:
            raise SettingsError(f"{name} is {found[:40]!r}. Use a whole number from {least} to {most}.")
        return int(found)
