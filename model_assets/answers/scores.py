"""How well models do, and which of them are worth their price, now and on any past day."""

from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.answers.naming import named
from model_assets.answers.plain import Answer, plain
from model_assets.errors import ModelAssetsError


def scores(connection: Connection, given: str, as_of: datetime | None = None, benchmark: str | None = None) -> list[Answer]:
    """Every score of the model that an id stands for, as of an instant (null: now). Raises ModelAssetsError where the id is not resolved."""
    meant = named(connection, given)
    if meant.model is None:
        raise ModelAssetsError(
            f"{given} is no known model, so no score can be told to be its own. `model-assets resolve {given}` says why."
        )
    found = connection.execute(
        text(
            "select * from catalog.score_as_of(coalesce(:as_of, now())) where model = :model"
            " and (cast(:benchmark as text) is null or benchmark = :benchmark)"
            " order by benchmark, version desc, split, metric, source, harness, value desc, spelled, run"
        ),
        {"model": meant.model, "as_of": as_of, "benchmark": benchmark},
    )
    return [plain(dict(row)) for row in found.mappings()]


def benchmarks(connection: Connection) -> list[Answer]:
    """What is measured: a row per source, benchmark, version, split and metric."""
    found = connection.execute(text("select * from catalog.benchmark order by source, benchmark, version desc, split, metric"))
    return [plain(dict(row)) for row in found.mappings()]


def frontier(
    connection: Connection, benchmark: str, as_of: datetime | None = None, everything: bool = False, **parts: str | None
) -> list[Answer]:
    """Models worth their price in a benchmark, the best first, as of an instant (null: now); with `everything` those that are not as well.

    `parts` narrow it: source, version, split, metric, harness, runner. Raises ModelAssetsError, naming those there are, where no such benchmark
    is known.
    """
    wanted = {name: value for name, value in parts.items() if value is not None}
    narrowed = "".join(f" and {name} = :{name}" for name in wanted)
    found = connection.execute(
        text(
            "select * from catalog.frontier_as_of(coalesce(:as_of, now()))"
            f" where benchmark = :benchmark and (worth_it or :everything){narrowed}"
            " order by source, version desc, split, metric, harness, runner, score desc, usd_per_mtok, model"
        ),
        {"as_of": as_of, "benchmark": benchmark, "everything": everything, **wanted},
    )
    rows = [plain(dict(row)) for row in found.mappings()]
    known = connection.execute(text("select distinct benchmark from history.score order by 1")).scalars().all()
    if not rows and benchmark not in known:
        there = ", ".join(known) or "none yet: `model-assets sync` reads them"
        raise ModelAssetsError(f"no benchmark is called {benchmark!r}. There are: {there}.")
    return rows
