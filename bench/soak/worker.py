"""The process in simulated time that does the work, unchanged project code: told what to do in lines of JSON, it answers each with a line.

python -m bench.soak.worker, with DATABASE_URL; started by the soak only.
"""

import importlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from bench.soak.clock import without_timeouts
from model_assets import loading, recording_files
from model_assets.alerts.books import look_at_books
from model_assets.alerts.channels import Channel
from model_assets.alerts.delivery import deliver
from model_assets.alerts.outbox import clock
from model_assets.attempts import abandon_dead
from model_assets.database import connect
from model_assets.errors import DatabaseDown
from model_assets.fetching.http import Policy
from model_assets.ledger.migrate import migrate
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES, lmarena
from model_assets.sources.base import Source
from model_assets.sources.hugging_face.hub import Hub, collect
from model_assets.sources.hugging_face.payload import Filter
from model_assets.upkeep.purge import purge

PATIENT = Policy(backoff_seconds=0.02, read_timeout=20, body_deadline=30, total_deadline=60, allow_loopback=True)
#: for sources that will not answer: the sooner it is given up the better
IMPATIENT = Policy(attempts=2, backoff_seconds=0.02, read_timeout=0.4, body_deadline=0.5, total_deadline=1, allow_loopback=True)
HANGING_MINUTES = 45


def aimed(name: str, base: str) -> Source:
    """A source that is read from the soak's server; two read files that say where to look."""
    source = SOURCES[name]
    if name == "lmarena":
        return replace(source, url=base, gather=partial(lmarena.collect, folder=base))
    if name == "huggingface":
        return replace(source, url=base, gather=lambda ask, kept: collect(Hub(ask, base, None), [Filter("litert")], kept))
    return source if name in ("curated", "news") else replace(source, url=base)


def sync(url: str, bases: dict[str, str], impatient: list[str], die: list[Any] | None) -> dict[str, list[str]]:
    """Read the sources; returns what went wrong with each. `die` is where this process kills itself meanwhile."""
    if die:
        die_at(*die)
    groups = [(IMPATIENT, [name for name in bases if name in impatient]), (PATIENT, [name for name in bases if name not in impatient])]
    with ThreadPoolExecutor(2) as pool:
        parts = [
            pool.submit(loading.sync, url, [aimed(name, bases[name]) for name in names], policy, lambda _: None)
            for policy, names in groups
            if names
        ]
        return {report.source: report.errors for part in parts for report in part.result()}


def import_folder(url: str, folder: str) -> dict[str, list[str]]:
    """Load the recordings of a folder; returns what went wrong with each source."""
    found = recording_files.find(Path(folder), SOURCES)
    return {report.source: report.errors for report in loading.import_recordings(url, found.recordings, lambda _: None)}


def look(url: str, listener: str) -> list[str | None]:
    """Raise the alerts that are due and send them; returns why a channel was not reached."""
    with connect(url) as connection:
        look_at_books(connection, SOURCES, clock(connection), HANGING_MINUTES)
    return [delivery.error for delivery in deliver(url, [Channel(listener, "ALERT_URLS")], "", 5)]


def die_at(when: str, place: str, nth: int) -> None:
    """Make this process kill itself before or after the nth call of a function, in whichever thread it happens."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    work: Callable[..., object] = getattr(owner, name)
    calls, lock = [0], threading.Lock()

    @wraps(work)
    def deadly(*given: object, **named: object) -> object:
        with lock:
            calls[0] += 1
            mine = calls[0] == nth
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = work(*given, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, deadly)


def sleep(seconds: float) -> None:
    """What `time.sleep` does. That of Python 3.11 waits for an instant of the monotonic clock, which libfaketime takes for an invalid one."""
    select.select([], [], [], max(0.0, seconds))


def main() -> None:
    """Answer until the input ends."""
    time.sleep = sleep  # type: ignore[assignment]
    without_timeouts()
    settings = read_settings()
    url = str(settings.database_url)
    assert make_url(url).host == "127.0.0.1"
    work: dict[str, Callable[..., object]] = {
        "ready": lambda: True,
        "migrate": lambda: migrate(url),
        "sync": partial(sync, url),
        "import": partial(import_folder, url),
        "look": partial(look, url),
        "free stuck": lambda: abandon_dead(url),
        "purge": lambda: purge(url, None, settings).as_dict(),
        "settle": lambda: settle(url, settings.model_policy_file),
    }
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer: dict[str, object] = {"done": work[asked["do"]](**asked["with"])}
        except DatabaseDown as down:
            answer = {"down": str(down)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
