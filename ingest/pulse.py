"""The worker's sign of life, once a second while it is healthy, with the watermark silence is judged by."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg

from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import Pool, is_retryable, transaction
from ingest.lane import Lane
from ingest.metrics import IngestMetrics
from ingest.store import write_pulse

log = logging.getLogger(__name__)

_PERIOD_S = 1.0


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

    def __init__(self, worker: int, lanes: Sequence[Lane], pool: Pool, metrics: IngestMetrics, clock: Clock) -> None:
        self._component = f"ingest-{worker}"
        self._lanes, self._pool, self._metrics, self._clock = lanes, pool, metrics, clock

    async def run(self, stop: asyncio.Event) -> None:
        while not await wait_or_stop(stop, _PERIOD_S):
            now = self._clock.now()
            self._gauge(now)
            if any(problem_of(lane) for lane in self._lanes):
                continue  # no pulse: who reads it must see that this worker does not work
            detail = {
                "watermark": watermark(self._lanes, now).isoformat(),
                "in_flight": {lane.limits.name: lane.in_flight for lane in self._lanes},
                "waiting": {lane.limits.name: len(lane.inbox) for lane in self._lanes},
            }
            try:
                async with transaction(self._pool) as conn:
                    await write_pulse(conn, self._component, detail, now)
            except (psycopg.Error, OSError) as error:
                if not is_retryable(error):
                    raise
                log.debug("no pulse: %s", error, extra={"action": "ingest.no_pulse"})

    def _gauge(self, now: datetime) -> None:
        metrics = self._metrics
        for lane in self._lanes:
            name, oldest = lane.limits.name, lane.oldest
            connected = lane.session.connected.is_set()
            if connected:
                lane.last_connected = now.timestamp()
            metrics.connected.labels(name).set(connected)
            metrics.in_flight.labels(name).set(lane.in_flight)
            metrics.unacknowledged.labels(name).set(lane.session.in_flight)
            metrics.oldest.labels(name).set(0 if oldest is None else max(0.0, now.timestamp() - oldest))
