"""Waiting no longer than said, even for work that cannot be cancelled quickly."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def at_most(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or TimeoutError after `seconds`; what is not done then is cancelled and left to itself.

    `asyncio.timeout` waits until the cancelled work has ended, and a query on a half-open connection takes ten more
    seconds for that: it first asks a silent server to stop.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    task.add_done_callback(_forget)
    task.cancel()
    raise TimeoutError(f"no answer within {seconds:g} s")


def _forget(task: "asyncio.Future[Any]") -> None:
    """Look at the outcome, so that asyncio does not complain that nobody did."""
    if not task.cancelled():
        task.exception()
