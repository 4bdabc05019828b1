"""SWE-bench's leaderboards: which systems resolve real issues of software projects.

Source  https://raw.githubusercontent.com/SWE-bench/swe-bench.github.io/master/data/leaderboards.json (public, no key; CC BY-NC 4.0)
Grain   one score per leaderboard, submission (its `folder`) and metric
Units   resolved issues in percent; dollars and calls, where stated
Past    not served: a missed day is loaded from a recording or stays missing

A submission is a system, not a model. Its model is the one that its tags name (`Model: ...`); where they name none or several, the system's own
name stands there, which resolves to no model, and the tags are kept. A cost of 0 was not metered. What it did issue by issue is not kept.
"""

import re
from collections.abc import Mapping

from model_assets.contracts import Score
from model_assets.sources.base import Parsed, Source, id_problem, kind, mapping, sequence
from model_assets.sources.scores import put, run_of

BENCHMARK = "swe_bench"
#: on this leaderboard one agent drives every model: the benchmark's makers run it
BASH_ONLY, MINI = "bash-only", "mini-SWE-agent"
#: metric -> (key of the result, unit)
METRICS = {
    "resolved": ("resolved", "pct"),
    "cost": ("cost", "usd"),
    "instance_cost": ("instance_cost", "usd"),
    "instance_calls": ("instance_calls", "count"),
}
DETAILS = frozenset({"checked", "verified", "os_model", "os_system", "oss", "warning", "mini-swe-agent_version"})
LEFT_OUT = frozenset({"per_instance_details", "logo", "org_logo", "logs", "trajs", "trajs_docent"})
KNOWN = DETAILS | LEFT_OUT | {"name", "folder", "date", "site", "tags"} | {key for key, _ in METRICS.values()}


def parse(payload: object) -> Parsed:
    """The scores of all submissions. One that is broken is rejected by itself."""
    parsed = Parsed()
    for number, board in enumerate(sequence(mapping(payload, "SWE-bench's payload").get("leaderboards"), "`leaderboards`")):
        where = f"leaderboard {number}"
        found = mapping(board, where)
        if problem := id_problem(found.get("name")):
            parsed.reject("score", BENCHMARK, None, f"name of {where}: {problem}", found.get("name"))
            continue
        for result in sequence(found.get("results"), f"`results` of {where}"):
            if isinstance(result, dict):
                _score(parsed, str(found["name"]), result)
            else:
                parsed.reject("score", BENCHMARK, None, f"{kind(result)} where a submission belongs", result)
    return parsed


def _score(parsed: Parsed, split: str, result: Mapping[str, object]) -> None:
    for key in result.keys() - KNOWN:
        parsed.drift[f"result.{key}"] += 1
    run = _run(parsed, split, result)
    if run is None:
        return
    if not run.run:
        parsed.reject("score", BENCHMARK, run.model, "a submission without a folder", {"name": result.get("name"), "split": split})
        return
    for metric, (key, unit) in METRICS.items():
        found = result.get(key)
        put(parsed, run, metric, unit, None if key == "instance_calls" and found == 0 else found)


def _run(parsed: Parsed, split: str, result: Mapping[str, object]) -> Score | None:
    name, site = result.get("name"), result.get("site")
    tags = _tags(parsed, "" if id_problem(name) else str(name), result.get("tags"))
    models, mini = tags.get("Model", []), split == BASH_ONLY or bool(result.get("mini-swe-agent_version"))
    return run_of(
        parsed,
        BENCHMARK,
        models[0] if len(models) == 1 else name,
        split=split,
        harness=MINI if mini else name,
        effort=_effort(name) if mini else "",
        variant=", ".join(tags.get("System", [])),
        runner="SWE-bench" if split == BASH_ONLY else "",
        run=result.get("folder"),
        date=result.get("date"),
        url=site[0] if isinstance(site, list) and site else site or None,
        extra={
            "name": name,
            "models": models if len(models) > 1 else None,
            "organisations": tags.get("Org"),
            **{key: result[key] for key in result.keys() - (KNOWN - DETAILS)},
        },
    )


def _tags(parsed: Parsed, name: str, found: object) -> dict[str, list[str]]:
    """kind -> what its tags say: `Model: gpt-5` is {"Model": ["gpt-5"]}. The oldest payloads have none."""
    tags: dict[str, list[str]] = {}
    if found is not None and not isinstance(found, list):
        parsed.odd(name, "tags", found, f"{kind(found)} where a list of tags belongs")
        return tags
    for tag in found or []:
        what, colon, said = tag.partition(": ") if isinstance(tag, str) else ("", "", "")
        if colon and said.strip():
            tags.setdefault(what, []).append(said.strip())
        else:
            parsed.odd(name, "tags", tag, "not a tag such as `Model: ...`")
    return tags


def _effort(name: object) -> str:
    """The effort in names such as `GPT-5 (2025-08-07) (medium reasoning)` and `Claude 4.5 Opus medium (20251101)`; empty where unsaid."""
    found = re.search(r"(?<!stral )\b(minimal|low|medium|high|xhigh)(?: reasoning\)| \([0-9]{8}\))$", str(name), re.IGNORECASE)
    return found[1].lower() if found else ""


swebench = SOURCE = Source(
    "swebench",
    "https://raw.githubusercontent.com/SWE-bench/swe-bench.github.io/master/data/leaderboards.json",
    parse,
    about=__doc__ or "",
    kind="scores",
)
