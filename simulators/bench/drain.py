"""A backlog that waited at the broker in the platform's own sessions, and how fast ingest commits it."""

import asyncio

from core.errors import Unavailable
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.load_run import load
from simulators.bench.stored import Store, Tally, must_be_whole
from simulators.bench.town import Town
from simulators.bench.workers import Workers

_POLL_S = 0.05
_QUIET_S = 60.0


async def queue_backlog(town: Town, workers: Workers, count: int, plan: LoadPlan) -> LoadTold:
    """Let `count` workers leave their sessions at the broker, and publish the backlog into them."""
    await workers.start(count)
    await workers.stop()
    return await load(town, plan)


async def drained_readings_per_s(town: Town, workers: Workers, count: int, plan: LoadPlan) -> float:
    """Readings a second from the first commit to the last, with `count` workers. Raises Unavailable for a lost one.

    The start of the processes is not in it, as it is not in the peers' figures.
    """
    async with Store(town.ready.database_url) as store:
        rows = await store.readings()
        told = await queue_backlog(town, workers, count, plan)
        before = await store.tally()
        clock = asyncio.create_task(_clock(store, told.readings, before))
        await workers.start(count)
        per_s = await clock
        tally = (await store.tally()).since(before)
        await workers.stop()
        await workers.forget_sessions(count)
        stored = await store.readings() - rows
    must_be_whole(tally, readings=told.readings, distinct=told.distinct, stored=stored)
    return per_s


async def _clock(store: Store, readings: int, before: Tally) -> float:
    """Readings a second between the first and the last look that saw progress."""
    loop = asyncio.get_running_loop()
    first: tuple[float, int] | None = None
    moved, seen = loop.time(), 0
    while seen < readings:
        await asyncio.sleep(_POLL_S)
        settled = (await store.tally()).since(before).settled
        if settled != seen:
            moved, seen = loop.time(), settled
            first = first or (moved, settled)
        elif loop.time() - moved > _QUIET_S:
            raise Unavailable(f"Ingest stopped at {settled} of {readings} readings.")
    assert first is not None
    return (seen - first[1]) / max(_POLL_S, moved - first[0])
