"""The command line: `model-assets`. Exit code 0 only if all of it worked; an error is one line on stderr that says what to do."""

from model_assets.cli import ask, count, decide, load, run, score
from model_assets.cli.base import cli, main

__all__ = ["ask", "cli", "count", "decide", "load", "main", "run", "score"]
