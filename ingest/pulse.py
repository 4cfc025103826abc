"""The worker's sign of life, once a second while it is healthy, with the watermark silence is judged by."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable, transaction
from ingest.broker_watch import BrokerWatch
from ingest.drain import Drainer
from ingest.lane import Lane
from ingest.metrics import IngestMetrics
from ingest.spool import Numbers, Spool
from ingest.store import write_pulse

log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_LAST_S = 1.0
_WRITE_S = 5.0  # a half-open connection answers nothing and fails nowhere


def problem_of(lane: Lane) -> str | None:
    """Why the lane does not take messages into the database, as one sentence."""
    if not lane.session.connected.is_set():
        return f"{lane.limits.name}: {lane.session.last_failure or 'not connected to the broker yet'}"
    return f"{lane.limits.name}: {lane.trouble}" if lane.trouble else None


def watermark(lanes: Sequence[Lane], now: datetime) -> datetime:
    """Everything received up to here is committed. A lane without a link vouches for nothing since it had one."""
    moments = [now.timestamp()]
    for lane in lanes:
        if lane.oldest is not None:
            moments.append(lane.oldest)
        if not lane.session.connected.is_set():
            moments.append(lane.last_connected)
    return datetime.fromtimestamp(min(moments), UTC)


class Pulse:
    """Writes component_pulse `ingest-<worker>` by a connection of the shared pool, never a lane's."""

    def __init__(
        self,
        worker: int,
        workers: int,
        drains: Sequence[Drainer],
        broker: BrokerWatch,
        pool: Pool,
        metrics: IngestMetrics,
        clock: Clock,
    ) -> None:
        """`workers`: how many share the telemetry, this one among them, each with a part nobody else takes; 0: none
        has a part of its own."""
        self._component = f"ingest-{worker}"
        self._workers, self._started_at = workers, clock.now()
        self._broker = broker
        self._drains = {drain.lane: drain for drain in drains}
        self._pool, self._metrics, self._clock = pool, metrics, clock
        self._told: dict[str, Numbers] = {}

    async def run(self, stop: asyncio.Event) -> None:
        while not await wait_or_stop(stop, _PERIOD_S):
            now = self._clock.now()
            self._gauge(now)
            if any(problem_of(lane) for lane in self._drains):
                continue  # no pulse: who reads it must see that this worker does not work
            await self._write(self.detail(now), now)

    async def last(self) -> None:
        """After a stop as asked: what is left, and that nobody need look for this worker."""
        now = self._clock.now()
        self._gauge(now)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._write({**self.detail(now), "stopped": True}, now)

    def detail(self, now: datetime) -> dict[str, Any]:
        lanes = list(self._drains)
        return {
            "watermark": watermark(lanes, now).isoformat(),
            "workers": self._workers,
            "started_at": self._started_at.isoformat(),
            "in_flight": {lane.limits.name: lane.in_flight for lane in lanes},
            "waiting": {lane.limits.name: len(lane.inbox) for lane in lanes},
            "spool": {lane.limits.name: _spool_detail(lane.spool, drain) for lane, drain in self._drains.items()},
            "disk_free_pct": lanes[0].spool.free_pct(),
            "unaccounted": sum(lane.unaccounted for lane in lanes),
            **self._broker.told(),
        }

    async def _write(self, detail: dict[str, Any], now: datetime) -> None:
        try:
            async with asyncio.timeout(_WRITE_S), transaction(self._pool) as conn:
                await write_pulse(conn, self._component, detail, now)
        except (psycopg.Error, OSError) as error:
            if not is_retryable(error):
                raise
            log.debug("no pulse: %s", error, extra={"action": "ingest.no_pulse"})

    def _gauge(self, now: datetime) -> None:
        metrics = self._metrics
        for lane in self._drains:
            name, oldest = lane.limits.name, lane.oldest
            connected = lane.session.connected.is_set()
            if connected:
                lane.last_connected = now.timestamp()
            metrics.connected.labels(name).set(connected)
            metrics.in_flight.labels(name).set(lane.in_flight)
            metrics.unacknowledged.labels(name).set(lane.session.in_flight)
            metrics.oldest.labels(name).set(_age(oldest, now))
            metrics.unaccounted.labels(name).set(lane.unaccounted)
            self._gauge_spool(name, lane.spool, now)

    def _gauge_spool(self, name: str, spool: Spool, now: datetime) -> None:
        spool.look_for_room()
        metrics, numbers, told = self._metrics, spool.numbers, self._told.get(name, Numbers())
        self._told[name] = numbers
        metrics.spool_messages.labels(name).set(numbers.messages)
        metrics.spool_bytes.labels(name).set(numbers.bytes)
        metrics.spool_oldest.labels(name).set(_age(numbers.oldest, now))
        metrics.spool_full.labels(name).set(spool.full is not None)
        metrics.spool_appended.labels(name).inc(numbers.appended - told.appended)
        metrics.spool_drained.labels(name).inc(max(0, numbers.drained - told.drained))
        metrics.spool_damaged.labels(name).inc(numbers.damaged - told.damaged)


def _age(moment: float | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, now.timestamp() - moment)


def _spool_detail(spool: Spool, drain: Drainer) -> dict[str, Any]:
    numbers = spool.numbers
    return {
        "messages": numbers.messages,
        "bytes": numbers.bytes,
        "oldest_at": None if numbers.oldest is None else datetime.fromtimestamp(numbers.oldest, UTC).isoformat(),
        "full": spool.full is not None,
        "drained_per_s": round(drain.drained_per_s(), 1),
    }
