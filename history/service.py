"""The history program put together: one connection that holds the lock and does all the work."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from psycopg import AsyncConnection

from core.errors import ConfigurationError, SchemaMismatch
from core.runtime.clock import Clock
from core.runtime.service import Service, wait_or_stop
from core.runtime.status import Check, serve_status
from core.store.migrate import check_schema
from core.store.pool import Connection, is_retryable
from history import compression, store
from history.metrics import HistoryMetrics
from history.retention import drop_old, kept_days
from history.roller import Roller
from history.settings import HistorySettings

log = logging.getLogger(__name__)

_READY_WITHIN = timedelta(seconds=60)
_HOUSEKEEPING_EVERY = timedelta(hours=1)
_REPORT_EVERY = timedelta(seconds=5)
_AGAIN_AFTER_S = 2.0


class HistoryService:
    """Give `run` to `run_service`. Raises ConfigurationError for settings that contradict each other."""

    def __init__(self, settings: HistorySettings, clock: Clock, metrics: HistoryMetrics) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._kept = kept_days(settings)
        self._last_round: datetime | None = None
        self._problem: str | None = "the first round is not over"
        if not self._kept["reading"] <= self._kept["reading_1m"] <= self._kept["reading_1h"]:
            raise ConfigurationError(
                "Roll-ups must outlive what they are made from: let ANXIN_HISTORY_RAW_DAYS be at most"
                " ANXIN_HISTORY_MINUTES_DAYS, and that at most ANXIN_HISTORY_HOURS_DAYS."
            )

    async def run(self, service: Service) -> None:
        settings, stop = self._settings, service.stop
        tasks = [
            service.spawn(self._work(stop), name="history"),
            service.spawn(
                serve_status(
                    self.checks(), host=settings.history_status_host, port=settings.history_status_port, stop=stop
                ),
                name="status",
            ),
        ]
        await stop.wait()
        # A step under way is one transaction: it ends well or is rolled back.
        await asyncio.wait(tasks, timeout=5)
        await service.cancel()

    def checks(self) -> dict[str, Check]:
        return {"roll_ups": self._rounds_succeed}

    async def _rounds_succeed(self) -> str | None:
        if self._last_round is None or self._clock.now() - self._last_round > _READY_WITHIN * self._clock.rate:
            return self._problem or "no round has ended well for a minute"
        return None

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self._connection() as conn:
                    await check_schema(conn)
                    await self._serve(conn, stop)
            except SchemaMismatch:
                raise
            except Exception as error:
                self._metrics.failures.inc()
                self._metrics.active.set(0)
                self._problem = f"{type(error).__name__}"
                passing = is_retryable(error)
                log.log(
                    logging.WARNING if passing else logging.ERROR,
                    "a round failed and will be tried again",
                    exc_info=None if passing else error,
                    extra={"action": "history.round_failed", "error": repr(error)},
                )
                await wait_or_stop(stop, _AGAIN_AFTER_S)

    async def _serve(self, conn: Connection, stop: asyncio.Event) -> None:
        settings = self._settings
        roller = Roller(
            conn,
            self._metrics,
            lateness_s=settings.history_lateness_seconds,
            slice_rows=settings.history_repair_slice_rows,
        )
        active, housekeeping_at, report_at, compress = False, self._clock.now(), self._clock.now(), False
        while not stop.is_set():
            now, more = self._clock.now(), False
            if not active:
                active = await store.lock(conn)
                self._metrics.active.set(active)
                if active:
                    log.info("this program rolls up", extra={"action": "history.active"})
                    compress = await compression.allowed(conn)
                    self._metrics.compression.set(compress)
            if active:
                more = await roller.round(now)
                if now >= housekeeping_at:
                    housekeeping_at = now + _HOUSEKEEPING_EVERY
                    if await self._keep_house(conn, compress, now):
                        housekeeping_at = now
            self._last_round = self._clock.now()
            if now >= report_at:
                report_at = now + _REPORT_EVERY
                await self._report(conn, active, now)
            if not more:
                await wait_or_stop(stop, settings.history_period_seconds)
        # A goodbye: who watches over the parts must not ring for one that was asked to stop.
        await self._report(conn, False, self._clock.now(), stopped=True)

    async def _keep_house(self, conn: Connection, compress: bool, now: datetime) -> bool:
        more = await drop_old(conn, self._kept, self._metrics, now)
        if compress:
            done = await compression.compress_old(conn, self._settings.history_compress_after_days, now)
            self._metrics.compressed.inc(done)
            more = more or done == compression.AT_ONCE
        return more

    async def _report(self, conn: Connection, active: bool, now: datetime, *, stopped: bool = False) -> None:
        state = await store.state(conn)
        waiting, oldest = await store.dirty(conn)
        self._metrics.rolled_up_to.set(state.rolled_up_to.timestamp())
        self._metrics.behind.set((now - state.rolled_up_to).total_seconds())
        self._metrics.dirty.set(waiting)
        self._metrics.dirty_age.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        detail = {"active": active, "rolled_up_to": state.rolled_up_to.isoformat(), "dirty": waiting}
        if stopped:
            detail["stopped"] = True
        await store.pulse(conn, f"history-{self._settings.history_number}", detail, now)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """The lock is this connection's, and so is the work: who lost the one cannot do the other."""
        conn = await AsyncConnection.connect(
            self._settings.database_url.get_secret_value(),
            autocommit=True,
            application_name=f"anxin history-{self._settings.history_number}",
            connect_timeout=5,
            # A program that is stopped and does not die gives the lock to the next one after a minute. Sums of a
            # large fleet may need more memory than a short query.
            options="-c timezone=UTC -c idle_session_timeout=60000 -c idle_in_transaction_session_timeout=60000"
            " -c work_mem=64MB",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )
        try:
            yield conn
        finally:
            await conn.close()
