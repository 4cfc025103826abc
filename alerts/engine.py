"""The alert engine put together: what must happen when nobody sends anything."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from alerts import deadlines, housekeeping
from alerts.feed import AlertFeed
from alerts.metrics import EngineMetrics
from alerts.modules import Module, ModuleRunner
from alerts.platform.watch import PlatformWatch
from alerts.settings import EngineSettings
from alerts.vocabulary import EventKind, Severity
from core.errors import SchemaMismatch
from core.runtime.clock import Clock
from core.runtime.crypto import Keyring
from core.runtime.service import Service, wait_or_stop
from core.runtime.status import Check, serve_status
from core.store.migrate import check_schema
from core.store.pool import Pool, is_retryable, make_pool
from registry import access_log

log = logging.getLogger(__name__)

# Without a good round of the deadlines for this long the engine is not ready: falls would wait unheard.
READY_WITHIN = timedelta(seconds=10)


class AlertEngine:
    """Give `run` to `run_service`."""

    def __init__(self, settings: EngineSettings, clock: Clock, metrics: EngineMetrics) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._keyring = Keyring.from_settings(settings)
        self._pool: Pool = make_pool(
            settings.database_url.get_secret_value(),
            name=f"alerts-{settings.engine_number}",
            max_size=settings.database_pool_max_connections,
            timeout_s=settings.database_timeout_seconds,
        )
        self._deadlines = Module("deadlines", settings.engine_period_ms / 1000, self._open_unanswered)
        self._watch = PlatformWatch(settings, self._pool, metrics)
        self.modules = [
            self._deadlines,
            Module("seal", settings.access_seal_period_seconds, self._seal),
            Module("purge", settings.engine_purge_period_seconds, self._purge),
            Module("gauges", 5.0, self._gauge),
            *self._watch.modules,
            Module("pulse", 1.0, self._beat),
        ]

    async def run(self, service: Service) -> None:
        settings, stop = self._settings, service.stop
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._pool)
            await _schema(self._pool, stop)
            runner = ModuleRunner(self._clock, self._metrics, timeout_s=settings.engine_module_timeout_seconds)
            feed = AlertFeed(self._pool)
            tasks = [service.spawn(runner.run(module, stop), name=module.name) for module in self.modules]
            tasks.append(service.spawn(feed.run(stop), name="feed"))
            following = service.spawn(self._follow(feed), name="follow")
            status = serve_status(
                self.checks(), host=settings.engine_status_host, port=settings.engine_status_port, stop=stop
            )
            tasks.append(service.spawn(status, name="status"))
            await stop.wait()
            await service.cancel(following)
            # A round that is under way ends well or is cut after its time; nothing of it is half done either way.
            await asyncio.wait(tasks, timeout=5)
            await service.cancel()
            with contextlib.suppress(Exception):  # a stop must not fail because the database is away
                async with asyncio.timeout(2):
                    await self._tell({"stopped": True}, self._clock.now())

    def checks(self) -> dict[str, Check]:
        return {"database": self._database_answers, "deadlines": self._deadlines_are_watched}

    async def _database_answers(self) -> str | None:
        async with self._pool.connection(timeout=2) as conn:
            await conn.execute("SELECT 1")
        return None

    async def _deadlines_are_watched(self) -> str | None:
        last = self._deadlines.last_success
        if last is None or self._clock.now() - last > READY_WITHIN * self._clock.rate:
            return f"deadlines of alerts were not looked at for {READY_WITHIN.seconds} s"
        return None

    async def _open_unanswered(self, now: datetime) -> bool:
        return await deadlines.open_unanswered(self._pool, now) == deadlines.CLAIM

    async def _seal(self, now: datetime) -> bool:
        async with self._pool.connection() as conn:
            await access_log.seal_pending(conn, self._keyring, self._settings.access_seal_head_file, now)
        return False

    async def _purge(self, now: datetime) -> bool:
        return await housekeeping.purge(self._pool, now)

    async def _gauge(self, now: datetime) -> bool:
        counts = await housekeeping.live_counts(self._pool)
        for severity in Severity:
            number, oldest = counts.get(severity.value, (0, None))
            self._metrics.live.labels(severity.value).set(number)
            age = 0.0 if oldest is None else (now - oldest).total_seconds()
            self._metrics.oldest.labels(severity.value).set(age)
        return False

    async def _beat(self, now: datetime) -> bool:
        """No sign of life while the deadlines are not watched: who reads it must see that this engine does not work."""
        if await self._deadlines_are_watched() is None:
            succeeded = {m.name: m.last_success.isoformat() for m in self.modules if m.last_success is not None}
            await self._tell({"modules": succeeded, **self._watch.told}, now)
        return False

    async def _tell(self, detail: Mapping[str, Any], now: datetime) -> None:
        await housekeeping.beat(self._pool, f"engine-{self._settings.engine_number}", detail, now)

    async def _follow(self, feed: AlertFeed) -> None:
        async for event in feed.subscribe(None):
            self._metrics.observe(event, self._clock.now())
            if event.type == EventKind.PENDING:
                self._deadlines.wake.set()


async def _schema(pool: Pool, stop: asyncio.Event) -> None:
    """Wait for the database; raises SchemaMismatch when it is of another version."""
    while not stop.is_set():
        try:
            async with pool.connection() as conn:
                await check_schema(conn)
            return
        except SchemaMismatch:
            raise
        except Exception as error:
            if not is_retryable(error):
                raise
            log.warning("the database does not answer yet", extra={"action": "engine.waiting", "error": repr(error)})
        await wait_or_stop(stop, 1)
