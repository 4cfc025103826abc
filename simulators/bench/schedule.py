"""Open-loop schedules: work starts at its time, whether or not earlier work came back.

Waiting for the answer before the next send would hide exactly the delays a bench looks for (coordinated omission), so
latency counts from the scheduled time, not from the moment the sender got around to it.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any


async def on_schedule(count: int, per_s: float, start: Callable[[int, float], Coroutine[Any, Any, None]]) -> None:
    """Run `start(n, scheduled)` for n = 0 … count−1, `per_s` a second; `scheduled` is in the loop's own time."""
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.2
    async with asyncio.TaskGroup() as group:
        for n in range(count):
            scheduled = began + n / per_s
            await asyncio.sleep(max(0.0, scheduled - loop.time()))
            group.create_task(start(n, scheduled))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile. Raises ValueError for no values."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
