"""The FastAPI application: routes, error answers, the edge, and a lifespan that opens and closes what they use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import psycopg
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from api import errors
from api.alert_view import AlertViews
from api.background import background
from api.document import Application
from api.edge import Edge
from api.emergency.path import EmergencyPath
from api.labels import ElderLabels
from api.live.hub import LiveHub
from api.routes import API_ROUTERS, ROOT_ROUTERS
from api.routing import API_PREFIX
from api.services import ApiServices
from api.settings import ApiSettings
from core.errors import Unavailable
from core.runtime.clock import Clock, Now
from core.runtime.crypto import Keyring
from core.store.migrate import check_schema
from core.store.pool import Pool, make_pool
from registry.elder_search import NameIndex

TITLE = "Anxin (安心) API"
Failed = Callable[[BaseException], None]


def create_app(settings: ApiSettings, *, now: Now | None = None, failed: Failed | None = None) -> FastAPI:
    """Everything but the listening socket. `now` is the stack's clock; left out, real time.

    The lifespan refuses to start on a database of another schema version (SchemaMismatch). `failed` is told when a
    background task ended by itself; the process must end then.
    """
    app = Application(
        title=TITLE,
        version=version("anxin"),
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,  # both of FastAPI's pages load scripts from a CDN; ours is api/reference.py
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, now or Clock().now, failed or _ignore),
    )
    errors.install(app, settings)
    for router in (*API_ROUTERS, *ROOT_ROUTERS):
        app.include_router(router)
    app.add_middleware(Edge, body_max_bytes=settings.request_body_max_bytes)
    return app


def _ignore(error: BaseException) -> None:
    """For documents and tests, which run no process of their own."""


def make_services(settings: ApiSettings, pool: Pool, live_pool: Pool, now: Now) -> ApiServices:
    keyring = Keyring.from_settings(settings)
    views = AlertViews(ElderLabels(keyring))
    hub = LiveHub(live_pool, views, now)
    emergency = EmergencyPath(settings, pool, live_pool, keyring, now, hub)
    hub.provisional_id_of = emergency.provisional_id_of
    return ApiServices(settings, pool, live_pool, keyring, now, views, hub, NameIndex(keyring), emergency)


async def _check_database(pool: Pool) -> None:
    """Raises Unavailable or SchemaMismatch: nothing is served from a database that is away or not ours."""
    try:
        async with pool.connection() as conn:
            await check_schema(conn)
    except (PoolTimeout, psycopg.OperationalError) as error:
        raise Unavailable("The database does not answer. Start it or check ANXIN_DATABASE_URL.") from error


def _make_pool(settings: ApiSettings, name: str, most: int) -> Pool:
    url, timeout_s = settings.database_url.get_secret_value(), settings.database_timeout_seconds
    return make_pool(url, name=name, max_size=most, timeout_s=timeout_s)


def _lifespan(
    settings: ApiSettings, now: Now, failed: Failed
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = _make_pool(settings, "api", settings.database_pool_max_connections)
        live_pool = _make_pool(settings, "api live", settings.live_database_connections)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(pool)
            await stack.enter_async_context(live_pool)
            await _check_database(pool)
            app.state.services = make_services(settings, pool, live_pool, now)
            await stack.enter_async_context(background(app.state.services, failed))
            yield

    return lifespan
