"""The FastAPI application: routes, error answers, the edge, and a lifespan that opens and closes what they use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api import errors
from api.alert_view import AlertViews
from api.background import background
from api.edge import Edge
from api.labels import ElderLabels
from api.live.hub import LiveHub
from api.routes import API_ROUTERS, ROOT_ROUTERS
from api.routing import API_PREFIX
from api.services import ApiServices
from api.settings import ApiSettings
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
    app = FastAPI(
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


def make_services(settings: ApiSettings, pool: Pool, now: Now) -> ApiServices:
    keyring = Keyring.from_settings(settings)
    views = AlertViews(ElderLabels(keyring))
    return ApiServices(settings, pool, keyring, now, views, LiveHub(pool, views, now), NameIndex(keyring))


def _lifespan(
    settings: ApiSettings, now: Now, failed: Failed
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = make_pool(
            settings.database_url.get_secret_value(),
            name="api",
            max_size=settings.database_pool_max_connections,
            timeout_s=settings.database_timeout_seconds,
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(pool)
            async with pool.connection() as conn:
                await check_schema(conn)
            app.state.services = make_services(settings, pool, now)
            await stack.enter_async_context(background(app.state.services, failed))
            yield

    return lifespan
