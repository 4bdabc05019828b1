"""Commands that measure how good the project is at what it claims to be: against labels, and against mistakes made on purpose."""

from pathlib import Path

import click

from model_assets.cli.base import as_json, cli
from model_assets.database import connect
from model_assets.readiness import existing_ledger
from model_assets.settings import read_settings
from model_assets.terminal import print_json, print_rows, printable, say

FILE = click.Path(path_type=Path)


@cli.group()
def score() -> None:
    """How well listings are resolved, and mistakes held."""


@score.command("identity")
@click.argument("labels", type=FILE)
@click.option("--recordings", type=FILE, help="Take the listings from this folder of recordings instead of the ledger.")
@as_json
def identity(labels: Path, recordings: Path | None, json_wanted: bool) -> None:
    """How many LABELS are met.

    LABELS is a CSV file with provider, listed_id and model_id: which model people say a listing of models.dev is.
    """
    from model_assets.identity import links
    from model_assets.identity import score as scoring
    from model_assets.identity.corrections import corrections_of
    from model_assets.identity.recorded import facts_of

    wanted = scoring.read_labels(labels)
    if recordings is not None:
        facts, words = facts_of(recordings), []
    else:
        with connect(existing_ledger(read_settings(), start=True)) as connection:
            facts, words = links.facts_of(connection), corrections_of(connection)
    found = scoring.score(wanted, links.resolver_over(facts, words), [one for one in facts if one.source == "models_dev"])
    rows, broken = scoring.by_provider(found), scoring.not_met(found)
    if json_wanted:
        print_json({"by_provider": rows, "not_met": broken})
        return
    print_rows(rows, list(rows[0]), f"{len(wanted)} labels of {labels.name}")
    if broken:
        print_rows(broken, list(broken[0]), "not met")


@score.command("gate")
@click.argument("changes", type=FILE)
@click.option("--recordings", type=FILE, help="Also put mistakes into this folder of recordings, and know what they knew.")
@click.option("--seed", default=1, show_default=True, help="Of the mistakes made at random.")
@as_json
def gate(changes: Path, recordings: Path | None, seed: int, json_wanted: bool) -> None:
    """How many mistakes the gate holds, and how many true CHANGES for nothing.

    CHANGES is a CSV file with changed_at, provider, listed_id, key, old and new: changes of prices that really happened, replayed in order of
    time.
    """
    from model_assets.gate import figures
    from model_assets.gate import score as scoring
    from model_assets.gate.events import read_folder

    snapshots = read_folder(recordings) if recordings is not None else []
    found: list[figures.RecordingsScore | figures.ChangesScore] = [scoring.score_changes(changes, snapshots)]
    curve = []
    if snapshots:
        made = scoring.score_recordings(snapshots, seed)
        found.append(made)
        curve = figures.curve_rows(made)
    if json_wanted:
        names = (f"changes of {changes.name}", "mistakes put into recordings")
        print_json({"seed": seed, **{name: figures.rows(one) for name, one in zip(names, found, strict=False)}, "curve": curve})
        return
    for one in found:
        for line in figures.text(one):
            say(printable(line))
