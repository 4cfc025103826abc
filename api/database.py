"""One request, one transaction: opened with the first use of `Db`, committed after the handler and before the answer.

`scope="function"` is what puts the commit before the answer is sent: with FastAPI's default a client could read
"done" for work that the commit then refuses.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from api.services import ApiServices, Services
from core.runtime.patience import at_most
from core.store.pool import Connection

_AWAY_S = 1.0


@asynccontextmanager
async def request_work(services: ApiServices) -> AsyncIterator[Connection]:
    """One connection, one transaction. Raises TimeoutError (503) when the database does not answer: a frozen server
    or a half-open line fails no query, so the pool's own limit never ends the check of a connection."""
    patience = _AWAY_S if services.emergency.degraded else services.settings.database_timeout_seconds
    conn = await at_most(patience, services.pool.getconn())
    try:
        async with conn.transaction():
            yield conn
    finally:
        await services.pool.putconn(conn)


async def request_transaction(services: Services) -> AsyncIterator[Connection]:
    async with request_work(services) as conn:
        yield conn


Db = Annotated[Connection, Depends(request_transaction, scope="function")]
