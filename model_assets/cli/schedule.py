"""The command that lets the machine's own scheduler run syncs."""

import os
import re
from pathlib import Path

import click

from model_assets.alerts.channels import channels
from model_assets.cli.base import cli
from model_assets.database import ledger_url, wait_until_up
from model_assets.errors import ModelAssetsError
from model_assets.schedule import cron, systemd
from model_assets.schedule.plan import Plan, five_fields
from model_assets.settings import is_cron, read_settings, variables_set
from model_assets.terminal import say


@cli.command("install-schedule")
@click.argument("kind", type=click.Choice(["cron", "systemd"]))
@click.option("--time", "at", metavar="HH:MM", help="Daily at this time of UTC.")
@click.option("--schedule", metavar="CRON", help="By a cron expression instead, such as '0 */6 * * *'.  [default: MODEL_SYNC_SCHEDULE]")
@click.option("--user/--system", "user", default=None, help="systemd: for this user, or for the machine (the default for root).")
@click.option("--log-file", type=click.Path(path_type=Path), help="Append to this file what syncs say.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and change nothing.")
@click.option("--remove", is_flag=True, help="Take the schedule out again.")
def install_schedule(
    kind: str, at: str | None, schedule: str | None, user: bool | None, log_file: Path | None, dry_run: bool, remove: bool
) -> None:
    """Let cron or systemd run `model-assets sync`.

    For a machine on which `up` does not run all the time. May be given again, with another time. The variables that are set now go into a
    file that only this user can read.
    """
    if user is not None and kind == "cron":
        raise click.UsageError("--user and --system are for systemd; cron has the crontab of the user who gives the command.")
    plan, system = _plan(_asked(at, schedule), log_file), os.geteuid() == 0 if user is None else not user
    if dry_run:
        _show(plan, kind, system)
    elif remove:
        _remove(plan, kind, system)
    else:
        settings = read_settings()
        wait_until_up(ledger_url(settings), settings.db_retry_ms / 1000)
        _install(plan, kind, system)


def _asked(at: str | None, schedule: str | None) -> str:
    """The schedule that was asked for, as five fields of cron. Raises UsageError."""
    if at and schedule:
        raise click.UsageError("--time and --schedule say the same thing. Give one of them.")
    if at:
        clock = re.fullmatch("([01]?[0-9]|2[0-3]):([0-5][0-9])", at)
        if not clock:
            raise click.UsageError(f"--time is {at[:40]!r}, which is no time of day. Use 02:00.")
        return f"{int(clock[2])} {int(clock[1])} * * *"
    if schedule and not is_cron(schedule):
        raise click.UsageError(
            f"--schedule is {schedule[:60]!r}, which is no cron expression. Use five fields, such as '0 2 * * *' (02:00)."
        )
    return five_fields(schedule or read_settings().model_sync_schedule)


def _plan(schedule: str, log_file: Path | None) -> Plan:
    settings = read_settings()
    variables = variables_set() | {"MODEL_ASSETS_HOME": str(settings.model_assets_home)}
    plan = Plan(
        schedule, settings.model_assets_home, variables, embedded=settings.database_url is None, alerting=bool(channels(settings)),
        log_file=log_file and log_file.absolute(),
    )  # fmt: skip
    for path in (plan.home, plan.python, plan.project, plan.log_file):
        if path and not str(path).isprintable():
            raise ModelAssetsError(
                f"{str(path)!r} has a line break or another control character in it, which no schedule can hold. Rename it."
            )
    return plan


def _show(plan: Plan, kind: str, system: bool) -> None:
    """Print what would be written, but no value of a variable: most are secrets."""
    if kind == "cron":
        shown = {"crontab": cron.line(plan, cron.in_utc())}
        shown |= {str(path): content for path, (content, _) in cron.files(plan).items() if path.suffix == ".sh"}
    else:
        found = systemd.units(plan, system=system, owner=systemd.owner_of(plan.home))
        shown = {str(systemd.unit_folder(system) / name): content for name, content in found.items()}
    for name, content in shown.items():
        say(f"--- {name}\n{content.rstrip()}\n")
    say(f"--- {plan.folder / f'{kind}.env'}, mode 0600, with the values of {', '.join(plan.variables)}")


def _install(plan: Plan, kind: str, system: bool) -> None:
    if kind == "cron":
        utc = cron.in_utc()
        cron.install(plan, utc)
        say(
            f"cron runs `model-assets sync` at {plan.schedule!r} {'UTC' if utc or plan.daily_at else 'of this machine, whose zone is not UTC'}"
        )
        say(f"log          {cron.log_of(plan)}")
    else:
        left = systemd.install(plan, system=system)
        say(
            f"{systemd.unit_folder(system) / systemd.TIMER} {'is written' if left else 'runs'}: `model-assets sync` at {plan.schedule!r} UTC"
        )
        _still(left)
        if not system:
            say("so that it runs while nobody is logged in:  loginctl enable-linger")
        journal = f"journalctl {'' if system else '--user '}-u {systemd.SERVICE}"
        say(f"log          {plan.log_file or journal}")
    say(f"environment  {plan.folder / f'{kind}.env'} (mode 0600) has {', '.join(plan.variables)}, as they are set now;")
    say("             after a change of theirs, give this command again")
    if not plan.alerting:
        say("alerts       go to nobody: set ALERT_URLS and give this command again to have them sent after each sync")


def _remove(plan: Plan, kind: str, system: bool) -> None:
    left: list[str] = []
    if kind == "cron":
        cron.remove(plan)
    else:
        left = systemd.remove(plan, system=system)
    say(f"{kind} does not run syncs any more")
    _still(left)


def _still(commands: list[str]) -> None:
    """Print what a person has to do where systemd does not run."""
    if commands:
        say("systemd does not run here. Where it does, give these commands:")
        for command in commands:
            say(f"  {command}")
