"""Commands about who may use what: decisions about models, the tiers of users, the policy, and the audit of all of it."""

import getpass
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from sqlalchemy import text

from model_assets import answers
from model_assets.access.words import STATUSES, Word, change, nearest, unknown
from model_assets.answers import access as books
from model_assets.cli.base import INSTANT, MOST_ROWS, WORDS, as_json, cli
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.readiness import existing_ledger, ready_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say

TIERS = ("free", "pro", "enterprise", "admin")
LISTED = ("model_id", "status", "is_free", "is_pro", "is_enterprise", "daily_limit", "monthly_limit", "decided_by", "decided_until")
BACK = "policy"


class Limit(click.ParamType):
    """A number of requests, or the word by which a limit is taken back."""

    name = "requests"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "none":
            return "none"
        if not str(value).isascii() or not str(value).isdigit():
            self.fail(f"{value!r} is not a number of requests, 0 or more, nor `none`.", param, ctx)
        return int(value)


@cli.group()
def access() -> None:
    """Who may use which models: by the policy, or by a person's word, which no sync touches."""


@access.command("list")
@click.option("--status", type=click.Choice([*STATUSES, "inactive"]), help="Only models of this status.")
@click.option("--tier", type=click.Choice(TIERS), help="Only what this tier may use.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many.")
@as_json
def list_models(status: str | None, tier: str | None, limit: int, json_wanted: bool) -> None:
    """Every decision: the model's status, its tiers, its limits, and who decided."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = books.access_list(connection, status, tier, limit)
    _show(rows, LISTED, json_wanted, "No model is like that.")


@access.command()
@click.argument("model", type=WORDS)
@as_json
def show(model: str, json_wanted: bool) -> None:
    """What is decided about MODEL, and what the policy says of each of its offers."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        found = books.access_of(connection, model)
        near = nearest(connection, model) if found is None else []
    if found is None:
        raise ModelAssetsError(unknown(model, near))
    if json_wanted:
        print_json(found)
        return
    print_rows([found], (*LISTED, "note"))
    print_rows(found["offers"], ("provider", "listed_id", "state", "is_free", "is_pro", "is_enterprise"), "offers")


def _tier_option(tier: str) -> Any:
    return click.option(f"--{tier}/--no-{tier}", f"is_{tier}", default=None, help=f"Whether the tier {tier} may use it.")


@access.command("set")
@click.argument("model", type=WORDS)
@click.option("--status", type=click.Choice([*STATUSES, BACK]), help=f"Admit it, disable it, make it wait; `{BACK}`: as the policy says.")
@_tier_option("free")
@_tier_option("pro")
@_tier_option("enterprise")
@click.option("--daily-limit", type=Limit(), help="Requests of a user per day; `none`: no limit.")
@click.option("--monthly-limit", type=Limit(), help="Requests of a user per month; `none`: no limit.")
@click.option("--note", type=WORDS, help="A note that is shown beside it; empty: none.")
@click.option("--until", type=INSTANT, help="Until when all that is said of the model counts.")
@click.option("--policy", "take_back", is_flag=True, help="Take back all that was said before: as the policy says.")
@click.option("--why", required=True, type=WORDS, help="The reason, kept in the audit.")
@as_json
def set_model(model: str, status: str | None, take_back: bool, why: str, json_wanted: bool, **said: Any) -> None:
    """Say what holds for MODEL, whatever the policy says.

    What is not given stays as it is.
    """
    from model_assets.publishing import line_up, publish_decisions
    from model_assets.sql_models import load_models

    parts: dict[str, Any] = {part.name: None for part in fields(Word)} if take_back else {}
    if status:
        parts["status"] = None if status == BACK else status
    given = {name: value for name, value in said.items() if value is not None}
    parts |= {name: None if value == ("" if name == "note" else "none") else value for name, value in given.items()}
    if not parts:
        raise click.UsageError("Say at least one thing: --status, --free, --no-free, --daily-limit, ...")
    url = ready_ledger(read_settings())
    with connect(url) as connection:
        line_up(connection)
        [row] = change(connection, [(model, Word(**parts), None)], getpass.getuser(), why)
        publish_decisions(connection, load_models(), [row["model_id"]])
    _show([answers.plain(row)], LISTED, json_wanted, "")


