"""One shape for every long-running part: named tasks in a group, one stop event, the right exit code.

A task that ends or fails before the stop event ends the whole process with a non-zero code, and the supervisor
restarts it: half a service is worse than none, because nobody notices it.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from core.errors import AnxinError

log = logging.getLogger(__name__)

Work = Coroutine[Any, Any, None]


class TaskEnded(RuntimeError):
    """A task that must run until the stop ended by itself."""


class Service:
    """Runs `main(service)`; inside it, `spawn` tasks and wait for `stop`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def spawn(self, work: Work, *, name: str) -> asyncio.Task[None]:
        """Run `work` until the stop; its end before that stops the service and counts as a failure."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (self.stop.is_set() and task.exception() is None):
            return
        error = task.exception() or TaskEnded(f"task {task.get_name()} ended by itself")
        self._failure = self._failure or error
        log.error(
            "a task ended, stopping the service",
            exc_info=error,
            extra={"action": "service.task_failed", "task": task.get_name()},
        )
        self.stop.set()

    async def cancel(self, *tasks: asyncio.Task[None]) -> None:
        """Stop these tasks now (all that are left, if none is named) and wait for them."""
        chosen = list(tasks or self._tasks)
        for task in chosen:
            task.cancel()
        await asyncio.gather(*chosen, return_exceptions=True)

    async def run(self, main: Callable[["Service"], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        log.info("starting", extra={"action": "service.starting"})
        try:
            await main(self)
        finally:
            await self.cancel()
        if self._failure is not None:
            raise self._failure
        log.info("stopped", extra={"action": "service.stopped"})


def run_service(name: str, main: Callable[[Service], Awaitable[None]]) -> int:
    """Run a service to its end; returns the exit code: 0 asked to stop, 1 failed, 2 could not start as configured."""

    async def body() -> None:
        await Service(name).run(main)

    try:
        uvloop.run(body())
    except AnxinError as error:
        log.error("%s", error, extra={"action": "service.refused"})  # noqa: TRY400 - a sentence, not a traceback
        return 2
    except Exception:
        log.exception("failed", extra={"action": "service.failed"})
        return 1
    return 0


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep `seconds` unless `stop` comes first; True when it came."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
