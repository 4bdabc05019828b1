"""The application: routes, what stands around them, and the parts that requests share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Depends, FastAPI

from model_assets.api import openapi
from model_assets.api.admin import AdminArea
from model_assets.api.arriving import Arriving
from model_assets.api.database import Database
from model_assets.api.errors import add_handlers
from model_assets.api.fallback import Fallback
from model_assets.api.figures import Figures
from model_assets.api.front import Front
from model_assets.api.limits import Limits
from model_assets.api.metrics import Metrics
from model_assets.api.middleware import Around
from model_assets.api.pages import Pages
from model_assets.api.parameters import known_parameters
from model_assets.api.profiles import Profiles
from model_assets.api.ready import Readiness
from model_assets.api.routes import ROUTERS, health
from model_assets.api.tokens import Verifier
from model_assets.api.views import Views
from model_assets.api.warm import warm
from model_assets.api.watch import Watch
from model_assets.settings import Settings
from model_assets.sources import SOURCES


@dataclass
class Parts:
    """What requests share, as `request.app.state.parts`."""

    settings: Settings
    database: Database
    pages: Pages
    verifier: Verifier
    profiles: Profiles
    limits: Limits
    watch: Watch
    readiness: Readiness
    metrics: Metrics
    views: Views
    fallback: Fallback


def create_app(settings: Settings, url: str) -> FastAPI:
    """The API over the ledger at `url`. Connects to nothing before it is started, and starts without a database too."""
    database, pages = Database(url), Pages()
    profiles = Profiles(database.reading)
    metrics = Metrics([Figures(database.json, frozenset(SOURCES))])
    parts = Parts(
        settings, database, pages, Verifier(settings), profiles, Limits(settings), Watch(url, pages, profiles.forget),
        Readiness(settings, database), metrics, Views(lambda: database.writing("views")), Fallback(settings.openrouter_models_list),
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        parts.watch.warm = lambda addresses: asyncio.run_coroutine_threadsafe(warm(app, addresses), loop)
        parts.watch.start()
        parts.views.start()
        yield
        parts.watch.end()
        await asyncio.to_thread(parts.views.end)
        await asyncio.to_thread(parts.watch.join, 2.0)
        database.close()

    app = FastAPI(lifespan=lifespan, **openapi.ABOUT)
    app.state.parts = parts
    for router in ROUTERS:
        # what restarts, watches and measures may add parameters of its own
        app.include_router(router, dependencies=[Depends(known_parameters)] if router is not health.router else [])
    app.router.routes.append(AdminArea(app.router.routes))  # the last one
    metrics.know(route for router in ROUTERS for route in router.routes)
    add_handlers(app)
    app.add_middleware(Front, pages=pages, profiles=profiles, arriving=Arriving(parts.limits.address), viewed=parts.views.count)
    app.add_middleware(Around, observe=metrics.observe)
    openapi.describe(app)
    return app
