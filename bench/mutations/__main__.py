"""Take each guard away, and see its test fail.

    python -m bench.mutations [--jobs N] [WORD ...]

Every named test must pass as things are; then, for each guard, the project is copied, the guard is taken out of the copy, and its test is run
there. A guard is killed where the test fails, and survives where it passes. WORDs choose the guards whose words or file hold one of them. Ends
with 1 where less than 90 % are killed, or a test does not pass as things are. Without MODEL_ASSETS_TEST_SERVER it starts a Postgres of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from bench.mutations import PROJECT, Guard, guards
from model_assets import embedded

GOAL = 0.9
PASSED, FAILED = 0, 1  # of pytest; anything else means that it could not say
PARTS = ("model_assets", "model_assets_tests", "dbt_like_sql", "bench", "deploy", "docs", "pyproject.toml", "setup.cfg", "workspace.yaml")


def main(arguments: Sequence[str]) -> int:
    """Print what became of each guard, and the share that was killed. Returns the exit code."""
    parser = ArgumentParser(prog="python -m bench.mutations", description="Take each guard away, and see its test fail.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: as many as there are cores)")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only the guards whose words or file hold one of these")
    asked = parser.parse_args(arguments)
    chosen = [one for one in guards() if not asked.words or any(word in f"{one.guard} {one.file}" for word in asked.words)]
    with server(), tempfile.TemporaryDirectory(prefix="model-assets-mutations-") as folder:
        Path(folder).chmod(0o755)  # as root the tests' servers run as another user, who must be able to enter
        copies = [copy(Path(folder) / f"copy{number}") for number in range(asked.jobs)]
        if broken := unmutated(copies[0], chosen):
            print(f"as things are, these tests do not pass, so they prove nothing:\n{broken}")
            return 1
        outcomes = try_all(chosen, copies)
    killed = outcomes.count("killed")
    print(f"{killed} of {len(chosen)} guards are killed by their test: {killed / max(len(chosen), 1):.1%} (goal {GOAL:.0%})")
    return int(killed < GOAL * len(chosen) or not chosen)


@contextmanager
def server() -> Iterator[None]:
    """A Postgres that all tests share."""
    if "MODEL_ASSETS_TEST_SERVER" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="model-assets-mutations-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        os.environ["MODEL_ASSETS_TEST_SERVER"] = embedded.ensure_running(home).url("DATABASE").replace("/DATABASE", "/{name}")
        try:
            yield
        finally:
            embedded.stop(home)


def copy(folder: Path) -> Path:
    """A copy of the project, without what is made by running it."""
    folder.mkdir(mode=0o755)
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def unmutated(folder: Path, chosen: Sequence[Guard]) -> str:
    """What pytest says of the named tests where nothing was taken away; empty where all pass."""
    done = run(folder, sorted({one.node for one in chosen}), "--tb=no")
    return "" if done.returncode == PASSED else done.stdout[-3000:]


def try_all(chosen: Sequence[Guard], copies: Sequence[Path]) -> list[str]:
    """What became of each guard, printed as it is known."""
    free: SimpleQueue[Path] = SimpleQueue()
    for folder in copies:
        free.put(folder)

    def one(guard: Guard) -> str:
        folder = free.get()
        try:
            outcome = without(guard, folder)
        finally:
            free.put(folder)
        print(f"{outcome:8} {guard.file}: {guard.guard}", flush=True)
        return outcome

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(one, chosen))


def without(guard: Guard, folder: Path) -> str:
    """What becomes of a guard's test in a copy of the project without the guard: killed, survived, or unclear."""
    path = folder / guard.path
    original = path.read_text(encoding="utf-8")
    assert original.count(guard.text) == 1, guard
    path.write_text(original.replace(guard.text, guard.mutant), encoding="utf-8")
    try:
        code = run(folder, [guard.node], "-x").returncode
    finally:
        path.write_text(original, encoding="utf-8")
    return {PASSED: "survived", FAILED: "killed"}.get(code, "unclear")


def run(folder: Path, nodes: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run tests in a copy of the project."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=180", *options, *nodes]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
