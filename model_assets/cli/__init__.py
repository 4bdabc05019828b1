"""The command line: `model-assets`. Exit code 0 only if all of it worked; an error is one line on stderr that says what to do."""

from model_assets.cli import access, alerts, ask, backup, count, decide, load, mentions, rank, run, schedule, score, upkeep
from model_assets.cli.base import cli, main

__all__ = [
    "access",
    "alerts",
    "ask",
    "backup",
    "cli",
    "count",
    "decide",
    "load",
    "main",
    "mentions",
    "rank",
    "run",
    "schedule",
    "score",
    "upkeep",
]
