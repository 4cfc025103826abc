"""The engine's modules side by side, each under its own guard: one that fails or hangs holds up no other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from alerts.metrics import EngineMetrics
from core.runtime.clock import Clock
from core.runtime.service import wait_or_stop
from core.store.pool import is_retryable

log = logging.getLogger(__name__)

# One round: what is due now is done. True: there is more, come again at once.
Round = Callable[[datetime], Awaitable[bool]]


@dataclass(slots=True)
class Module:
    """`wake` starts the next round before its time."""

    name: str
    period_s: float
    round: Round
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    last_success: datetime | None = None


class ModuleRunner:
    def __init__(self, clock: Clock, metrics: EngineMetrics, *, timeout_s: float) -> None:
        self._clock, self._metrics, self._timeout_s = clock, metrics, timeout_s

    async def run(self, module: Module, stop: asyncio.Event) -> None:
        """Round after round until `stop`. A failed round never ends the engine: it is logged, counted and tried again,
        and readiness turns false when it keeps failing. Ending the process would stop the healthy modules, too."""
        while not stop.is_set():
            more = await self._once(module)
            if not more:
                await _wait(module, stop)

    async def _once(self, module: Module) -> bool:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                more = await module.round(self._clock.now())
        except Exception as error:
            self._metrics.failures.labels(module.name).inc()
            passing = is_retryable(error) or isinstance(error, TimeoutError)
            log.log(
                logging.WARNING if passing else logging.ERROR,
                "a round failed and will be tried again",
                exc_info=None if passing else error,
                extra={"action": "engine.round_failed", "engine_module": module.name, "error": repr(error)},
            )
            return False
        finally:
            self._metrics.round.labels(module.name).observe(time.monotonic() - began)
        module.last_success = self._clock.now()
        self._metrics.last_success.labels(module.name).set(module.last_success.timestamp())
        return more


async def _wait(module: Module, stop: asyncio.Event) -> None:
    waking = asyncio.create_task(module.wake.wait())
    stopping = asyncio.create_task(wait_or_stop(stop, module.period_s))
    try:
        await asyncio.wait({waking, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        module.wake.clear()
        for task in (waking, stopping):
            task.cancel()
        await asyncio.gather(waking, stopping, return_exceptions=True)
