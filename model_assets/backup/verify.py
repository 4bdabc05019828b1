"""Proving a backup: it is really restored, compared with its manifest table by table, and its ledger's claims are checked."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from model_assets import embedded
from model_assets.backup import server
from model_assets.backup.manifest import Manifest, whole
from model_assets.backup.restore import Proved, check_fits, load
from model_assets.settings import Settings


def verify(dump: Path, scratch_url: str, tell: Callable[[str], None] = lambda _: None) -> tuple[Manifest, Proved]:
    """Restore a backup into databases of its own on the server of `scratch_url`, and say what was found there.

    They are dropped at the end, whatever happened. Raises ModelAssetsError where the files are damaged or cannot be restored.
    """
    manifest = whole(dump)
    with server.administration(scratch_url) as admin:
        check_fits(manifest, server.major(admin))
    with ExitStack() as stack:
        fresh = {part: stack.enter_context(server.fresh_database(scratch_url, "verifying")) for part in manifest.parts}
        return manifest, load(dump, manifest, {part: one.url for part, one in fresh.items()}, tell)


@contextmanager
def scratch_server(settings: Settings, given: str | None) -> Iterator[str]:
    """A server to restore on: the given one, or the embedded one, so that a server that others use has no work with it.

    An embedded server that nothing else needs (DATABASE_URL names another) is stopped at the end.
    """
    if given:
        yield given
        return
    home = settings.model_assets_home
    running = embedded.running(home) is not None
    url = embedded.ensure_running(home).url()
    with open(os.open(home / ".verify", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time: the first to end may stop the server
        try:
            yield embedded.ensure_running(home).url() if settings.database_url else url
        finally:
            if settings.database_url and not running:
                embedded.stop(home)
