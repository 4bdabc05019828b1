"""Commands that answer questions from the ledger."""

import sys
from datetime import datetime
from typing import Any

import click

from model_assets import answers
from model_assets.cli.base import INSTANT, MOST_ROWS, WORDS, age, as_json, cli, source_names
from model_assets.contracts import METERS
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.readiness import existing_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say


@cli.command()
@click.argument("model", type=WORDS)
@click.option("--provider", type=WORDS, help="Only this provider.")
@click.option("--meter", type=click.Choice(list(METERS)), metavar="METER", help="Only this meter: input, output, cache_read, ...")
@click.option("--as-of", type=INSTANT, help="The instant the price is for (default: now).")
@click.option("--known-at", type=INSTANT, help="By what was known at this instant (default: now).")
@click.option("--links-now", is_flag=True, help="For a past instant: by what a listing is believed to be today, not then.")
@click.option(
    "--all", "everything", is_flag=True, help="Dated snapshots too, where MODEL names none and the provider sells it without a date."
)
@click.option("--claims", is_flag=True, help="What every source says of this very id, letter for letter, instead of what is served.")
@click.option("--source", type=source_names, help="Only what this source says (with --claims).")
@as_json
def price(
    model: str,
    provider: str | None,
    meter: str | None,
    as_of: datetime | None,
    known_at: datetime | None,
    links_now: bool,
    everything: bool,
    claims: bool,
    source: str | None,
    json_wanted: bool,
) -> None:
    """What MODEL costs at every provider that sells it.

    MODEL is any id of any source, or provider/id. Each price is told with the source whose word counts, and what speaks against it.
    """
    if source and not claims:
        raise click.UsageError("--source asks for what one source says: add --claims.")
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        if claims:
            rows = answers.claims(connection, model, as_of, known_at, provider, source)
            rows = [row for row in rows if meter in (None, row["meter"])]
        else:
            rows = answers.prices(
                connection,
                model,
                as_of=as_of,
                known_at=known_at,
                provider=provider,
                meter=meter,
                links_now=links_now,
                everything=everything,
            )
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        row["condition"] = condition(row)
        said = answers.amount_in_words(row["state"], row["amount"], row["currency"])
        row["price"] = row["served"] if "served" in row else said + doubted(row["held"], row["unconfirmed"], row["disputed"])
        row["age"] = age(row.get("age"))
        row["id"] = row.get("price_id", "")[:8]
    if claims:
        columns: tuple[str, ...] = (
            "source", "provider", "listed_id", "meter", "price", "per", "condition", "effective_from", "effective_to", "seen_since",
        )  # fmt: skip
        print_rows(rows, columns)
        return
    print_rows(rows, ("offer", "meter", "price", "per", "condition", "source", "rule", "seen_since", "age", "id"))
    say("`model-assets why ID` leads from a price back to the payload that says it.")


def doubted(held: bool, unconfirmed: bool, disputed: bool) -> str:
    """What speaks against a number that a source names, to be written behind it."""
    marks = [word for word, holds in (("held", held), ("unconfirmed", unconfirmed), ("disputed", disputed)) if holds]
    return f" ({', '.join(marks)})" if marks else ""


def condition(row: dict[str, Any]) -> str:
    """When a price holds, in words; empty for the standard price of any request."""
    said = [] if row["service_tier"] == "standard" else [row["service_tier"]]
    if row["prompt_above_tokens"]:
        said.append(f"prompt above {row['prompt_above_tokens']:,} tokens")
    return ", ".join([*said, *(str(row[name]) for name in ("time_window", "region", "detail") if row.get(name))])


@cli.command()
@click.option("--from", "since", type=INSTANT, required=True, help="The earlier instant.")
@click.option("--to", "until", type=INSTANT, default="now", show_default=True, help="The later instant.")
@click.option("--source", type=source_names, help="Only what this source says.")
@as_json
def diff(since: datetime, until: datetime, source: str | None, json_wanted: bool) -> None:
    """What differs between two instants, listings and prices.

    Listings appeared or vanished; prices opened, changed or closed.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        found = answers.difference(connection, since, until, source)
    if json_wanted:
        print_json({"listings": found.listings, "prices": found.prices})
        return
    print_rows(found.listings, ("change", "source", "provider", "listed_id", "name"), f"listings: {len(found.listings)}")
    for row in found.prices:
        row["condition"] = condition(row)
        for side in ("from", "to"):
            said = row[f"{side}_amount"] if row[f"{side}_state"] == "paid" else row[f"{side}_state"]
            row[side] = said and said + doubted(*(row[f"{side}_{mark}"] for mark in ("held", "unconfirmed", "disputed")))
    print_rows(
        found.prices,
        ("change", "source", "provider", "listed_id", "meter", "per", "condition", "from", "to"),
        f"prices: {len(found.prices)}",
    )


@cli.command()
@click.argument("given", metavar="ID", type=WORDS)
@click.option("--provider", type=WORDS, help="The id as this provider's.")
@click.option("--as-of", type=INSTANT, help="By what was believed at this instant (default: now).")
@as_json
def resolve(given: str, provider: str | None, as_of: datetime | None, json_wanted: bool) -> None:
    """Which model ID is: its snapshot, variant, build and region.

    With the rule that says so, how sure it is, and on what evidence. An id that cannot be resolved is refused, with the nearest models.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        links = answers.resolve(connection, given, provider, as_of)
    rows = [answers.plain(link._asdict()) for link in links]
    if json_wanted:
        print_json(rows)
    else:
        for row in rows:
            row["listing"] = f"{row['source']}: {row['provider']}/{row['listed_id']}" if row["source"] else "(no listing of this id)"
            row["why"] = "; ".join(f"{name}: {value}" for name, value in row["evidence"].items())
        parts = ("snapshot", "alias", "variant", "build", "region", "derivative_of")
        shown = [part for part in parts if any(row[part] for row in rows)]
        print_rows(rows, ("listing", "model", *shown, "rule", "confidence", "why"), given)
    if not any(link.model for link in links):
        near = ", ".join(dict.fromkeys(name for link in links for name in link.suggestions)) or "none comes near"
        raise ModelAssetsError(f"{given!r} was not resolved. The nearest models, none of which is used: {near}.")


