"""A real API on a loopback port, over a copy of the settled database."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import httpx
import jwt
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from model_assets import database
from model_assets.api.app import create_app
from model_assets.api.server import config
from model_assets.settings import read_settings
from model_assets_tests.conftest import copy_of

SECRET = "a secret of the tests, long enough for HS256"
ISSUER, AUDIENCE = "https://issuer.test", "model-assets"
SETTINGS = {"JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "API_RATE_LIMITS": "off"}


@dataclass
class Api:
    """A running API: where it is, its database (a SQLAlchemy URL), and its app."""

    address: str
    url: str
    app: FastAPI
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def token(self, user: str, tier: str | None = None) -> str:
        """A good token of a user, who gets the tier (null: stays unknown)."""
        if tier is not None:
            with self.connect() as connection:
                connection.execute(
                    "insert into access.profile (user_id, tier) values (%s, %s) on conflict (user_id) do update set tier = excluded.tier",
                    (user, tier),
                )
            self.app.state.parts.profiles.forget(user)
        now = int(time.time())
        said = {"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
        return jwt.encode(said, SECRET, algorithm="HS256")

    def client(self, tier: str | None = None) -> httpx.Client:
        """A client of somebody of a tier; null: without a token. The same one each time."""
        if str(tier) not in self.clients:
            headers = {"Authorization": f"Bearer {self.token(f'a user of {tier}', tier)}"} if tier else {}
            self.clients[str(tier)] = httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False)
        return self.clients[str(tier)]

    def get(self, path: str, tier: str | None = None, /, **parameters: Any) -> Any:
        """The JSON of an answer that has to be 200."""
        answer = self.client(tier).get(path, params=parameters)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:500]}"
        return answer.json()

    def connect(self) -> psycopg.Connection:
        """A connection to its database, as its owner; commits at the end of a `with`."""
        return psycopg.connect(database.plain(self.url))


@contextmanager
def serving(url: str, **environment: str) -> Iterator[Api]:
    """An API over a database, until the end."""
    app = create_app(read_settings({**SETTINGS, **environment}), url)
    app.state.parts.watch.heeds_within = 0.05  # it is waited for at the end of each test
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config(app, "127.0.0.1", 0, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", url, app)
        try:
            deadline = time.monotonic() + 60
            while not server.started:
                assert thread.is_alive(), "the API did not start"
                assert time.monotonic() < deadline, "the API did not start within a minute"
                time.sleep(0.01)
            yield api
        finally:
            for client in api.clients.values():
                client.close()
            server.should_exit = True
            thread.join(60)


@pytest.fixture(scope="session")
def api(server: str, bundled: str) -> Iterator[Api]:
    """An API that tests read from. Who changes what others see takes `own_api`."""
    with copy_of(server, bundled) as url, serving(url) as api:
        yield api


@pytest.fixture
def own_api(server: str, bundled: str) -> Iterator[Api]:
    """An API over a database of this test's own."""
    with copy_of(server, bundled) as url, serving(url) as api:
        yield api


@pytest.fixture
def daemon() -> Iterator[dg.DagsterInstance]:
    """What Dagster remembers of its runs."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def republish(api: Api) -> None:
    """Publish what a test changed, and wait until the API knows of it."""
    from model_assets.settling import publish

    with api.connect() as connection:
        connection.execute("insert into ops.move (relation) values ('a test')")
    publish(api.url)
    with api.connect() as connection:
        version = connection.execute("select version from catalog.published").fetchone()[0]
    deadline = time.monotonic() + 60
    while api.app.state.parts.pages.version != version:
        assert time.monotonic() < deadline, "the API was not told of what is published"
        time.sleep(0.01)
