"""Commands about how well models do."""

from datetime import datetime

import click

from model_assets import answers
from model_assets.cli.base import INSTANT, WORDS, as_json, cli
from model_assets.database import connect
from model_assets.readiness import existing_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say

CLASS = ("source", "version", "split", "metric", "harness")


@cli.command()
@click.argument("model", type=WORDS)
@click.option("--benchmark", type=WORDS, help="Only this benchmark.")
@click.option("--as-of", type=INSTANT, help="As the sources said at this instant (default: now).")
@as_json
def scores(model: str, benchmark: str | None, as_of: datetime | None, json_wanted: bool) -> None:
    """How MODEL did in every benchmark.

    MODEL is any id of any source. Two numbers can be compared only where all that stands before them agrees.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.scores(connection, model, as_of, benchmark)
    if json_wanted:
        print_json(rows)
    elif rows:
        shown = ("benchmark", *CLASS[1:], "effort", "variant", "spelled", "value", "unit", "measured_on", "source")
        print_rows(rows, shown, f"scores: {len(rows)}")
    else:
        say(printable(f"No source lists a score of {model}{' then' if as_of else ''}. `model-assets benchmarks` says what is measured."))


@cli.command()
@as_json
def benchmarks(json_wanted: bool) -> None:
    """What is measured, by whom, over how many models."""
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.benchmarks(connection)
    if json_wanted:
        print_json(rows)
    elif rows:
        print_rows(rows, ("source", "benchmark", "version", "split", "metric", "unit", "scores", "names", "models"))
    else:
        say("No scores are there yet. `model-assets sync` reads the benchmarks.")


@cli.command()
@click.argument("benchmark", type=WORDS)
@click.option("--as-of", type=INSTANT, help="By the scores and prices of this instant (default: now).")
@click.option("--version", type=WORDS, help="Only this release of the benchmark.")
@click.option("--split", type=WORDS, help="Only this part of it.")
@click.option("--metric", type=WORDS, help="Only this metric.")
@click.option("--all", "everything", is_flag=True, help="Those that a cheaper model beats, too.")
@as_json
def frontier(
    benchmark: str, as_of: datetime | None, version: str | None, split: str | None, metric: str | None, everything: bool, json_wanted: bool
) -> None:
    """Models worth their price in BENCHMARK: nothing as cheap does better.

    The price is the cheapest that is served, in USD per million tokens: three of the prompt to one of the answer.
    """
    with connect(existing_ledger(read_settings(), start=True)) as connection:
        rows = answers.frontier(connection, benchmark, as_of, everything, version=version, split=split, metric=metric)
    if json_wanted:
        print_json(rows)
    elif rows:
        shown = (*CLASS, "model", "effort", "score", "unit", "usd_per_mtok", "offer")
        print_rows(rows, (*shown, "worth_it") if everything else shown, f"{benchmark}: price against score")
    else:
        say("No model has both a score there and a certain price then.")
