"""A machine to deploy to: programs that are really run, and stand-ins for those that would change the machine the tests run on."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from model_assets.settings import BUNDLED_RECORDINGS, PROJECT
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.shared_data import body

#: the command line as it is, but its sources are on loopback, and those that are not given do not exist
COMMAND_LINE = """\
import dataclasses, functools, json, pathlib, sys
sys.path.insert(0, {project!r})
from model_assets import cli
from model_assets.fetching import patience
from model_assets.sources import SOURCES
served = json.loads(pathlib.Path({served!r}).read_text())
for name in list(SOURCES):
    if name in served:
        SOURCES[name] = dataclasses.replace(SOURCES[name], url=served[name])
    else:
        del SOURCES[name]
patience.fetch_policy = functools.partial(patience.fetch_policy, allow_loopback=True)
words = sys.argv[1:]
cli.main(words[2:] if words[:2] == ["-m", "model_assets"] else words)
"""

#: a crontab program that keeps the crontab in a file, and refuses what the real one refuses: a line that is none
CRONTAB = """\
kept={kept}
case "$1" in
-l) if [ -e "$kept" ]; then cat "$kept"; else echo "no crontab for somebody" >&2; exit 1; fi ;;
-)  cat > "$kept.new"
    if grep -q '^refuse me' "$kept.new"; then echo '"-":1: bad minute' >&2; exit 1; fi
    mv "$kept.new" "$kept" ;;
*)  exit 2 ;;
esac
"""

#: a systemctl that says whether systemd runs, and notes what it is told
SYSTEMCTL = """\
echo "$@" >> {noted}
case "$*" in
*is-system-running) echo {state}; [ {state} = running ] ;;
*enable*) {enable} ;;
esac
"""


def program(path: Path, content: str) -> Path:
    """An executable file; a shell script unless it says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if content.startswith("#!") else f"#!/bin/sh\n{content}")
    path.chmod(0o755)
    return path


def recorded(source: str, day: int = 18) -> bytes:
    """An HTTP answer with a bundled recording."""
    return answer(200, body(BUNDLED_RECORDINGS / source / f"2026-05-{day}T0200Z.json.gz"), "Content-Type: application/json")


@contextmanager
def command_line(folder: Path, answers: Mapping[str, bytes]) -> Iterator[Path]:
    """The command `model-assets` (which also takes what follows `python`), its sources answering on loopback with `answers`."""
    with ExitStack() as servers:
        served = {name: servers.enter_context(serving(given)).url() for name, given in answers.items()}
        (folder / "served.json").write_text(json.dumps(served))
        main = folder / "main.py"
        main.write_text(COMMAND_LINE.format(project=str(PROJECT), served=str(folder / "served.json")))
        yield program(folder / "bin" / "model-assets", f'exec {sys.executable} {main} "$@"\n')
