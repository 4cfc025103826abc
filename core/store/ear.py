"""Following a channel of the database: NOTIFY wakes, the caller's own poll guarantees, a lost connection is replaced.

    await follow(pool, "registry_changed", stop, work, away=say_that_it_is_stale)

A LISTEN that is half-open (a lost NAT entry, a dead host) is as silent as a quiet day, and the kernel need not notice:
nothing is sent on it. So a silent ear asks the server now and then, and one that is not answered is cut.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import psycopg

from core.runtime.service import wait_or_stop
from core.store.pool import Connection, Pool, cut_after, is_retryable, listen

RECONNECT_S = 1.0
# How long a silent LISTEN is believed, and how long it may take to answer then.
_ASK_EVERY_S = 5.0
_ANSWER_S = 2.0


class Ear:
    """A connection that listens to one channel; also to read with, by its one task."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._asked = asyncio.get_running_loop().time()

    async def heard(self, seconds: float, payloads: Collection[str] | None = None) -> bool:
        """Wait up to `seconds` for a notice with one of these payloads (None: any); a burst of them is one.

        Raises psycopg.OperationalError when the connection is lost or does not answer any more.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        while (left := due - loop.time()) > 0:
            silence = self._asked + _ASK_EVERY_S - loop.time()
            if silence <= 0:
                await self._ask()
                continue
            notices = self.connection.notifies(timeout=min(left, silence), stop_after=1)
            # To its end, as psycopg hands out a burst whatever `stop_after` says: what is left would be lost.
            told = [notice.payload async for notice in notices]
            if told and (payloads is None or not set(told).isdisjoint(payloads)):
                return True
        return False

    async def _ask(self) -> None:
        with cut_after(self.connection, _ANSWER_S):
            await self.connection.execute("SELECT 1")
        self._asked = asyncio.get_running_loop().time()


async def follow(
    pool: Pool,
    channel: str,
    stop: asyncio.Event,
    work: Callable[[Ear], Awaitable[None]],
    *,
    away: Callable[[BaseException], None],
    pause_s: float = RECONNECT_S,
    lost: type[Exception] | tuple[type[Exception], ...] = (psycopg.Error, OSError),
) -> None:
    """Run `work` with an ear on `channel` until `stop`; again with a new one, after `pause_s`, whenever the database
    is lost: `away` is told then. `work` ends at the stop, and bounds what it asks the database itself.

    Raises what is no fault of the connection: what is not among `lost`, and what would not pass.
    """
    while not stop.is_set():
        try:
            async with pool.connection() as connection:
                try:
                    with cut_after(connection, _ANSWER_S):
                        await listen(connection, channel)
                    await work(Ear(connection))
                finally:
                    # Back in the pool it must not collect notifications for ever.
                    await connection.close()
        except lost as error:
            if not is_retryable(error):
                raise
            away(error)
            await wait_or_stop(stop, pause_s)
