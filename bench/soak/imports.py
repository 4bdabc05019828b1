"""Recordings that come late and out of order, and days that are replayed: written to a folder and imported as a person would."""

import gzip
import random
import shutil
from datetime import datetime
from typing import TYPE_CHECKING

from bench.soak.faults import Day
from model_assets.sources import SOURCES

if TYPE_CHECKING:
    from bench.soak.days import Soak

IMPORTABLE = ("models_dev", "models_dev_models", "openrouter", "litellm", "genai_prices", "epoch", "bfcl")
AT = 12.5  # hours after the day's sync: between two of them


def late_and_twice(soak: "Soak", number: int, plan: Day, chance: random.Random) -> None:
    """What the day's plan says of them."""
    past = [day for day in soak.past if day < number]
    if "past day imported late" in plan.others and past:
        day, source = chance.choice(past), chance.choice(IMPORTABLE)
        body = soak.past[chance.choice([one for one in past if one <= day])][source][""]  # that day's, or an older one
        errors = _imported(soak, source, soak.at(day, AT), body)
        soak.claims.look(number, "a past day is imported late, out of order", errors)
    if "day replayed twice" in plan.others and past:
        _replayed(soak, number, chance)


def _replayed(soak: "Soak", number: int, chance: random.Random) -> None:
    """Import an accepted observation once more, twice: nothing may move."""
    with soak.server.connect() as connection:
        kept = connection.execute(
            "select source, observed_at, gzip from ops.observation join raw.body using (sha256) where verdict = 'accepted' and source = any(%s)"
            " order by observed_at desc, source limit 60",
            [list(IMPORTABLE)],
        ).fetchall()
        source, at, packed = chance.choice(kept)
        moved = "select ledger_version, (select count(*) from raw.payload), (select count(*) from ops.observation) from ops.source where source = %s"
        before = connection.execute(moved, [source]).fetchall()
        errors = [said for _ in range(2) for said in _imported(soak, source, at, gzip.decompress(packed))]
        after = connection.execute(moved, [source]).fetchall()
    soak.claims.look(
        number, "a day that is replayed writes nothing", errors + ([] if before == after else [f"{source}: {before} -> {after}"])
    )


def _imported(soak: "Soak", source: str, at: datetime, body: bytes) -> list[str]:
    """What went wrong in an import of one recording."""
    folder = soak.folder / "recordings"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / source).mkdir(parents=True)
    (folder / source / f"{at:%Y-%m-%dT%H%M%SZ}.{SOURCES[source].extension}.gz").write_bytes(gzip.compress(body))
    errors: dict[str, list[str]] = soak.worker.do("import", folder=str(folder))
    return [f"{name}: {said}" for name, found in errors.items() for said in found]
