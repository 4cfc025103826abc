"""Connections to the database: one pool a process, every session in UTC, errors told apart by whether to retry."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool

from core.errors import Unavailable

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

# Connection lost, out of resources (disk full among them), shut down, internal trouble, lock or serialisation
# conflict: the same statement may succeed later, so nothing may be rejected for it (design 3).
RETRYABLE_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
_CHECK_WAIT_S = 2.0
_STALE_PLAN = "cached plan must not change result type"  # a migration added a column; gone after the rollback


def is_retryable(error: BaseException) -> bool:
    """Whether the same work may succeed later: the server is away, full or busy, and the data is not at fault."""
    if isinstance(error, Unavailable):
        return True
    if not isinstance(error, psycopg.Error):
        return isinstance(error, OSError)
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if isinstance(error, psycopg.errors.FeatureNotSupported):
        return _STALE_PLAN in str(error)
    return error.sqlstate[:2] in RETRYABLE_CLASSES


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)
    # A statement prepared before a migration adds a column to what it selects fails for as long as its connection
    # lives, and outside a transaction nothing clears it: every console would read errors after an upgrade.
    connection.prepare_threshold = None


def cut(connection: Connection) -> None:
    """End whatever waits for this server now. Cancelling would wait for the server's answer to the cancel."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """What waits for this server longer than `seconds` fails as on a lost connection, and the connection is lost."""
    late = asyncio.get_running_loop().call_later(seconds, cut, connection)
    try:
        yield
    finally:
        late.cancel()


async def _check(connection: Connection) -> None:
    """Before a connection is given out. One that is half-open answers never, and the pool's own limit of time does not
    cover the question: whoever asked would wait for ever, while new connections work."""
    with cut_after(connection, _CHECK_WAIT_S):
        await AsyncConnectionPool.check_connection(connection)


def make_pool(url: str, *, name: str, min_size: int = 1, max_size: int = 8, timeout_s: float = 10) -> Pool:
    """A closed pool; enter it with `async with`. Connections are in autocommit: open a transaction where one is meant.

    `name` shows in pg_stat_activity. Waiting longer than `timeout_s` for a connection raises PoolTimeout.
    """
    return AsyncConnectionPool(
        url,
        connection_class=AsyncConnection,
        kwargs={
            "application_name": f"anxin {name}",
            # The store counts on each statement seeing what was committed before it.
            "options": r"-c timezone=UTC -c default_transaction_isolation=read\ committed",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,  # keepalives say nothing while something sent is unanswered
        },
        min_size=min_size,
        max_size=max_size,
        timeout=timeout_s,
        open=False,
        name=name,
        configure=_configure,
        check=_check,
        reconnect_timeout=0,  # the pool keeps trying through the next request; services decide when to give up
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One connection, one transaction: committed at the end, rolled back by any exception."""
    async with pool.connection() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def transaction_within(pool: Pool, seconds: float) -> AsyncIterator[Connection]:
    """As `transaction`, for work that nobody waits for: after `seconds` it fails in a retryable way.

    A half-open line answers nothing and fails nowhere, so the connection is cut from this side; whether a commit that
    was under way got through is unknown then. The server is told the same limit: it does not see the cut while it
    waits for a lock, and each retry would leave one more session waiting.
    """
    async with pool.connection() as connection:
        with cut_after(connection, seconds):
            async with connection.transaction():
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{seconds * 1000:.0f}",))
                yield connection


async def notify(conn: Connection, channel: str, payload: str = "") -> None:
    """Wake the listeners of `channel` when the transaction commits. Payloads carry ids only."""
    await conn.execute("SELECT pg_notify(%s, %s)", (channel, payload))


async def listen(conn: Connection, *channels: str) -> None:
    for channel in channels:
        await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
