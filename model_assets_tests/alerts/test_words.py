"""The words of alerts: harmless in every service, without secrets, and the channels' names."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from model_assets.alerts.channels import Channel, channels
from model_assets.alerts.delivery import send
from model_assets.alerts.message import harmless, message
from model_assets.alerts.outbox import Alert, without_secrets
from model_assets.settings import read_settings
from model_assets_tests.alerts.listener import Listener, listening

NASTY = "<script>alert(1)</script> [a](javascript:x) @everyone @here <!channel> <@U1> <@&9> **b** https://evil.example/x \x1b[31m \u202egnp"
NOW = datetime(2026, 5, 20, tzinfo=UTC)


def alert(text: str) -> Alert:
    return Alert("kind", "key", "error", f"title {text}", text, f"mend {text}", "/runs/1", NOW)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.mark.parametrize("count", [1, 3])
def test_no_mention_link_or_control_character_of_others_is_left(count: int) -> None:
    found = message([alert(NASTY)] * count, "https://ui.example")
    for words in (found.title, found.body):
        for harm in ("@everyone", "@here", "<!channel", "<@", "https://evil", "\x1b", "\u202e"):
            assert harm not in words
    assert "https://ui.example/runs/1" in found.body
    assert "javascript:x" in found.body  # told, as plain words


def test_what_is_harmless_stays_as_it_is() -> None:
    words = "openrouter: meta-llama/llama-3.1-8b:free input 0.02 -> 0.04 (a_b*c) 5 < 6 & more; a line\nanother"
    assert harmless(words) == words


MATTERMOST = "mmost://127.0.0.1:{port}/aaaaaaaaaaaaaaaaaaaaaaaaaa"
ROCKET = "rocket://aaaaaaaaaaaaaaaa%2Fbbbbbbbbbbbbbbbb@127.0.0.1:{port}/%23general"
SLACK_LIKE = "matrix://u:p@127.0.0.1:{port}/%23room?mode=slack"


@pytest.mark.parametrize(
    ("address", "unescaped", "escaped"),
    [
        (MATTERMOST, "[a](javascript", "\\[a\\]\\(javascript:x\\)"),
        (MATTERMOST + "?format=markdown", "[a](javascript", "\\[a\\]\\(javascript:x\\)"),
        (ROCKET, "[a](javascript", "\\[a\\]\\(javascript:x\\)"),
        (SLACK_LIKE, "<script>", "&lt;script&gt;"),
    ],
    ids=["mattermost", "mattermost in markdown", "rocket.chat", "slack's markup"],
)
def test_markup_of_others_is_escaped_where_a_service_reads_markup_and_our_link_stays_one(
    listener: Listener, address: str, unescaped: str, escaped: str
) -> None:
    send(Channel(address.format(port=listener.port), "ALERT_URLS"), message([alert(NASTY)], "https://ui.example"))
    [sent] = [json.dumps(one, ensure_ascii=False).replace("\\\\", "\\") for one in listener.messages]
    assert escaped in sent
    assert unescaped not in sent
    assert "@everyone" not in sent
    assert "https://ui.example/runs/1" in sent


def test_nothing_is_sent_but_our_words(listener: Listener) -> None:
    send(
        Channel(f"mmost://127.0.0.1:{listener.port}/aaaaaaaaaaaaaaaaaaaaaaaaaa", "ALERT_URLS"),
        message([alert("words")], "https://ui.example"),
    )
    [sent] = listener.raw
    assert b"http" not in sent.replace(b"https://ui.example", b"")
    assert b"pprise" not in sent


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("postgresql://me:canary@db/x does not answer", "postgresql://***@db/x does not answer"),
        ("GET /x?a=1&token=canary&b=2", "GET /x?a=1&token=***&b=2"),
        ('{"api_key": "canary", "b": 1}', '{"api_key": "***", "b": 1}'),
        ("Authorization: Bearer canary", "Authorization: ***"),
        ("https://hooks.slack.com/services/canary/canary", "https://hooks.slack.com/***"),
        ("tokens: context_tokens 8192", "tokens: *** 8192"),
        ("1 of 5 rows break the contract", "1 of 5 rows break the contract"),
    ],
)
def test_secrets_in_the_words_of_others_are_not_kept(words: str, shown: str) -> None:
    assert without_secrets(words) == shown


# --- channels ---

NAMED = {
    "ALERT_URLS": "json://me:canary@127.0.0.1:8080/canary?token=canary, tgram://1234:canary/55 slack://canary/canary/canary",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/canary",
    "DISCORD_WEBHOOK": "https://discord.com/api/webhooks/4174216298/canary",
    "ADMIN_NOTIFICATION_EMAIL": "admin@a.example",
    "SMTP_URL": "smtp://robot%40b.example:canary@mail.b.example:587",
}


def test_channels_are_named_by_the_environment_and_shown_without_secrets() -> None:
    settings = read_settings(NAMED)
    found = channels(settings)
    assert [one.shown.partition(" ")[0] for one in found] == [
        "json://127.0.0.1:8080/...", "tgram:///...", "slack:///...", "https://hooks.slack.com/...", "https://discord.com/...",
        "mailtos://mail.b.example:587/...",
    ]  # fmt: skip
    assert found[-1].url == "mailtos://robot%40b.example:canary@mail.b.example:587?to=admin%40a.example&from=robot%40b.example"
    assert [one.problem for one in found] == [None] * 6
    said = repr(found) + repr(settings) + " ".join(one.shown + one.id for one in found)
    assert "canary" not in said
    assert len({one.id for one in found}) == 6


def test_a_channel_has_the_same_id_in_every_process_and_a_channel_named_twice_is_one() -> None:
    assert channels(read_settings({"ALERT_URLS": "json://127.0.0.1:1/a json://127.0.0.1:1/a"})) == [
        Channel("json://127.0.0.1:1/a", "ALERT_URLS")
    ]
    assert Channel("json://127.0.0.1:1/a", "ALERT_URLS").id == "5f56e4a121adbe1f"


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"ADMIN_NOTIFICATION_EMAIL": "a@b.example"}, "set SMTP_URL to smtp://user:password@host:587?from=sender@host"),
        ({"ADMIN_NOTIFICATION_EMAIL": "a@b.example", "SMTP_URL": "smtp://mail.example"}, "add ?from=sender@host"),
        ({"SLACK_WEBHOOK_URL": "http://127.0.0.1/canary"}, "SLACK_WEBHOOK_URL does not begin with https://hooks.slack.com/services/"),
        ({"DISCORD_WEBHOOK": "https://evil.example/canary"}, "DISCORD_WEBHOOK does not begin with https://discord.com/api/webhooks/"),
    ],
    ids=["no server", "no sender", "slack", "discord"],
)
def test_a_channel_that_cannot_work_says_why(environment: dict[str, str], problem: str) -> None:
    [found] = channels(read_settings(environment))
    assert problem in str(found.problem)
    assert "canary" not in f"{found} {found.shown}"


def test_without_a_variable_there_is_no_channel() -> None:
    assert channels(read_settings({"ALERT_LINK": "https://ui.example", "SMTP_URL": "smtp://mail.example"})) == []
