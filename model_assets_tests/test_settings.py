import os
from collections.abc import Callable
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model_assets.errors import SettingsError
from model_assets.settings import BUNDLED_RECORDINGS, PROJECT, Settings, TierRate, default_home, read_settings


def test_without_any_variable_everything_has_its_documented_default() -> None:
    assert read_settings({}) == Settings(
        database_url=None,
        model_assets_home=default_home(),
        model_recordings=(BUNDLED_RECORDINGS,),
        model_watch_folder=None,
        model_policy_file=PROJECT / "model_assets" / "access" / "policy.yml",
        model_curated_file=PROJECT / "model_assets" / "sources" / "curated.yml",
        model_news_feeds=None,
        model_discussion_queries=(),
        model_assets_executor="in_process",
        model_celery_broker=None,
        model_sync_enabled=True,
        model_sync_schedule="0 2 * * *",
        model_sync_retry_attempts=3,
        model_sync_cooldown_minutes=5,
        model_sync_wait_seconds=280,
        model_service_retry_ms=1000,
        db_retry_ms=1000,
        pricing_sync_enabled=True,
        pricing_sync_interval_hours=6,
        dagster_retention_days=60,
        model_sync_retention_days=365,
        model_views_retention_days=400,
        alert_urls="",
        slack_webhook_url="",
        discord_webhook="",
        admin_notification_email="",
        smtp_url="",
        alert_link="http://127.0.0.1:3000",
        alert_hanging_minutes=45,
        alert_daily_digest=False,
        alert_digest_hour=8,
        artificial_analysis_api_key=None,
        hf_token=None,
        hf_filters=(("litert", None),),
        jwt_secret="",
        jwt_algorithm="HS256",
        jwt_jwks="",
        jwt_issuer="",
        jwt_audience="",
        cron_secret="",
        admin_key="",
        api_host="127.0.0.1",
        api_port=8000,
        api_workers=1,
        api_metrics_port=None,
        api_rate_limits=(
            TierRate("anonymous", 600, 60),
            TierRate("free", 600, 60),
            TierRate("pro", 1200, 60),
            TierRate("enterprise", 2400, 60),
        ),
        api_trusted_proxies=(),
        openrouter_models_list=(),
        api_catalogue_tier="free",
        api_webhook_loopback=False,
    )
    assert read_settings({}).model_policy_file.is_file()


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("DATABASE_URL", "postgres://me@db.example/models", "postgres://me@db.example/models"),
        ("MODEL_ASSETS_HOME", "/data/home of models", Path("/data/home of models")),
        ("MODEL_RECORDINGS", os.pathsep.join(("/a", "", "/b c")), (Path("/a"), Path("/b c"), BUNDLED_RECORDINGS)),
        ("MODEL_WATCH_FOLDER", "/inbox", Path("/inbox")),
        ("HF_TOKEN", "hf_x", "hf_x"),
        ("HF_FILTERS", "litert, gguf:500", (("litert", None), ("gguf", 500))),
        ("HF_FILTERS", "license:mit,base_model:lab/m:20", (("license:mit", None), ("base_model:lab/m", 20))),
        ("MODEL_POLICY_FILE", "/etc/policy.yml", Path("/etc/policy.yml")),
        ("MODEL_CURATED_FILE", "/etc/models.yml", Path("/etc/models.yml")),
        ("MODEL_NEWS_FEEDS", "/etc/feeds.yml", Path("/etc/feeds.yml")),
        ("MODEL_DISCUSSION_QUERIES", "Claude Opus, gpt,,", ("Claude Opus", "gpt")),
        ("MODEL_ASSETS_EXECUTOR", "Celery", "celery"),
        ("MODEL_CELERY_BROKER", "redis://:secret@queue:6379/0", "redis://:secret@queue:6379/0"),
        ("MODEL_SYNC_ENABLED", "false", False),
        ("MODEL_SYNC_SCHEDULE", "15 3 1-7 * MON,FRI", "15 3 1-7 * MON,FRI"),
        ("MODEL_SYNC_SCHEDULE", "@daily", "@daily"),
        ("MODEL_SYNC_SCHEDULE", "*/15 00,06-12/2 * jan-mar sun", "*/15 00,06-12/2 * jan-mar sun"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "10", 10),
        ("MODEL_SERVICE_RETRY_MS", "1", 1),
        ("DB_RETRY_MS", "60000", 60_000),
        ("PRICING_SYNC_ENABLED", "off", False),
        ("PRICING_SYNC_INTERVAL_HOURS", "24", 24),
        ("DAGSTER_RETENTION_DAYS", "7", 7),
        ("MODEL_SYNC_RETENTION_DAYS", "90", 90),
        ("MODEL_VIEWS_RETENTION_DAYS", "366", 366),
        ("ALERT_URLS", "json://a/x, slack://b/c/d", "json://a/x, slack://b/c/d"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/a/b/c", "https://hooks.slack.com/services/a/b/c"),
        ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/1/x"),
        ("ADMIN_NOTIFICATION_EMAIL", "a@b.example", "a@b.example"),
        ("SMTP_URL", "smtp://mail.example:25", "smtp://mail.example:25"),
        ("ALERT_LINK", "https://ui.example/dagster", "https://ui.example/dagster"),
        ("ALERT_HANGING_MINUTES", "20", 20),
        ("ALERT_DAILY_DIGEST", "true", True),
        ("ALERT_DIGEST_HOUR", "0", 0),
        ("JWT_SECRET", "s" * 32, "s" * 32),
        ("JWT_SECRET", "ß" * 16, "ß" * 16),
        ("JWT_ALGORITHM", "es256", "ES256"),
        ("JWT_JWKS", "https://login.example/keys", "https://login.example/keys"),
        ("JWT_ISSUER", "https://login.example/", "https://login.example/"),
        ("JWT_AUDIENCE", "models", "models"),
        ("CRON_SECRET", "c" * 16, "c" * 16),
        ("ADMIN_KEY", "a" * 16, "a" * 16),
        ("API_RATE_LIMITS", "off", ()),
        ("API_RATE_LIMITS", "anonymous:20, Free:10/minute", (TierRate("anonymous", 20, 3600), TierRate("free", 10, 60))),
        ("API_RATE_LIMITS", "wrong:5/minute", (TierRate("wrong", 5, 60),)),
        ("API_TRUSTED_PROXIES", "10.0.0.7,, fd00::/8", (ip_network("10.0.0.7/32"), ip_network("fd00::/8"))),
        ("API_CATALOGUE_TIER", "enterprise", "enterprise"),
        ("OPENROUTER_MODELS_LIST", "lab/m,, lab/n:free", ({"id": "lab/m", "name": "lab/m"}, {"id": "lab/n:free", "name": "lab/n:free"})),
        ("OPENROUTER_MODELS_LIST", '["lab/m", {"id": "lab/n", "x": 1}]', ({"id": "lab/m", "name": "lab/m"}, {"id": "lab/n", "x": 1})),
    ],
)
def test_a_variable_sets_its_field_and_no_other(variable: str, text: str, value: Any) -> None:
    read, untouched = read_settings({variable: f" {text} "}), read_settings({})
    assert {field.name for field in fields(Settings) if getattr(read, field.name) != getattr(untouched, field.name)} == {variable.lower()}
    assert getattr(read, variable.lower()) == value


