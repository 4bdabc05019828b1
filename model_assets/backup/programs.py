"""pg_dump and pg_restore: which ones, how they log in without showing a password, and what their errors mean."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from model_assets import embedded_binaries
from model_assets.database import plain
from model_assets.errors import ModelAssetsError, SettingsError


@dataclass(frozen=True)
class Program:
    """A client program of Postgres, and its major version."""

    path: Path
    major: int


def find(name: str, at_least: int) -> Program:
    """The program on the PATH or, if that is older than `at_least`, the one that comes with the embedded server.

    Raises SettingsError where neither is new enough: an older one refuses a newer server, or cannot read a newer one's dump.
    """
    found = []
    for path in (shutil.which(name), _embedded(name)):
        if path and (major := _major(Path(path))):
            if major >= at_least:
                return Program(Path(path), major)
            found.append(f"{path} is {major}")
    raise SettingsError(
        f"{name} of Postgres {at_least} or newer is needed here; {' and '.join(found) or 'there is none'}."
        f" Install the client programs of Postgres {at_least} and put them on the PATH."
    )


def _embedded(name: str) -> str | None:
    with suppress(SettingsError):  # the package may be left out where DATABASE_URL names the server
        return shutil.which(str(embedded_binaries.programs() / name))
    return None


def _major(path: Path) -> int | None:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"\d+", said)
    return int(version[0]) if version else None


def start(program: Program, arguments: Sequence[str], url: str) -> subprocess.Popen[str]:
    """Start a program on the database of `url`. The password is in its environment, where only its own user can read it."""
    login = conninfo_to_dict(plain(url))
    password = login.pop("password", None)
    environment = {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": str(password)} if password else {})
    command = [str(program.path), "--no-password", "--dbname", make_conninfo("", **login), *arguments]
    return subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )


def said_by(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, stderr) at the end of a program; it is killed where this process is interrupted meanwhile."""
    try:
        _, said = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process.returncode, said


def failed(what: str, said: str, remedy: str) -> ModelAssetsError:
    """The error of a program that failed, in one line."""
    words = " ".join(said.split())[:400] or "it said nothing"
    hint = " It has no TLS: install the client programs of your server's Postgres." if "SSL support is not compiled in" in said else ""
    return ModelAssetsError(f"{what} failed ({words}).{hint} {remedy}")
