"""The process that serves the API: uvicorn, with bounds on connections, and with several workers where they are asked for."""

import gc
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from model_assets.api.connections import BoundedProtocol
from model_assets.database import ledger_url
from model_assets.settings import Settings, read_settings

KEEP_ALIVE = 15  # seconds that a connection may be idle between two requests
GOODBYE = 5  # seconds that requests under way have when the process is asked to end; a supervisor waits for ten
LOG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"model_assets": {"level": "INFO"}, "uvicorn.error": {"level": "WARNING"}},
}


def app() -> FastAPI:
    """The application of a worker, by the environment."""
    from model_assets.api.app import create_app

    settings = read_settings()
    made = create_app(settings, ledger_url(settings))
    # what is there from the start stays: looking it over for garbage would hold up every request under way for 70 ms, again and again
    gc.collect()
    gc.freeze()
    return made


def config(application: FastAPI | str, host: str, port: int, workers: int = 1, **more: Any) -> uvicorn.Config:
    """How uvicorn serves it. Whose X-Forwarded-For counts is for limits.py to say; the access log is middleware.py's, which shows no secret."""
    return uvicorn.Config(
        application, host=host, port=port, workers=workers, factory=isinstance(application, str), http=BoundedProtocol, ws="none", lifespan="on",
        proxy_headers=False, server_header=False, access_log=False, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GOODBYE,
        **{"log_config": LOG, **more},
    )  # fmt: skip


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a signal ends it."""
    _many_connections()
    wanted = config("model_assets.api.server:app", host, port, workers)
    with _counted_together(workers > 1 or settings.api_metrics_port is not None), suppress(KeyboardInterrupt):
        if settings.api_metrics_port is not None:
            _serve_metrics(settings, host, settings.api_metrics_port)
        if workers == 1:
            uvicorn.Server(wanted).run()
        else:
            Multiprocess(wanted, sockets=[wanted.bind_socket()]).run()


def _many_connections() -> None:
    """As many open files as this user may have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _counted_together(several: bool) -> Iterator[None]:
    """Several processes count into files of one folder, so that whichever is asked can say what all of them did."""
    if not several:
        yield
        return
    folder = tempfile.mkdtemp(prefix="model-assets-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by prometheus_client when it is imported, here and in workers
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve_metrics(settings: Settings, host: str, port: int) -> None:
    """The metrics of all workers, on a port that only who collects them needs to reach. Nothing else is served there."""
    from prometheus_client import start_http_server

    from model_assets.api.database import Database
    from model_assets.api.figures import Figures
    from model_assets.api.metrics import Metrics
    from model_assets.sources import SOURCES

    database = Database(ledger_url(settings), readers=1)
    start_http_server(port, host, Metrics([Figures(database.json, frozenset(SOURCES))]).registry)
