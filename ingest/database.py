"""The one database connection of a lane: opened on demand, thrown away when it broke."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from core.store.migrate import check_schema
from core.store.pool import Connection, cut
from ingest import store

_CONNECT_TIMEOUT_S = 5
# A worker that is stopped (SIGSTOP) or unplugged within a transaction holds keys that the others wait for: the
# server ends its transaction then, and the others go on. Nothing was acknowledged, so nothing is lost.
_IDLE_IN_TRANSACTION_MS = {True: 1000, False: 10_000}
# We cut a transaction that takes too long ourselves, unless we are frozen: then the server does, so much later.
_OVER_TIME_S = 1.0


class LaneDatabase:
    """Of its own, so that no other lane's work is ever before it in a queue. `emergency` sets stricter limits."""

    def __init__(self, url: str, *, name: str, emergency: bool) -> None:
        self._url = url
        self._name = name
        self._emergency = emergency
        self._idle_ms = _IDLE_IN_TRANSACTION_MS[emergency]
        self._connection: Connection | None = None
        self._fresh: Connection | None = None  # opened and not looked at yet

    @asynccontextmanager
    async def transaction(self, *, within_s: float = 30) -> AsyncIterator[Connection]:
        """`lend` with a transaction around it: commits at the end, any exception rolls back."""
        async with self.lend(within_s=within_s) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def lend(self, *, within_s: float = 30) -> AsyncIterator[Connection]:
        """The connection, for one transaction of the caller's. Any exception closes it if it may be broken.

        After `within_s` from the beginning it fails as a database that is away does, also when the other end has
        fallen silent. Raises SchemaMismatch when the database that answers is of another version than this program.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        connection = await self._open(within_s)
        late = loop.call_at(until, cut, connection)
        try:
            await self._prepare(connection)
            yield connection
        except BaseException:
            if connection.broken or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                await self.close()
            raise
        finally:
            late.cancel()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()

    async def _open(self, within_s: float) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        async with asyncio.timeout(within_s):
            connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name=f"anxin {self._name}",
                connect_timeout=_CONNECT_TIMEOUT_S,
                options=" ".join(f"-c {name}={value}" for name, value in self._limits(within_s).items()),
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=10_000,
            )
        self._connection = self._fresh = connection
        return connection

    def _limits(self, within_s: float) -> dict[str, str | int]:
        """What the server holds us to. A worker frozen between sending and asking for the answers is not idle for it,
        and only the limit on the whole transaction takes its locks from it."""
        return {
            "timezone": "UTC",
            "default_transaction_isolation": r"read\ committed",
            "idle_in_transaction_session_timeout": self._idle_ms,
            "transaction_timeout": round((within_s + _OVER_TIME_S) * 1000),
        }

    async def _prepare(self, connection: Connection) -> None:
        """Once a connection. It may be another database than before: restored, or upgraded while it was away."""
        if self._fresh is not connection:
            return
        try:
            await check_schema(connection)
            if not self._emergency:
                await store.stage(connection)
        except BaseException:
            await self.close()
            raise
        self._fresh = None
