"""Commands about alerts: what there is, whether channels work, sending what is due, a day's digest."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from model_assets.alerts.books import SETTLING, look_at_books
from model_assets.alerts.channels import Channel, channels
from model_assets.alerts.delivery import Delivery, deliver, send
from model_assets.alerts.digest import digest as digest_of
from model_assets.alerts.digest import raise_digest
from model_assets.alerts.message import Message
from model_assets.alerts.outbox import clock, newest
from model_assets.answers.plain import plain
from model_assets.attempts import abandon_dead
from model_assets.cli.base import MOST_ROWS, as_json, cli
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.readiness import existing_ledger, ready_ledger
from model_assets.settings import Settings, read_settings
from model_assets.sources import SOURCES
from model_assets.terminal import complain, print_json, print_rows, printable, say


@cli.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many, newest first.")
@as_json
@click.pass_context
def alerts(context: click.Context, limit: int, json_wanted: bool) -> None:
    """What went wrong, and whom it was told.

    Without a subcommand: the newest alerts, and how far each was delivered.
    """
    if context.invoked_subcommand is not None:
        return
    settings = read_settings()
    with connect(existing_ledger(settings, start=True)) as connection:
        rows = [plain(row) for row in newest(connection, limit)]
    if json_wanted:
        print_json(rows)
        return
    if rows:
        print_rows([_row(row) for row in rows], ("raised_at", "severity", "title", "what_to_do", "state", "sent"), "alerts")
    else:
        say("There are no alerts.")
    say("channels: " + (", ".join(printable(one.shown) for one in channels(settings)) or "none; set ALERT_URLS to have alerts sent"))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    sent = f"{row['delivered']} of {row['delivered'] + row['waiting']}" if row["delivered"] or row["waiting"] else "to nobody yet"
    return row | {
        "raised_at": str(row["raised_at"])[:16],
        "state": "open" if row["open"] else "over" if row["ended_at"] else "",
        "sent": sent + (f" ({row['last_error']})" if row["last_error"] else ""),
    }


@alerts.command()
@as_json
def test(json_wanted: bool) -> None:
    """Send a test message to every channel now.

    Says of each whether it arrived; exit code 1 if one did not.
    """
    words = Message("Model Assets: a test", "This channel gets the alerts of Model Assets. What to do: nothing, this is a test.", "info")
    _finish([Delivery(one, 1, send(one, words)) for one in _some_channels(read_settings())], json_wanted, again=False)


@alerts.command("send")
@as_json
def send_(json_wanted: bool) -> None:
    """Look at the books, and deliver what is due.

    For machines on which Dagster's daemon, which does it every half minute, does not run.
    """
    settings = read_settings()
    to = _some_channels(settings)
    url = ready_ledger(settings)
    abandon_dead(url)
    time.sleep(SETTLING.total_seconds())  # the sync that ended just before this command is looked at, too
    with connect(url) as connection:
        look_at_books(connection, SOURCES, clock(connection), settings.alert_hanging_minutes)
    _finish(deliver(url, to, settings.alert_link), json_wanted)


@alerts.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The UTC day (default: yesterday).")
@click.option("--send", "sending", is_flag=True, help="Send it to the channels, unless that day's was sent before.")
@as_json
def digest(day: datetime | None, sending: bool, json_wanted: bool) -> None:
    """What changed on a day: new models, prices, retirements."""
    settings = read_settings()
    wanted = day.date() if day else datetime.now(UTC).date() - timedelta(days=1)
    to = _some_channels(settings) if sending else []
    url = ready_ledger(settings) if sending else existing_ledger(settings, start=True)
    with connect(url) as connection:
        found = digest_of(connection, wanted)
        if sending:
            raise_digest(connection, found)
    if sending:
        _finish(deliver(url, to, settings.alert_link), json_wanted)
    elif json_wanted:
        parts = {name: [plain(row) for row in getattr(found, name)] for name in ("new_models", "prices", "retired")}
        print_json({"day": found.day.isoformat(), **parts})
    else:
        for line in (found.title, *found.lines):
            say(printable(line))


def _some_channels(settings: Settings) -> list[Channel]:
    to = channels(settings)
    if not to:
        raise ModelAssetsError(
            "no channel is named: set ALERT_URLS (or SLACK_WEBHOOK_URL, DISCORD_WEBHOOK, or ADMIN_NOTIFICATION_EMAIL with SMTP_URL)."
        )
    return to


def _finish(outcomes: list[Delivery], json_wanted: bool, *, again: bool = True) -> None:
    """Say of each channel what became of its message, and whether it is tried `again`; end with 1 where one did not arrive."""
    if json_wanted:
        print_json([{"channel": one.channel.shown, "alerts": one.alerts, "error": one.error} for one in outcomes])
    for one in outcomes:
        if one.error:
            then = f"It is tried again; correct {one.channel.variable} if it goes on." if again else f"Correct {one.channel.variable}."
            complain(f"{one.channel.shown}: {one.error.rstrip('.')}. {then}")
        elif not json_wanted:
            say(printable(f"{one.channel.shown}: {'arrived' if one.alerts else 'nothing is due'}"))
    if any(one.error for one in outcomes):
        sys.exit(1)
