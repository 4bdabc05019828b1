"""LMArena's leaderboards: which of two answers people prefer.

Source  https://raw.githubusercontent.com/lmarena/arena-catalog/main/data/ (public, no key): the text, vision and image leaderboards
Grain   one rating per arena, category and model
Units   an Elo rating with the ends of its 95 % interval: no percentage, and comparable within one arena and category only
Past    not served: a missed day is loaded from a recording or stays missing

The split is arena and category, such as `text/coding`; `full` is all of an arena. A payload is gathered from the three files; a recording of the
text leaderboard alone is read as well.
"""

import re
from collections.abc import Sequence

from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.base import Ask, Parsed, Source, id_problem, kind, mapping
from model_assets.sources.gathered import Part, Request, gather, parts
from model_assets.sources.scores import effort_in, put, run_of

BENCHMARK = "lmarena"
FOLDER = "https://raw.githubusercontent.com/lmarena/arena-catalog/main/data"
ARENAS = ("text", "vision", "image")
KNOWN = frozenset({"rating", "rating_q025", "rating_q975"})


def collect(ask: Ask, kept: bytes | None, folder: str = FOLDER) -> bytes:
    """The payload of all arenas. Raises FetchFailed."""
    return gather(ask, kept, [Request(f"{folder}/leaderboard-{arena}.json") for arena in ARENAS])


def decode(body: bytes) -> list[Part]:
    """The leaderboards of a payload; a bare file is that of the text arena. Raises BadPayload."""
    return parts(body, alone=f"{FOLDER}/leaderboard-text.json")


def parse(payload: Sequence[Part]) -> Parsed:
    """The ratings of all arenas. One that is broken is rejected by itself."""
    parsed = Parsed()
    for part in payload:
        arena = re.search(r"/leaderboard-([a-z0-9_-]+)\.json$", part.url)
        if not arena:
            raise BadPayload(f"{part.url[:100]!a} is none of LMArena's leaderboards. Look at the payload in raw.")
        for category, models in mapping(strict_json.loads(part.body.encode()), f"LMArena's {arena[1]} leaderboard").items():
            problem = id_problem(category) or (None if isinstance(models, dict) else f"{kind(models)} where ratings belong")
            if problem or not isinstance(models, dict):
                parsed.reject("score", BENCHMARK, None, f"category: {problem}", {category: models})
                continue
            for model, found in models.items():
                _rating(parsed, f"{arena[1]}/{category}", model, found)
    return parsed


def _rating(parsed: Parsed, split: str, model: str, found: object) -> None:
    if not isinstance(found, dict) or found.get("rating") is None:
        known = None if id_problem(model) else model
        parsed.reject("score", BENCHMARK, known, f"{split}: {kind(found)} without a rating", {model: found})
        return
    for key in found.keys() - KNOWN:
        parsed.drift[f"rating.{key}"] += 1
    run = run_of(
        parsed, BENCHMARK, model, split=split, effort=effort_in(model), extra={key: found[key] for key in found.keys() - KNOWN},
        url="https://lmarena.ai/leaderboard",
    )  # fmt: skip
    if run:
        put(parsed, run, "rating", "elo", found["rating"], found.get("rating_q025"), found.get("rating_q975"))


lmarena = SOURCE = Source("lmarena", FOLDER, parse, about=__doc__ or "", kind="scores", decode=decode, gather=collect)
