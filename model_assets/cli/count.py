"""Commands that reckon: what a request cost, and what a log of requests cost, or would have cost elsewhere."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_assets.cli.base import INSTANT, WORDS, as_json, cli
from model_assets.database import connect
from model_assets.ledger.describe import decimal_text
from model_assets.readiness import existing_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say

if TYPE_CHECKING:
    from model_assets.cost.evaluate import Answer

COUNTS = {
    "input": "Tokens of the prompt that were neither read from a cache nor written to one.",
    "output": "Tokens of the answer, those of reasoning included.",
    "cache_read": "Tokens read from a cache.",
    "cache_write_5m": "Tokens written to a cache of the default lifetime.",
    "cache_write_1h": "Tokens written to a cache that lives an hour.",
    "reasoning": "Tokens of reasoning, which are part of the output.",
    "input_audio": "Audio tokens of the prompt.",
    "output_audio": "Audio tokens of the answer.",
    "images": "Images made.",
    "seconds": "Seconds of whatever the model charges by the second.",
    "requests": "Calls (default: one).",
    "web_searches": "Web searches made.",
}


def counts(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each count."""
    for name, about in reversed(COUNTS.items()):
        kind = click.FloatRange(0) if name == "seconds" else click.IntRange(0)
        command = click.option(f"--{name.replace('_', '-')}", name, type=kind, help=about, metavar="N")(command)
    return command


@cli.command()
@click.argument("model", type=WORDS)
@counts
@click.option("--provider", type=WORDS, help="Only this provider.")
@click.option("--tier", default="standard", show_default=True, type=WORDS, help="Service tier: standard, batch, flex, priority, ...")
@click.option("--region", default="", type=WORDS, help="Region of the request, as the provider spells it.")
@click.option("--at", type=INSTANT, help="When the request was made (default: now).")
@click.option("--known-at", type=INSTANT, help="By what was known at this instant (default: now).")
@as_json
def cost(
    model: str,
    provider: str | None,
    tier: str,
    region: str,
    at: datetime | None,
    known_at: datetime | None,
    json_wanted: bool,
    **given: float | None,
) -> None:
    """What one request to MODEL cost, at every provider.

    The length of the prompt, the hour, the tier and the region decide which prices count. What has no price is named, never taken as 0.
    """
    from model_assets.cost.evaluate import evaluate
    from model_assets.cost.ledger_book import offers_at
    from model_assets.cost.plain import as_plain, in_order
    from model_assets.cost.usage import usage

    now = datetime.now(UTC)
    said = {name: Decimal(str(count)) if isinstance(count, float) else count for name, count in given.items() if count is not None}
    used = usage(said)
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        offers = offers_at(connection, model, at or now, known_at or now, provider)
    answers = {offer: evaluate(rows, used, at or now, tier, region) for offer, rows in offers.items()}
    found = dict(sorted(answers.items(), key=in_order))
    if json_wanted:
        print_json([as_plain(offer, answer) for offer, answer in found.items()])
        return
    if len(found) == 1:
        [(offer, answer)] = found.items()
        print_rows([line_of(line) for line in answer.lines], ("meter", "quantity", "price", "amount", "source", "why"), offer)
        say(f"total  {total(answer)}")
    else:
        rows = [{"offer": offer, "cost": total(answer), "why": "; ".join(answer.warnings)} for offer, answer in found.items()]
        print_rows(rows, ("offer", "cost", "why"))
    for warning in dict.fromkeys(warning for answer in found.values() for warning in answer.warnings) if len(found) == 1 else ():
        say(printable(warning))


def total(answer: "Answer") -> str:
    """What a request cost, in words: a number alone only where it is the whole, and nothing speaks against it."""
    amounts = " + ".join(f"{decimal_text(amount)} {currency}" for currency, amount in answer.totals.items())
    if answer.partial:
        missing = ", ".join(dict.fromkeys(line.meter for line in answer.missing))
        amounts = f"not known whole: {amounts or 'nothing'} without {missing}"
    return (amounts or "nothing") + marked(flag for flag in answer.flags if flag != "partial")


def marked(words: Iterable[str]) -> str:
    """What speaks against a number, to be written behind it."""
    said = ", ".join(words)
    return f" ({said})" if said else ""


def line_of(line: Any) -> dict[str, Any]:
    """One count, for a table."""
    price = f"{decimal_text(line.unit_amount)} {line.currency} per {line.per}" if line.amount is not None else "no price"
    marks = [word for word in ("held", "disputed", "unconfirmed") if line.row is not None and getattr(line.row, word)]
    return {
        "meter": line.meter, "quantity": f"{line.quantity:,}", "price": price + marked(marks),
        "amount": None if line.amount is None else decimal_text(line.amount), "source": line.row.source if line.row else None, "why": line.why,
    }  # fmt: skip


