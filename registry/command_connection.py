"""The database as a command sees it: one connection, one transaction, a sentence when the server is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from core.errors import Unavailable
from core.runtime.settings import DatabaseSettings
from core.store.migrate import check_schema
from core.store.pool import Connection


@asynccontextmanager
async def command_connection(name: str) -> AsyncIterator[Connection]:
    """A connection inside a transaction, committed at the end of the block, to a database of this program's schema.

    Raises ConfigurationError, Unavailable, SchemaMismatch: each of them is one sentence for whoever typed the command.
    """
    url = DatabaseSettings.load().database_url.get_secret_value()
    try:
        conn = await AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name=f"anxin {name}", options="-c timezone=UTC"
        )
    except psycopg.OperationalError as error:
        raise Unavailable(
            "The database does not answer. Start it (anxin stack start) or check ANXIN_DATABASE_URL."
        ) from error
    async with conn:
        await check_schema(conn)
        async with conn.transaction():
            yield conn
