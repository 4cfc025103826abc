"""Keeps a lane's rate limits right: how many workers share the stream, and how long this one was away from it."""

import asyncio
import logging
from datetime import datetime

import psycopg

from core.contract.event_time import micros
from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable
from ingest.lane import Lane
from ingest.metrics import IngestMetrics
from ingest.store import live_workers

log = logging.getLogger(__name__)

_PERIOD_S = 2.0
_WAIT_S = 5.0  # a half-open connection answers nothing and fails nowhere


class Sharing:
    """`dealt_out`: the broker deals a device's messages out among the workers; else each device has one worker, which
    sees all of it. `longest_s`: for so long the broker keeps messages; a longer absence leaves no more of them."""

    def __init__(
        self,
        worker: int,
        lane: Lane,
        pool: Pool,
        metrics: IngestMetrics,
        clock: Clock,
        *,
        dealt_out: bool,
        longest_s: float,
    ) -> None:
        self._worker, self._lane, self._pool, self._longest_s = worker, lane, pool, longest_s
        self._metrics, self._clock, self._dealt_out = metrics, clock, dealt_out
        self._since: datetime | None = None
        self._begun = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. With the database away the last known number stays in use."""
        while not stop.is_set():
            try:
                await self._count()
            except (psycopg.Error, OSError) as error:
                if not is_retryable(error):
                    raise
                log.debug("workers not counted: %s", type(error).__name__, extra={"action": "ingest.not_counted"})
            self._watch()
            self._metrics.flooding.set(self._lane.rates.flooding)
            await wait_or_stop(stop, _PERIOD_S)

    async def _count(self) -> None:
        now = self._clock.now()
        async with asyncio.timeout(_WAIT_S), self._pool.connection() as conn:
            others, last_own = await live_workers(conn, self._worker, now)
        self._lane.rates.share_with(others + 1 if self._dealt_out else 1)
        if not self._begun:
            # What the broker kept for this worker since its last life comes at once.
            self._begun = True
            if last_own is not None:
                self._away(last_own, now)

    def _watch(self) -> None:
        now = self._clock.now()
        if not self._lane.session.connected.is_set() or self._lane.trouble is not None:
            self._since = self._since or now
            self._away(self._since, now)
        else:
            self._since = None

    def _away(self, since: datetime, now: datetime) -> None:
        seconds = min(max(0.0, (now - since).total_seconds()), self._longest_s)
        self._lane.rates.catch_up(micros(now) + round(seconds * 1e6))