@cli.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--as-model", type=WORDS, help="Price it all again as if this model had been asked.")
@click.option("--as-provider", type=WORDS, help="Price it all again as if bought from this provider.")
@click.option("--as-tier", type=WORDS, help="Price it all again as if in this service tier.")
@click.option("--by", type=click.Choice(["model", "provider", "day"]), default="model", show_default=True, help="What the sums are by.")
@as_json
def replay(log: Path, as_model: str | None, as_provider: str | None, as_tier: str | None, by: str, json_wanted: bool) -> None:
    """What a LOG of requests cost, each at the prices of its time.

    LOG is a CSV or Parquet file with time, model, provider and token counts. Rows that cannot be priced are counted apart, by reason; so are
    rows whose prices are in doubt. With --as-model, --as-provider or --as-tier also what it would have cost there.
    """
    from model_assets.cost.ledger_book import LedgerBook
    from model_assets.cost.log import read_chunks
    from model_assets.cost.replay import WhatIf, side_by_side
    from model_assets.cost.replay import replay as price_log

    what_if = WhatIf(as_model, as_provider, as_tier)
    chunks = read_chunks(log)
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        book = LedgerBook(connection)
        if any(what_if):
            found = side_by_side(chunks, book, what_if)._asdict()
        else:
            found = {"logged": price_log(chunks, book)}
    if json_wanted:
        print_json({name: totals_as_plain(totals, by) for name, totals in found.items()})
        return
    for name, totals in found.items():
        title = TITLES.get(name, name)
        rows = [{**row, "but": ", ".join(row["flags"])} for row in rows_by(totals, by)]
        print_rows(rows, (by, "rows", "tokens", "amount", "currency", "but"), f"{title}, by {by}")
        for line in totals_in_words(totals):
            say(printable(line))


TITLES = {
    "logged": "as logged",
    "what_if": "what if",
    "both_logged": "the rows that have a whole price both ways, as logged",
    "both_what_if": "the same rows, what if",
}


def rows_by(totals: Any, by: str) -> list[dict[str, Any]]:
    """The sums of a log by one column, by currency, and by what is the matter with them: none is of plain and of doubtful prices at once."""
    return [
        {**row, "amount": decimal_text(row["amount"]), "flags": list(row["flags"])} for row in totals.frame(by, "flags").to_dict("records")
    ]


def totals_in_words(totals: Any) -> list[str]:
    """What a log cost, and what of it is not a plain number."""
    lines = [f"{totals.rows_priced:,} of {totals.rows:,} rows have a price"]
    lines += [
        f"  {decimal_text(one.amount)} {currency}: {one.rows:,} rows that nothing is the matter with"
        for currency, one in totals.plain.items()
    ]
    lines += [
        f"  {decimal_text(one.amount)} {currency}: {one.rows:,} rows {FLAGGED.get(flag, flag)}"
        for (flag, currency), one in totals.flagged.items()
    ]
    if totals.rows_unpriced:
        lines.append(f"{totals.rows_unpriced:,} rows have no price, and are in no sum:")
        lines += [f"  {one.rows:,} rows, {one.tokens:,} tokens: {reason}" for reason, one in totals.reasons.items()]
    for (model, provider, meter, reason), one in list(totals.missing.items())[:20]:
        lines.append(f"  of {one.rows:,} rows of {model}{f' at {provider}' if provider else ''}, {meter} is not in the sum: {reason}")
    return lines


FLAGGED = {
    "partial": "priced in part: some of what they count has no price",
    "held": "at the last good price, while a newer one is held",
    "disputed": "at a price that another source contradicts",
    "unconfirmed": "at a price that is not confirmed yet",
    "included": "covered by a plan, at no cost besides it",
    "dynamic": "whose price depends on the route",
    "unknown": "of which a price is not stated",
}


def totals_as_plain(totals: Any, by: str) -> dict[str, Any]:
    """Totals for JSON."""

    def plain(one: Any) -> dict[str, Any]:
        return {"rows": one.rows, "tokens": one.tokens, "amount": decimal_text(one.amount)}

    return {
        "rows": totals.rows, "rows_priced": totals.rows_priced, "rows_unpriced": totals.rows_unpriced,
        f"by_{by}": rows_by(totals, by),
        "plain": {currency: plain(one) for currency, one in totals.plain.items()},
        "flagged": [{"flag": flag, "currency": currency, **plain(one)} for (flag, currency), one in totals.flagged.items()],
        "unpriced": [{"reason": reason, "rows": one.rows, "tokens": one.tokens} for reason, one in totals.reasons.items()],
        "missing": [
            {"model": model, "provider": provider, "meter": meter, "reason": reason, "rows": one.rows}
            for (model, provider, meter, reason), one in totals.missing.items()
        ],
    }  # fmt: skip