@cli.command()
@click.argument("model", type=WORDS)
@click.option("--provider", type=WORDS, help="Only this provider.")
@click.option("--meter", type=click.Choice(list(METERS)), metavar="METER", help="Only this meter: input, output, cache_read, ...")
@as_json
def history(model: str, provider: str | None, meter: str | None, json_wanted: bool) -> None:
    """What became of MODEL: its listings, and every price it had."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        listings, rows = answers.history(connection, model, provider, meter)
    if json_wanted:
        print_json({"listings": listings, "prices": rows})
        return
    print_rows(listings, ("provider", "source", "listed_id", "first_seen", "last_seen", "lifecycle", "retires_on"), "listings")
    for row in rows:
        row["condition"] = condition(row)
    print_rows(rows, ("since", "until", "offer", "meter", "condition", "said", "source", "reason"), "prices")


@cli.command()
@click.argument("price_id", metavar="PRICE")
@click.option("--as-of", type=INSTANT, help="The instant the price is for (default: now).")
@click.option("--known-at", type=INSTANT, help="By what was known at this instant (default: now).")
@click.option("--payload", "payload_wanted", is_flag=True, help="Write the exact bytes of the payload to stdout, and nothing else.")
@as_json
def why(price_id: str, as_of: datetime | None, known_at: datetime | None, payload_wanted: bool, json_wanted: bool) -> None:
    """From a price back to the bytes of the payload that says it.

    PRICE is the id that `price` shows.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        if payload_wanted:
            sys.stdout.buffer.write(answers.payload_bytes(connection, price_id, as_of, known_at))
            return
        found = answers.why(connection, price_id, as_of, known_at)
    if json_wanted:
        print_json(found)
        return
    for line in told(found):
        say(printable(line))


def told(found: dict[str, Any]) -> list[str]:
    """What `why` found, as lines for a person."""
    claim, link, payload, served = found["claim"], found["link"], found["payload"], found["served"]
    said = answers.amount_in_words(claim["state"], claim["amount"], claim["currency"])
    lines = [f"price      {found['price_id']}  {claim['meter']} {condition(claim)}".rstrip()]
    if served:
        lines += [
            f"served     {served['served']} per {served['per']} for {served['offer']}",
            f"rule       {served['rule']} ({served['source']})",
        ]
    lines += [
        f"claim      {claim['source']} says {said} of {claim['provider']}/{claim['listed_id']}, seen {claim['seen_since']} until {claim['seen_until'] or 'now'}"
    ]
    if claim["effective_from"] or claim["effective_to"]:
        lines += [f"states     from {claim['effective_from'] or 'ever'} to {claim['effective_to'] or 'further notice'}"]
    if link:
        lines += [f"model      {link['model'] or 'unresolved'}, by {link['rule']} (confidence {link['confidence']})"]
        lines += [f"           {name}: {value}" for name, value in link["evidence"].items()]
    for other in found["claims"]:
        words = answers.amount_in_words(other["state"], other["amount"], other["currency"])
        lines.append(
            f"{other['source']:<12} {words}{' (last good value; a newer one is held)' if other['held'] else ''}: {other['provider']}/{other['listed_id']}"
        )
    for doubt in found["gate"]:
        words = " -> ".join(answers.before_and_after(doubt))
        ended = f"; {doubt['outcome']}: {doubt['ended_why']}" if doubt["outcome"] != "open" else ""
        lines += [f"gate       {doubt['kind']} {doubt['held_id']} at {doubt['changed_at']}: {words}. {'; '.join(doubt['reasons'])}{ended}"]
    lines += [
        f"payload    {payload['bytes']} bytes from {payload['url']}, observed {payload['observed_at']} ({payload['origin']})",
        f"sha256     {payload['sha256']} ({'computed again: right' if payload['hash_is_right'] else 'BROKEN: the stored bytes have another hash'})",
        f"read again {payload['read_again']}",
    ]
    if payload["entry"]:
        lines += [f"entry      {payload['where']}", f"           {payload['entry'][:1000]}"]
    return lines


@cli.command()
@click.option("--model", type=WORDS, help="Only of this model (any id of any source).")
@click.option("--provider", type=WORDS, help="Only at this provider.")
@click.option("--all", "everything", is_flag=True, help="Those that closed, too.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=50, show_default=True, help="At most so many, the largest first.")
@as_json
def disputes(model: str | None, provider: str | None, everything: bool, limit: int, json_wanted: bool) -> None:
    """Where sources name different prices for the same thing."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        canonical = answers.named(connection, model).model if model else None
        rows = answers.disputes(connection, model=canonical or model, provider=provider, everything=everything, limit=limit)
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        row["condition"] = condition(row)
        # an open dispute is told by what its sides say now; one that closed, by all that they said
        sides = [side for side in row["sides"] if row["closed_at"] or not side["until"]]
        row["claims"] = "; ".join(dict.fromkeys(f"{side['source']}: {side['amount']}" for side in sides))
        row["times"] = f"{float(row['ratio']):,.4g}" if row["ratio"] else ""
        row["closed_at"] = "a source was not read since" if row["stale"] else row["closed_at"]
    print_rows(rows, ("offer", "meter", "condition", "claims", "times", "served_source", "opened_at", "closed_at"), "disputes")