@pytest.mark.parametrize("variable", [field.name.upper() for field in fields(Settings)])
@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_variable_is_as_good_as_none(variable: str, blank: str) -> None:
    assert read_settings({variable: blank}) == read_settings({})


@pytest.mark.parametrize("variable", ["MODEL_SYNC_ENABLED", "PRICING_SYNC_ENABLED"])
@pytest.mark.parametrize(
    ("said", "meant"), [("TRUE", True), ("1", True), ("Yes", True), ("on", True), ("False", False), ("0", False), ("NO", False)]
)
def test_yes_and_no_are_understood_in_the_usual_words(variable: str, said: str, meant: bool) -> None:
    assert getattr(read_settings({variable: said}), variable.lower()) is meant


@pytest.mark.parametrize(
    ("variable", "text", "advice"),
    [
        ("MODEL_SYNC_ENABLED", "maybe", "Use true or false."),
        ("PRICING_SYNC_ENABLED", "2", "Use true or false."),
        ("MODEL_SYNC_SCHEDULE", "every night", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "0 2 * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "0 2 * * * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "@sometimes", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "61 2 * * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "0 25 * * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "a b c d e", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "*/0 2 * * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "0 2, * * *", "Use five fields"),
        ("MODEL_SYNC_SCHEDULE", "0 2- * * *", "Use five fields"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "0", "from 1 to 10"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "11", "from 1 to 10"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "-3", "from 1 to 10"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "three", "from 1 to 10"),
        ("MODEL_SYNC_RETRY_ATTEMPTS", "3.0", "from 1 to 10"),
        ("MODEL_SERVICE_RETRY_MS", "1s", "from 1 to 60000"),
        ("MODEL_SERVICE_RETRY_MS", "60001", "from 1 to 60000"),
        ("DB_RETRY_MS", "0", "from 1 to 60000"),
        ("DB_RETRY_MS", "9" * 5000, "from 1 to 60000"),
        ("PRICING_SYNC_INTERVAL_HOURS", "0", "from 1 to 24"),
        ("DAGSTER_RETENTION_DAYS", "0", "from 1 to 36500"),
        ("MODEL_SYNC_RETENTION_DAYS", "for ever", "from 1 to 36500"),
        ("MODEL_VIEWS_RETENTION_DAYS", "365", "from 366 to 36500"),
        ("PRICING_SYNC_INTERVAL_HOURS", "25", "from 1 to 24"),
        ("HF_FILTERS", "litert,,gguf", "Use tags, each once"),
        ("HF_FILTERS", "litert, litert:5", "Use tags, each once"),
        ("HF_FILTERS", "litert:0", "Use tags, each once"),
        ("HF_FILTERS", "litert&author=x", "Use tags, each once"),
        ("HF_SYNC_FETCH_LIMIT", "all", "from 0 to 10000000"),
        ("PRICING_SYNC_INTERVAL_HOURS", "5", "Use 1, 2, 3, 4, 6, 8, 12 or 24."),
        ("JWT_SECRET", "s" * 31, "31 bytes long, which can be guessed. Use at least 32"),
        ("CRON_SECRET", "c" * 15, "Use at least 16"),
        ("ADMIN_KEY", "a" * 15, "Use at least 16"),
        ("JWT_ALGORITHM", "none", "Use hs256 or rs256 or es256."),
        ("JWT_ALGORITHM", "HS512", "Use hs256 or rs256 or es256."),
        ("API_RATE_LIMITS", "20", "Use off, or tiers"),
        ("API_RATE_LIMITS", "free:0", "Use off, or tiers"),
        ("API_RATE_LIMITS", "free:9,free:8", "Use off, or tiers"),
        ("API_RATE_LIMITS", "free:9/day", "Use off, or tiers"),
        ("API_RATE_LIMITS", "guests:9", "Use off, or tiers"),
        ("API_TRUSTED_PROXIES", "proxy.example", "Use addresses and networks"),
        ("API_TRUSTED_PROXIES", "10.0.0.1/8", "Use addresses and networks"),
        ("API_CATALOGUE_TIER", "admin", "Use free or pro or enterprise."),
        ("OPENROUTER_MODELS_LIST", "lab/m,lab/m", "Use ids, each once"),
        ("OPENROUTER_MODELS_LIST", '[{"name": "m"}]', "Use ids, each once"),
        ("OPENROUTER_MODELS_LIST", "[1]", "Use ids, each once"),
        ("OPENROUTER_MODELS_LIST", '["lab/m"', "Use ids, each once"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable_and_what_to_use(variable: str, text: str, advice: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({variable: text})
    assert str(error.value).startswith(f"{variable} is ")
    assert advice in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    "schedule", ["0 2 * * *", "15 3 1-7 * MON,FRI", "*/15 00,06-12/2 * jan-mar sun", "@hourly", "@daily", "@weekly", "@monthly"]
)
def test_a_schedule_that_is_taken_is_one_that_dagster_understands(schedule: str) -> None:
    dg.ScheduleDefinition(job_name="any", cron_schedule=read_settings({"MODEL_SYNC_SCHEDULE": schedule}).model_sync_schedule)


@pytest.mark.parametrize(("hours", "cron"), [(1, "30 */1 * * *"), (6, "30 */6 * * *"), (12, "30 */12 * * *"), (24, "30 0 * * *")])
def test_hours_between_prices_become_a_cron_expression(hours: int, cron: str) -> None:
    assert read_settings({"PRICING_SYNC_INTERVAL_HOURS": str(hours)}).pricing_cron == cron


def test_a_relative_home_is_taken_from_here_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"MODEL_ASSETS_HOME": "here"}).model_assets_home == tmp_path / "here"


def test_the_environment_of_the_process_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_SYNC_INTERVAL_HOURS", "12")
    assert read_settings().pricing_sync_interval_hours == 12
    assert read_settings({}).pricing_sync_interval_hours == 6


def root() -> int:
    return 0


def somebody() -> int:
    return 1000


@pytest.mark.parametrize(
    ("user", "data", "home"),
    [
        (root, "/data", "/var/lib/model-assets"),
        (somebody, "/data", "/data/model-assets"),
        (somebody, "", "/home/me/.local/share/model-assets"),
    ],
)
def test_the_home_is_below_the_users_data_and_for_root_where_another_user_can_enter(
    monkeypatch: pytest.MonkeyPatch, user: Callable[[], int], data: str, home: str
) -> None:
    monkeypatch.setattr(os, "geteuid", user)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", data)
    assert default_home() == Path(home)


def test_the_older_name_of_a_limit_counts_for_filters_without_one_of_their_own() -> None:
    found = read_settings({"HF_SYNC_FETCH_LIMIT": "500", "HF_FILTERS": "litert,gguf:7"})
    assert found.hf_filters == (("litert", 500), ("gguf", 7))
    assert read_settings({"HF_SYNC_FETCH_LIMIT": "500"}).hf_filters == (("litert", 500),)


@pytest.mark.parametrize("variable", ["JWT_SECRET", "CRON_SECRET", "ADMIN_KEY"])
def test_a_secret_is_in_no_error_and_in_no_text_of_the_settings(variable: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({variable: "hush-hush"})
    assert "hush" not in str(error.value)
    assert "hush" not in repr(read_settings({variable: "hush-hush" * 4}))
