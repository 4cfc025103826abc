"""Readings that are taken while they are published: one steady load, watched, with presses and receipts beside it."""

import asyncio
from dataclasses import dataclass, replace

from simulators.bench.contenders import PEERS, SINK, kept_per_s
from simulators.bench.limit import echo_and_commit
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.load_run import LoadRun, start_load
from simulators.bench.presses import press_latencies
from simulators.bench.receipt_probe import receipt_latencies
from simulators.bench.report import latencies
from simulators.bench.shape import Say
from simulators.bench.stored import Store, must_be_whole
from simulators.bench.town import Town
from simulators.bench.watching import Watching, growth_mb, slope_per_s
from simulators.bench.workers import Workers

_TELL_EVERY_S = 30
_PROBES_PER_S = 10.0
_PROBE_HUBS = 20
_PEER_S = 20.0
PRESSES_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Lived:
    figures: dict[str, float]
    limits: dict[str, float]
    told: LoadTold


async def kept_live(town: Town, workers: Workers, plan: LoadPlan, say: Say) -> Lived:
    """The load to its end, then until all is committed. Raises Unavailable for a lost or doubled reading."""
    seconds = int(plan.seconds)
    watches, probing = town.watches[-max(1, seconds - 2) :], town.hubs[-_PROBE_HUBS:]
    count = int(_PROBES_PER_S * max(1, seconds - 2))
    async with Store(town.ready.database_url) as store:
        rows, before = await store.readings(), await store.tally()
        run = await start_load(town, plan)
        await run.speaks()
        watching, stop = Watching(store, workers, before, plan.batch), asyncio.Event()
        async with Store(town.ready.database_url) as other, asyncio.TaskGroup() as group:
            watching.store = other
            group.create_task(watching.look_on(run, stop))
            group.create_task(_tell(run, watching, stop, say))
            pressing = group.create_task(press_latencies(town, watches, PRESSES_PER_S))
            echoing = group.create_task(echo_and_commit(town, len(watches), PRESSES_PER_S))
            asking = group.create_task(receipt_latencies(town, probing, _PROBES_PER_S, count, run=plan.run))
            told = await run.finished()
            await asyncio.gather(pressing, echoing, asking)
            stop.set()
        tally = await store.until_settled(told.readings + count, before)
        stored = await store.readings() - rows
    must_be_whole(tally, readings=told.readings + count, distinct=told.distinct + count, stored=stored)
    return Lived(
        {**_figures(watching, plan), **latencies("lag", asking.result()), **latencies("sos", pressing.result())}
        | {"offered_per_s": told.per_s * plan.batch, "generator_cpu_ms_per_1000": told.cpu_ms_per_1000}
        | {"generator_late_max_ms": told.late_max_ms},
        {**latencies("lag", echoing.result()), **latencies("sos", echoing.result())},
        told,
    )


def _figures(watching: Watching, plan: LoadPlan) -> dict[str, float]:
    looks = [look for look in watching.looks if look.at_s <= plan.seconds - 1] or watching.looks
    span = max(1.0, looks[-1].at_s - looks[0].at_s)
    return {
        "kept_per_s": (looks[-1].settled - looks[0].settled) / span - _PROBES_PER_S,
        "waiting_max": float(max(look.waiting for look in looks)),
        "waiting_slope_per_s": slope_per_s(looks),
        "in_hand_max_ms": max(look.hand_s for look in looks) * 1000,
        "worker_rss_max_mb": max(look.worker_mb for look in looks),
        "worker_rss_growth_mb": growth_mb(looks),
    }


async def _tell(run: LoadRun, watching: Watching, stop: asyncio.Event, say: Say) -> None:
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), _TELL_EVERY_S)
        except TimeoutError:
            look = watching.looks[-1]
            per_s = run.latest.per_s * watching.batch if run.latest else 0
            say(f"  {per_s:,.0f} readings/s offered, {look.waiting:,} wait, worker {look.worker_mb:.0f} MB")


async def others_live(town: Town, plan: LoadPlan, say: Say, *, seconds: float = _PEER_S) -> dict[str, float]:
    """Readings a second that the do-nothing subscriber (`sink`) and the peers keep of the same load."""
    kept = {}
    for number, contender in enumerate((SINK, *PEERS)):
        one = replace(plan, run=f"{plan.run}{number}", seconds=min(seconds, plan.seconds))
        per_s, _ = await kept_per_s(town, contender, one)
        kept[contender.name] = per_s * plan.batch
        say(f"{contender.name}: {kept[contender.name]:,.0f} readings/s kept of {plan.per_second * plan.batch:,.0f}")
    return kept
