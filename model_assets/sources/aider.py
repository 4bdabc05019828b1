"""Aider's leaderboards: how well models edit code when aider drives them.

Source  https://raw.githubusercontent.com/Aider-AI/aider/main/aider/website/_data/ (public, no key): polyglot, edit and refactor leaderboards
Grain   one score per run (its `dirname`) and metric
Units   pass rates and well-formed answers in percent, seconds per case, dollars for the whole run
Past    not served: a missed day is loaded from a recording or stays missing

The three are three benchmarks. The edit format is the harness; an architect's editor model is the variant. A total cost of 0 was not metered.
A payload is gathered from the three files; a recording of the polyglot file alone is read as well.
"""

import re
from collections.abc import Mapping, Sequence

from model_assets.errors import BadPayload
from model_assets.sources.base import Ask, Parsed, Source, kind, sequence
from model_assets.sources.gathered import Part, Request, gather, parts
from model_assets.sources.plain_yaml import load
from model_assets.sources.scores import put, run_of, split_mode

FOLDER = "https://raw.githubusercontent.com/Aider-AI/aider/main/aider/website/_data"
BOARDS = ("polyglot", "edit", "refactor")
YAML = "text/plain, application/yaml, */*;q=0.1"
#: metric -> (key of the run, unit)
METRICS = {
    "pass_rate_1": ("pass_rate_1", "pct"),
    "pass_rate_2": ("pass_rate_2", "pct"),
    "well_formed": ("percent_cases_well_formed", "pct"),
    "seconds_per_case": ("seconds_per_case", "seconds"),
    "cost": ("total_cost", "usd"),
}
OF_THE_KEY = frozenset({"dirname", "model", "edit_format", "reasoning_effort", "thinking_tokens", "editor_model", "date"})
DETAILS = frozenset(
    {
        "_released", "released", "command", "commit_hash", "versions", "test_cases", "total_tests", "pass_num_1", "pass_num_2",
        "editor_edit_format", "error_outputs", "num_malformed_responses", "num_with_malformed_responses", "user_asks", "lazy_comments",
        "syntax_errors", "indentation_errors", "exhausted_context_windows", "test_timeouts", "prompt_tokens", "completion_tokens",
    }
)  # fmt: skip
KNOWN = OF_THE_KEY | DETAILS | {key for key, _ in METRICS.values()}


def collect(ask: Ask, kept: bytes | None, folder: str = FOLDER) -> bytes:
    """The payload of all leaderboards. Raises FetchFailed."""
    return gather(ask, kept, [Request(f"{folder}/{board}_leaderboard.yml", accept=YAML) for board in BOARDS])


def decode(body: bytes) -> list[Part]:
    """The leaderboards of a payload; a bare file is the polyglot one. Raises BadPayload."""
    return parts(body, alone=f"{FOLDER}/polyglot_leaderboard.yml")


def parse(payload: Sequence[Part]) -> Parsed:
    """The scores of all runs. A run that is broken is rejected by itself."""
    parsed = Parsed()
    for part in payload:
        named = re.search(r"/([a-z]+)_leaderboard\.yml$", part.url)
        if not named:
            raise BadPayload(f"{part.url[:100]!a} is none of aider's leaderboards. Look at the payload in raw.")
        benchmark = f"aider_{named[1]}"
        for entry in sequence(load(part.body), f"aider's {named[1]} leaderboard"):
            if isinstance(entry, dict):
                _score(parsed, benchmark, entry)
            else:
                parsed.reject("score", benchmark, None, f"{kind(entry)} where a run belongs", entry)
    return parsed


def _score(parsed: Parsed, benchmark: str, entry: Mapping[str, object]) -> None:
    said = entry.get("model")
    model, effort, variant = split_mode(said) if isinstance(said, str) else (said, "", "")
    editor = entry.get("editor_model")
    for key in entry.keys() - KNOWN:
        parsed.drift[f"run.{key}"] += 1
    run = run_of(
        parsed,
        benchmark,
        model,
        harness=entry.get("edit_format"),
        effort=_effort(entry) or effort,
        variant=f"editor {editor}" if isinstance(editor, str) and editor else editor or variant,
        run=entry.get("dirname"),
        date=entry.get("date"),
        url="https://aider.chat/docs/leaderboards/",
        extra={"listed_as": said, **{key: entry[key] for key in entry.keys() - OF_THE_KEY - {key for key, _ in METRICS.values()}}},
    )
    if run is None:
        return
    for metric, (key, unit) in METRICS.items():
        put(parsed, run, metric, unit, None if entry.get(key) == "" else entry.get(key))


def _effort(entry: Mapping[str, object]) -> str:
    """The stated effort: a level, or a budget of thinking tokens such as `32k`, `none` for a budget of 0; empty where neither is stated."""
    if level := entry.get("reasoning_effort"):
        return str(level)
    budget = str(entry.get("thinking_tokens") or "")
    if budget == "0":
        return "none"
    for thousand in (1000, 1024):  # written as 32000 and as 32768: both are called 32k
        if budget.isascii() and budget.isdecimal() and len(budget) < 10 and int(budget) % thousand == 0:
            return f"{int(budget) // thousand}k"
    return budget


aider = SOURCE = Source(
    "aider",
    FOLDER,
    parse,
    about=__doc__ or "",
    kind="scores",
    extension="yml",
    decode=decode,
    gather=collect,
)
