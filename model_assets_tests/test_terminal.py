"""What tables look like to a person, on terminals of any width."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from model_assets_tests.terminals import all_sent

PROJECT = Path(__file__).resolve().parents[1]
OFFER = "openai:openai/gpt-4o@2024-11-20"
ROWS = """
from model_assets.terminal import print_rows
columns = ("offer", "meter", "price", "per", "condition", "source", "rule", "seen_since", "age", "id")
row = ("openai:openai/gpt-4o@2024-11-20", "cache_read", "1.25 USD", "1M tokens", None, "genai_prices", "the only claim",
       "2026-05-18T02:00:00Z", "187 days", "e4dd56d9\\x1b[2J")
print_rows([dict(zip(columns, row))], columns, "prices")
"""


def shown(width: int) -> str:
    """What a terminal of that width is sent."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(width), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "-c", ROWS], env=environment, stdout=theirs) as running:
        os.close(theirs)
        seen = all_sent(ours)
    assert running.returncode == 0
    return seen.decode().replace("\r\n", "\n")


def test_a_narrow_terminal_gets_paragraphs_that_can_be_read_and_copied() -> None:
    lines = shown(80).splitlines()
    assert lines[0] == "prices"
    assert lines[1].startswith(f"- offer {OFFER}, meter cache_read, price 1.25 USD")
    assert r"id e4dd56d9\x1b[2J" in lines[-1], "what a terminal would obey is shown"
    assert max(map(len, lines)) <= 80
    assert "condition" not in " ".join(lines), "what is null is left out"


@pytest.mark.parametrize("width", [120, 200])
def test_a_wide_terminal_gets_a_table(width: int) -> None:
    lines = shown(width).splitlines()
    assert max(map(len, lines[3:])) <= width
    assert "│" in lines[-2]
    assert "prices" in lines[0]
