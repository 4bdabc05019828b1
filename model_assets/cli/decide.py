"""Commands by which people have their say: on held changes, and on which model a listing is. Each word is kept, with who, when and why."""

import getpass
from datetime import UTC, datetime
from typing import Any

import click

from model_assets import answers
from model_assets.cli.ask import condition
from model_assets.cli.base import INSTANT, MOST_ROWS, WORDS, Words, as_json, cli, source_names
from model_assets.database import connect
from model_assets.readiness import existing_ledger, ready_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say


class Reason(Words):
    """A text in which something can be read."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        words = super().convert(value, param, ctx)
        if not any(one.isprintable() and not one.isspace() for one in words):
            self.fail("it is blank. Say why, for whoever asks later.", param, ctx)
        return words


why_option = click.option("--why", required=True, type=Reason(), help="The reason, kept with the word.")


@cli.group(invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Those of the past, too, with how they ended.")
@click.option("--since", type=INSTANT, help="Only changes of this instant and later.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many, newest first.")
@as_json
@click.pass_context
def held(context: click.Context, everything: bool, since: datetime | None, limit: int, json_wanted: bool) -> None:
    """Changed prices that the gate doubts, and why.

    A held one is not served: the last good value goes on. A marked one is served as unconfirmed.
    """
    if context.invoked_subcommand is not None:
        return
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.held(connection, everything=everything, limit=limit, since=since)
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        row["condition"] = condition(row)
        row["price"] = " -> ".join(answers.before_and_after(row))
        row["reason"] = "; ".join(row["reasons"]) + (f" ({row['outcome']}: {row['ended_why']})" if row["outcome"] != "open" else "")
        row["listing"] = f"{row['provider']}/{row['listed_id']}"
    if rows:
        print_rows(rows, ("held_id", "kind", "changed_at", "source", "listing", "meter", "condition", "price", "reason"))
        say("`model-assets held release ID --why ...` believes the new price, `held reject ID --why ...` the last good one.")
    else:
        say("Nothing is held.")


@held.command("release")
@click.argument("held_id", metavar="ID", type=WORDS)
@why_option
@as_json
def release(held_id: str, why: str, json_wanted: bool) -> None:
    """Believe a held price after all, or a marked one without reserve."""
    _say_word(held_id, "release", why, json_wanted)


@held.command("reject")
@click.argument("held_id", metavar="ID", type=WORDS)
@why_option
@as_json
def reject(held_id: str, why: str, json_wanted: bool) -> None:
    """Never believe a held price: the last good one goes on.

    One that was released, by a person or by time, is held again.
    """
    _say_word(held_id, "reject", why, json_wanted)


def _say_word(held_id: str, verdict: str, why: str, json_wanted: bool) -> None:
    from model_assets.gate.held_changes import say_word
    from model_assets.settling import publish

    url = ready_ledger(read_settings())
    with connect(url) as connection:
        found = answers.plain(dict(say_word(connection, held_id, verdict, why=why, by=getpass.getuser())._mapping))
    publish(url)
    if json_wanted:
        print_json({name: found[name] for name in ("held_id", "outcome", "ended_by", "ended_why")})
    else:
        say(printable(f"{held_id} is {found['outcome']}: {_came_of(found)}."))


def _came_of(change: dict[str, Any]) -> str:
    """What counts of a source after a word; whether that is served is the referee's to say."""
    before, after = answers.before_and_after(change)
    if change["kind"] == "marked":
        counts = "is not unconfirmed any more" if change["outcome"] == "released" else "stays unconfirmed, as there is no better value"
        return f"what {change['source']} says, {after}, {counts}"
    believed, other = (after, before) if change["outcome"] == "released" else (before, after)
    return f"{change['source']} counts with {believed}, not with {other}"


@cli.group()
def identity() -> None:
    """Which model a listing is: corrections, and what is unresolved."""


@identity.command()
@click.argument("listed_id", type=WORDS)
@click.argument("model", type=WORDS, required=False)
@click.option("--unknown", is_flag=True, help="It is no model that is known: resolve it to none.")
@click.option("--source", type=source_names, help="Only in this source.")
@click.option("--provider", type=WORDS, help="Only at this provider, as the source spells it.")
@click.option("--since", type=INSTANT, help="From this instant on (default: now; the past keeps its link).")
@click.option("--always", is_flag=True, help="Also for the past: it was never anything else.")
@why_option
@as_json
def correct(
    listed_id: str,
    model: str | None,
    unknown: bool,
    source: str | None,
    provider: str | None,
    since: datetime | None,
    always: bool,
    why: str,
    json_wanted: bool,
) -> None:
    """Say that LISTED_ID is MODEL, a canonical id author/name.

    It overrides every rule, until it is undone.
    """
    from model_assets.identity.corrections import keep_correction
    from model_assets.settling import settle

    if (model is None) != unknown:
        raise click.UsageError("Say which MODEL it is, or --unknown.")
    if since and always:
        raise click.UsageError("--since and --always contradict each other.")
    settings = read_settings()
    url = ready_ledger(settings)
    with connect(url) as connection:
        number = keep_correction(
            connection, listed_id, model, source=source, provider=provider, since=None if always else since or datetime.now(UTC), why=why, by=getpass.getuser()
        )  # fmt: skip
    settle(url, settings.model_policy_file)
    if json_wanted:
        print_json({"correction_id": number, "listed_id": listed_id, "model": model})
    else:
        say(
            f"correction {number}: {listed_id} is {model or 'no known model'}. `model-assets identity undo {number} --why ...` takes it back."
        )


@identity.command()
@click.argument("number", type=int)
@why_option
def undo(number: int, why: str) -> None:
    """Take a correction back, by its number."""
    from model_assets.identity.corrections import keep_undoing
    from model_assets.settling import settle

    settings = read_settings()
    url = ready_ledger(settings)
    with connect(url) as connection:
        keep_undoing(connection, number, why=why, by=getpass.getuser())
    settle(url, settings.model_policy_file)
    say(f"correction {number} is undone.")


@identity.command()
@as_json
def corrections(json_wanted: bool) -> None:
    """What people said, undone words too."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.corrections(connection)
    if json_wanted:
        print_json(rows)
    elif rows:
        print_rows(
            rows,
            (
                "correction_id",
                "listed_id",
                "model",
                "source",
                "provider",
                "since",
                "decided_by",
                "decided_at",
                "why",
                "undone_at",
                "undone_by",
            ),
        )
    else:
        say("No correction was made.")


@identity.command()
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many.")
@click.option("--scores", "of_scores", is_flag=True, help="Names under which benchmarks list scores, instead of listings.")
@as_json
def unresolved(limit: int, of_scores: bool, json_wanted: bool) -> None:
    """Listings that no rule resolves, with the nearest models, none of which is used."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = (answers.unresolved_names if of_scores else answers.unresolved)(connection, limit)
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        row["nearest"] = ", ".join(row["suggestions"][:3])
    print_rows(
        rows, ("source", "listed_id", "scores", "why", "nearest") if of_scores else ("source", "provider", "listed_id", "name", "nearest")
    )
