"""Keeps a lane's rate limits right: how many workers share the stream; how long this one was away, `absence` knows."""

import asyncio
import logging

import psycopg

from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable
from ingest.absence import Absence
from ingest.lane import Lane
from ingest.metrics import IngestMetrics
from ingest.store import live_workers

log = logging.getLogger(__name__)

_PERIOD_S = 2.0
_WAIT_S = 5.0  # a half-open connection answers nothing and fails nowhere


class Sharing:
    """`dealt_out`: the broker deals a device's messages out among the workers; else each device has one worker, which
    sees all of it."""

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
        self._worker, self._lane, self._pool = worker, lane, pool
        self._metrics, self._clock, self._dealt_out = metrics, clock, dealt_out
        self._absence = Absence(lane, longest_s=longest_s)
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
            self._absence.look(self._clock.now())
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
                self._absence.began(last_own, now)
