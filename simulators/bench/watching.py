"""A look each second at a platform under load: what came in, what is committed, how much memory the workers hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulators.bench.load_run import LoadRun
from simulators.bench.processes import resident_mb
from simulators.bench.stored import Store, Tally
from simulators.bench.workers import Workers


@dataclass(frozen=True, slots=True)
class Look:
    """`waiting`: readings the broker acknowledged that are not committed yet. `worker_mb`: of the largest worker."""

    at_s: float
    settled: int
    waiting: int
    worker_mb: float
    hand_s: float


@dataclass(slots=True)
class Watching:
    """`async with asyncio.TaskGroup()`: run `look_on` beside the load; `looks` grows by one a second."""

    store: Store
    workers: Workers
    before: Tally
    batch: int = 1
    looks: list[Look] = field(default_factory=list)

    async def look_on(self, run: LoadRun, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not stop.is_set():
            settled = (await self.store.tally()).since(self.before).settled
            latest = run.latest
            acknowledged = latest.acknowledged * self.batch if latest is not None else 0
            memory = max(map(resident_mb, self.workers.pids), default=0.0)
            hand_s = max(await self.store.lags_s(), default=0.0)
            self.looks.append(Look(loop.time() - began, settled, max(0, acknowledged - settled), memory, hand_s))
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, began + len(self.looks) - loop.time()))
            except TimeoutError:
                continue


def slope_per_s(looks: Sequence[Look]) -> float:
    """Growth of what waits, in readings a second, by least squares; 0 for a backlog that only breathes."""
    if len(looks) < 2:
        return 0.0
    mean_x = sum(look.at_s for look in looks) / len(looks)
    mean_y = sum(look.waiting for look in looks) / len(looks)
    spread = sum((look.at_s - mean_x) ** 2 for look in looks)
    return sum((look.at_s - mean_x) * (look.waiting - mean_y) for look in looks) / spread if spread else 0.0


def growth_mb(looks: Sequence[Look]) -> float:
    """Memory of the last quarter over that of the second: the first is warming up."""
    quarter = len(looks) // 4
    if not quarter:
        return 0.0
    second, last = looks[quarter : 2 * quarter], looks[-quarter:]
    return sum(look.worker_mb for look in last) / quarter - sum(look.worker_mb for look in second) / quarter
