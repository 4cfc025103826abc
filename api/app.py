"""The FastAPI application: routes, error answers, the edge, and a lifespan that opens and closes what they use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api import errors
from api.edge import Edge
from api.routes import API_ROUTERS, ROOT_ROUTERS
from api.routing import API_PREFIX
from api.services import ApiServices
from api.settings import ApiSettings
from core.runtime.clock import Clock, Now
from core.runtime.crypto import Keyring
from core.store.migrate import check_schema
from core.store.pool import make_pool

TITLE = "Anxin (安心) API"


def create_app(settings: ApiSettings, *, now: Now | None = None) -> FastAPI:
    """Everything but the listening socket. `now` is the stack's clock; left out, real time.

    The lifespan refuses to start on a database of another schema version (SchemaMismatch).
    """
    app = FastAPI(
        title=TITLE,
        version=version("anxin"),
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,  # both of FastAPI's pages load scripts from a CDN; ours is api/reference.py
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, now or Clock().now),
    )
    errors.install(app)
    for router in (*API_ROUTERS, *ROOT_ROUTERS):
        app.include_router(router)
    app.add_middleware(Edge, body_max_bytes=settings.request_body_max_bytes)
    return app


def _lifespan(settings: ApiSettings, now: Now) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keyring = Keyring.from_settings(settings)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(
                make_pool(
                    settings.database_url.get_secret_value(),
                    name="api",
                    max_size=settings.database_pool_max_connections,
                    timeout_s=settings.database_timeout_seconds,
                )
            )
            async with pool.connection() as conn:
                await check_schema(conn)
            app.state.services = ApiServices(settings, pool, keyring, now)
            yield

    return lifespan