@access.command()
@click.argument("user", type=WORDS)
@click.argument("model", type=WORDS)
@click.option("--provider", type=WORDS, help="Only what this provider sells, at its price.")
@as_json
def check(user: str, model: str, provider: str | None, json_wanted: bool) -> None:
    """Whether USER may use MODEL, and if not, why. The exit code is 0 for yes, 1 for no."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        found = books.access_check(connection, user, model, provider)
    if json_wanted:
        print_json(found)
    else:
        answer = "yes" if found["allowed"] else f"no: {found['reason']}"
        say(printable(f"{user} ({found['tier']}), {found['model_id'] or model}: {answer}"))
    raise SystemExit(0 if found["allowed"] else 1)


@access.command()
@click.argument("user", type=WORDS)
@click.option("--tier", type=click.Choice(TIERS), help="Give the user this tier.")
@click.option("--why", type=WORDS, default="", help="The reason, kept in the audit.")
@as_json
def user(user: str, tier: str | None, why: str, json_wanted: bool) -> None:
    """The tier of USER, and how many models that lets him use."""
    from model_assets.access.users import profile, set_tier

    url = ready_ledger(read_settings()) if tier else existing_ledger(read_settings(), start=True)
    with connect(url) as connection:
        if tier:
            set_tier(connection, user, tier, getpass.getuser(), why)
        found = answers.plain(profile(connection, user))
        found["models"] = connection.execute(
            text("select count(*) from access.get_user_allowed_models(:user)"), {"user": user}
        ).scalar_one()
    _show([found], ("user_id", "tier", "known", "default_model", "models"), json_wanted, "")


@access.command()
@click.option("--model", "subject", type=WORDS, help="Only of this model, user or other subject.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many, newest first.")
@click.option("--verify", is_flag=True, help="Check instead that no row was edited, taken out or cut off. Exit code 1 where one was.")
@as_json
def audit(subject: str | None, limit: int, verify: bool, json_wanted: bool) -> None:
    """What was changed about models, users and the policy: when, by whom, why, from what to what."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        if verify:
            found = books.audit_verified(connection)
        else:
            rows = books.audit_trail(connection, subject, limit)
    if not verify:
        for row in [] if json_wanted else rows:
            row["what"] = _difference(row["before"] or {}, row["after"] or {})
        _show(
            rows,
            ("audit_id", "at", "actor", "action", "subject_kind", "subject", "what", "why"),
            json_wanted,
            "Nothing was changed yet.",
        )
        return
    if json_wanted:
        print_json(found)
    else:
        if found["breaks"]:
            print_rows(found["breaks"], ("audit_id", "what"))
        say(f"{found['rows']} rows, the last with hash {found['head']}. {'It is broken.' if found['breaks'] else 'It is whole.'}")
    raise SystemExit(1 if found["breaks"] else 0)


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What changed, in a line: `status: active -> disabled`."""
    names = [name for name in {**before, **after} if name != "version"]
    return ", ".join(f"{name}: {before[name]} -> {after.get(name)}" if name in before else f"{name}: {after[name]}" for name in names)


@access.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--dry-run", is_flag=True, required=True, help="What FILE (default: the policy file of the settings) would change, for whom.")
@as_json
def policy(file: Path | None, dry_run: bool, json_wanted: bool) -> None:
    """Which models each tier would gain and lose with another policy file.

    Nothing is changed: the policy file of the settings (MODEL_POLICY_FILE) counts with the next sync, or `model-assets migrate`.
    """
    from model_assets.access.dry_run import dry_run as try_out
    from model_assets.access.policy import load_policy

    settings = read_settings()
    wanted = load_policy(file or settings.model_policy_file)
    with connect(ready_ledger(settings)) as connection:
        connection.execute(text("set transaction isolation level repeatable read"))
        found = [one.as_dict() for one in try_out(connection, wanted)]
    if json_wanted:
        print_json(found)
        return
    for tier in found:
        say(f"{tier['tier']}, {tier['users']} users: gains {len(tier['gained'])} models, loses {len(tier['lost'])}")
        rows = [{"change": name, **row} for name in ("gained", "lost") for row in tier[name]]
        if rows:
            print_rows(rows, ("change", "model_id", "rule"))


@access.command()
@as_json
def inbox(json_wanted: bool) -> None:
    """Load what was handed over in SQL by access.sync_openrouter_models.

    Dagster's daemon does so by itself.
    """
    from model_assets.access.inbox import load_inbox

    settings = read_settings()
    rows = [answers.plain(row) for row in load_inbox(ready_ledger(settings), settings.model_policy_file)]
    _show(rows, ("inbox_id", "source", "models", "received_at", "status", "message"), json_wanted, "Nothing waits in the inbox.")
    raise SystemExit(1 if any(row["status"] == "refused" for row in rows) else 0)


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], json_wanted: bool, none: str) -> None:
    if json_wanted:
        print_json(rows)
    elif rows:
        print_rows(rows, columns)
    else:
        say(none)
