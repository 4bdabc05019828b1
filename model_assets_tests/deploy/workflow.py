"""Runs a GitHub workflow's steps in order, as GitHub does, on this machine: `run` by bash, expressions as far as our file has them."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]  # what `shell: bash` means


@dataclass
class Job:
    """How a job went: "success" or "failure", the names of the steps that were run, and all they said."""

    result: str = "success"
    ran: list[str] = field(default_factory=list)
    said: str = ""


def load(path: Path) -> dict[str, Any]:
    """A workflow; YAML 1.1 reads its `on` as true."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}


def run(
    workflow: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str], folder: Path
) -> dict[str, Job]:
    """Every job of a workflow, in order. `contexts`: github, secrets, vars, inputs."""
    done: dict[str, Job] = {}
    for name, job in workflow["jobs"].items():
        needed = job.get("needs")
        before = {**contexts, "needs": {one: {"result": done[one].result} for one in ([needed] if needed else [])}}
        if needed and done[needed].result != "success" and job.get("if") != "always()":
            continue
        done[name] = _job(job, before, {**environment, **_filled(workflow.get("env", {}), before)}, folder)
    return done


def _job(job: Mapping[str, Any], contexts: Mapping[str, Any], environment: Mapping[str, str], folder: Path) -> Job:
    found = Job()
    for step in job["steps"]:
        if "run" not in step or not _is_due(step.get("if", "success()"), found.result, contexts):
            continue
        own = {**environment, **_filled(step.get("env", {}), contexts), "GITHUB_STEP_SUMMARY": os.devnull}
        assert "${{" not in step["run"], "an expression in a script is a way to inject commands"
        done = subprocess.run(
            [*SHELL, step["run"]], env=own, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
        )
        found.ran.append(step["name"])
        found.said += done.stdout
        if done.returncode:
            found.result = "failure"
    return found


def _is_due(condition: str, result: str, contexts: Mapping[str, Any]) -> bool:
    return all(_holds(part.strip(), result, contexts) for part in condition.split("&&"))


def _holds(part: str, result: str, contexts: Mapping[str, Any]) -> bool:
    if part in ("always()", "success()", "failure()"):
        return part == "always()" or part == f"{result}()"
    left, _, right = part.partition(" == ")
    return bool(_value(left, contexts) == _value(right, contexts))


def _filled(given: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
    return {name: re.sub(r"\$\{\{(.*?)\}\}", lambda found: _text(found[1], contexts), str(value)) for name, value in given.items()}


def _text(expression: str, contexts: Mapping[str, Any]) -> str:
    for part in expression.split("||"):
        if (value := _value(part, contexts)) not in ("", None, False):
            return str(value).lower() if value is True else str(value)
    return ""


def _value(word: str, contexts: Mapping[str, Any]) -> Any:
    """A literal, or a value of a context; what is not there is empty, as it is to GitHub."""
    word = word.strip()
    if word.startswith("'"):
        return word.strip("'")
    found: Any = contexts
    for name in word.split("."):
        found = found.get(name, "") if isinstance(found, Mapping) else ""
    return found
