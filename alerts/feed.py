"""The alert events of the whole platform, in order and without a gap, for one process and any number of readers.

NOTIFY wakes, polling guarantees: a lost wake-up costs at most `poll_s`. Numbers are given out under the counter's lock
until the commit (docs/adr/0005-alert-sequence.md), so whoever sees n can see everything before n.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

import psycopg
from psycopg_pool import PoolTimeout

from alerts.store import FeedEvent, events_after, highest_seq
from core.errors import AnxinError
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable, listen

log = logging.getLogger(__name__)

QUEUE_EVENTS = 1000
_READ_EVENTS = 500
_READ_TIMEOUT_S = 5.0  # a half-open connection answers nothing and fails nowhere
_RETRY_S = 0.5
# The pool tries to connect once a request: asking often is what finds the database soon after it is back.
_CONNECTION_WAIT_S = 2.0


class FeedReset(AnxinError):
    """The numbers of alert events went backwards: this is another database, or an older copy. Start again."""


class AlertFeed:
    """Run `run(stop)` once a process; read with `subscribe`. Lives through restarts of the database."""

    def __init__(self, pool: Pool, poll_s: float = 1.0) -> None:
        self._pool = pool
        self._poll_s = poll_s
        self._readers: set[_Reader] = set()
        self._position: int | None = None
        self._started = asyncio.Event()
        self._failure: BaseException | None = None
        self.connected = False
        self.answered_at: float | None = None
        """When the database last answered, by the event loop's clock; None before the first time."""

    @property
    def position(self) -> int | None:
        """The number of the newest event read; None before the database answered for the first time."""
        return self._position

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the table until `stop`. Raises FeedReset, and whatever is no fault of the connection; so does every
        reader then, because a feed that stands still looks like a quiet day."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except Exception as error:
                if not _passing(error):
                    self._fail(error)
                    raise
                log.warning("alert feed lost the database", extra={"action": "feed.lost", "error": repr(error)})
                await wait_or_stop(stop, _RETRY_S)
            finally:
                self.connected = False

    async def subscribe(self, after: int | None = None) -> AsyncGenerator[FeedEvent]:
        """Every event with a number above `after` (None: above the newest now), each once, in order.

        A reader that falls more than 1,000 events behind reads on from the table instead: nothing is dropped, and no
        reader holds up another. While the database is away it waits.
        """
        reader = _Reader()
        self._readers.add(reader)
        try:
            await self._started.wait()
            if self._failure is not None:
                raise self._failure
            assert self._position is not None
            last = self._position if after is None else after
            reader.behind = last < self._position
            while True:
                if self._failure is not None:
                    raise self._failure
                if reader.behind:
                    async for event in self._catch_up(reader, last):
                        last = event.seq
                        yield event
                elif reader.queue:
                    event = reader.queue.popleft()
                    if event.seq > last:
                        last = _next(last, event)
                        yield event
                else:
                    await reader.wait()
        finally:
            self._readers.discard(reader)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._started.set()
        for reader in self._readers:
            reader.wake()

    async def _follow(self, stop: asyncio.Event) -> None:
        async with self._pool.connection(timeout=_CONNECTION_WAIT_S) as conn:
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    await listen(conn, "alert_event")
                    newest = await highest_seq(conn)
                await self._begin(newest)
                self.connected = True
                while not stop.is_set():
                    while await self._read(conn):
                        pass
                    async for _ in conn.notifies(timeout=self._poll_s, stop_after=1):
                        pass
            finally:
                # Back in the pool it must not collect notifications for ever.
                await conn.close()

    async def _begin(self, newest: int) -> None:
        if self._position is None:
            self._position = newest
        if newest < self._position:
            raise FeedReset
        self._started.set()

    async def _read(self, conn: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
        """Hand on what is new; True while there may be more."""
        assert self._position is not None
        async with asyncio.timeout(_READ_TIMEOUT_S):
            events = await events_after(conn, self._position, _READ_EVENTS)
            if not events and await highest_seq(conn) < self._position:
                raise FeedReset
        self.answered_at = asyncio.get_running_loop().time()
        for event in events:
            self._position = _next(self._position, event)
            for reader in self._readers:
                reader.offer(event)
        return len(events) == _READ_EVENTS

    async def _catch_up(self, reader: "_Reader", last: int) -> AsyncIterator[FeedEvent]:
        """Read from the table up to where the queue begins again."""
        while reader.behind:
            # Before reading: what is committed from now on is offered to the queue, overlapping with the last read.
            reader.resume()
            position = self._position
            while True:
                events = await self._events_after(last)
                for event in events:
                    last = _next(last, event)
                    yield event
                if position is None or last >= position:
                    break
                if not events:
                    raise FeedReset(f"Alert events {last + 1} to {position} are gone.")

    async def _events_after(self, seq: int) -> list[FeedEvent]:
        while True:
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S), self._pool.connection() as conn:
                    events = await events_after(conn, seq, _READ_EVENTS)
                    if not events and await highest_seq(conn) < seq:
                        raise FeedReset
                    return events
            except (psycopg.Error, PoolTimeout, OSError) as error:
                if not _passing(error):
                    raise
            await asyncio.sleep(_RETRY_S)


class _Reader:
    """A bounded queue. When it is full it is emptied and the reader is behind: it goes on from the table."""

    def __init__(self) -> None:
        self.queue: deque[FeedEvent] = deque()
        self.behind = False
        self._news = asyncio.Event()

    def offer(self, event: FeedEvent) -> None:
        if self.behind:
            return
        if len(self.queue) >= QUEUE_EVENTS:
            self.queue.clear()
            self.behind = True
        else:
            self.queue.append(event)
        self._news.set()

    def resume(self) -> None:
        self.behind = False

    def wake(self) -> None:
        self._news.set()

    async def wait(self) -> None:
        self._news.clear()
        await self._news.wait()


def _next(last: int, event: FeedEvent) -> int:
    """A gap cannot be: better stop and start anew than show a world in which something never happened."""
    if event.seq != last + 1:
        raise FeedReset(f"Alert event {last + 1} is missing before {event.seq}.")
    return event.seq


def _passing(error: BaseException) -> bool:
    """The server is away or slow: the same read may succeed later."""
    return isinstance(error, PoolTimeout | TimeoutError) or is_retryable(error)
