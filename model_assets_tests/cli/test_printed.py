"""What a person sees and a program reads: tables, JSON, progress, and nothing that could speak to the terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_assets.settings import BUNDLED_RECORDINGS, PROJECT
from model_assets_tests.cli.command_line import one, openrouter, process, write
from model_assets_tests.conftest import Run
from model_assets_tests.terminals import all_sent

# --- json -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "status --json", "verify-db --json", "quarantine --json", "price gpt-4o --json", "price openrouter/auto --json --as-of 2026-05-19",
        "price gpt-4o --claims --json", "resolve gpt-4o --json", "history gpt-4o --json", "disputes --all --json", "held --all --json",
        "cost gpt-4o --input 5 --json", "identity unresolved --json", "identity corrections --json",
        "diff --from 2026-05-18 --to 2026-05-20 --json",
    ],
)  # fmt: skip
def test_json_has_amounts_as_text_and_times_in_utc(words: str, ask: Run) -> None:
    code, out, err = ask(*words.split())
    assert (code, err) == (1 if words.startswith("status") else 0, "")  # the sources are late
    for name, value in fields(json.loads(out)):
        if name.endswith("amount") or name == "ratio":
            assert value is None or re.fullmatch(r"\d+(\.\d+)?", value), (name, value)
        if name.endswith(("_at", "_since", "_from", "_to", "_until")) and name != "refused_since":  # a count
            assert value is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), (name, value)


def fields(found: object) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        for name, value in found.items():
            yield name, value
            if name != "evidence":  # whatever led to a judgement, under names of its own
                yield from fields(value)
    elif isinstance(found, list):
        for value in found:
            yield from fields(value)


def test_an_error_leaves_nothing_on_stdout_with_json_and_without(ask: Run) -> None:
    for options in ([], ["--json"]):
        code, out, err = ask("price", "no-such-model-9", *options)
        assert (code, out, err) == (
            1,
            "",
            "model-assets: 'no-such-model-9' was not resolved: it names neither an author nor a family of models. None comes near.\n",
        )


def test_a_price_is_a_table_with_exact_amounts_and_words_for_what_is_no_amount(ask: Run) -> None:
    code, out, err = ask("price", "openai/gpt-4o-mini:batch", "--claims", "--source", "openrouter")
    assert (code, err) == (0, "")
    assert re.search(r"cache_read\s*│\s*0\.0375 USD\s*│\s*1M tokens", out)
    for model, word in (("openrouter/auto", "dynamic"), ("google/gemma-4-31b-it", "unknown"), ("openai/gpt-oss-20b:free", "free")):
        for options, place in (([], 3), (["--claims"], 5)):
            code, out, err = ask("price", model, *options)
            cells = [line.split("│")[place].strip() for line in out.splitlines() if line.startswith("│")]
            assert word in cells or (options and word == "unknown")
            assert not [cell for cell in cells if cell.startswith("0 ") or cell == "0"]


def test_a_difference_is_two_tables_and_instants_in_the_wrong_order_are_an_error(ask: Run) -> None:
    code, out, err = ask("diff", "--from", "2026-05-18", "--to", "2026-05-20", "--source", "openrouter")
    assert (code, err) == (0, "")
    assert "listings: 3" in out
    assert re.search(r"vanished\s*│ openrouter\s*│ openrouter\s*│ x-ai/grok-4", out)
    assert re.search(r"qwen/qwen3-coder\s*│ output\s*│ 1M tokens\s*│\s*│\s*1\.8\s*│\s*1\.5", out)
    code, out, err = ask("diff", "--from", "2026-05-20", "--to", "2026-05-18")
    assert (code, out) == (1, "")
    assert err == "model-assets: --from 2026-05-20T23:59:59Z is later than --to 2026-05-18T23:59:59Z. Exchange the two.\n"


# --- what a person sees -----------------------------------------------------------------------------------------------------------------


def test_text_of_a_source_cannot_speak_to_the_terminal_nor_break_the_table(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = openrouter(18)
    hostile = "evil/\x1b[31m[/bold][red]:smile:\u202e"
    payload["data"].append({"id": hostile, "name": "x", "pricing": {"prompt": "1", "completion": "1"}})
    payload["data"].append({"id": "lab/[/red][link=x]y", "name": "x", "pricing": {"prompt": "-5", "completion": "1"}})
    assert run("import", write(folder, "openrouter", "2026-05-18T0200Z", payload))[0] == 0
    code, out, err = run("quarantine")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "lab/[/red][link=x]y" in out
    assert any("[red]:smile:" in str(row["original"]) for row in json.loads(run("quarantine", "--json")[1]))
    monkeypatch.setenv("COLUMNS", "300")
    for options, shown in (([], "openrouter:[/red][link=x]y"), (["--claims"], "lab/[/red][link=x]y")):
        code, out, err = run("price", "lab/[/red][link=x]y", *options)
        assert (code, err) == (0, "")
        assert shown in out


def test_quarantine_says_that_it_is_empty_and_keeps_to_its_limit(ask: Run) -> None:
    assert ask("quarantine") == (0, "Nothing is in quarantine.\n", "")
    assert ask("quarantine", "--json", "--limit", "0") == (0, "[]\n", "")


def test_a_reader_that_goes_away_is_no_error_and_nothing_is_said_of_it(settled: str) -> None:
    for words in ("diff --from 2026-05-17 --to 2026-05-20 --json", "diff --from 2026-05-17 --to 2026-05-20", "quarantine"):
        assert into_a_closed_pipe(settled, *words.split()) == (0, b""), words


def test_a_reader_that_goes_away_does_not_hide_a_failure(url: str, folder: Path) -> None:
    wrong = folder / "litellm" / "yesterday.json.gz"
    wrong.write_bytes(b"")
    code, err = into_a_closed_pipe(url, "import", folder / "litellm")
    assert code == 1
    assert err.startswith(f"model-assets: {wrong} is not named like a recording".encode())
    assert one(url, "select count(*) from ops.observation") == 3


def into_a_closed_pipe(url: str, *words: object) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    ended = subprocess.run(command, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url}, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    return ended.returncode, ended.stderr


def test_progress_is_shown_on_a_terminal_only(url: str) -> None:
    on_a_terminal, answered = with_terminal_for_stderr(url, "import", BUNDLED_RECORDINGS / "openrouter", "--json")
    assert b"import" in on_a_terminal
    assert b"/4" in on_a_terminal
    assert len(json.loads(answered)["sources"]) == 1
    assert process(url, "import", BUNDLED_RECORDINGS / "openrouter").stderr == ""


def with_terminal_for_stderr(url: str, *words: object) -> tuple[bytes, bytes]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    environment = {**os.environ, "DATABASE_URL": url, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        assert running.stdout is not None
        answered = running.stdout.read()
        seen = all_sent(ours)
    assert running.returncode == 0
    return seen, answered
