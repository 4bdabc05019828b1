"""Programs of the machine that a schedule is installed with."""

import os
import shutil
import subprocess

from model_assets.errors import ModelAssetsError


def run(*command: str, given: bytes = b"", missing: str = "") -> subprocess.CompletedProcess[bytes]:
    """What a program did with `given` as its input, its words in English. Raises ModelAssetsError, ending in `missing`, where there is none."""
    found = shutil.which(command[0])
    if found is None:
        raise ModelAssetsError(f"there is no program `{command[0]}` here. {missing}")
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run([found, *command[1:]], input=given, capture_output=True, check=False, env=environment)  # noqa: S603


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a program complained of, in one line."""
    return " ".join(done.stderr.decode(errors="replace").split())[:300] or f"exit code {done.returncode}, and not a word"
