"""`anxin bench outage`: the database goes down for ten minutes while 3,000 messages a second and presses go on.

How soon a press is on the console as not yet stored, beside a message through the broker and back on the same schedule
at the same time; whether afterwards everything is stored and every press has its one alert; and how fast what waited is
drained beside the live load, which never stops, as a share of bare COPY of the same rows (the spool is drained from
disk, so what the database takes is the limit, not what the broker gives).
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Unavailable
from simulators.bench.copy_limit import copied_rows_per_s
from simulators.bench.limit import echo
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.load_run import LoadRun, start_load
from simulators.bench.presses import OPENED, PROVISIONAL, Gate, Pressed, press
from simulators.bench.report import Figures, latencies, report, server_versions
from simulators.bench.servers import crash_database, start_servers
from simulators.bench.shape import Bench, Document, Number, Say
from simulators.bench.stored import Store, Tally, must_be_whole
from simulators.bench.town import Town, fresh_town, homes_for
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("seconds", 600, 12, 5, 36_000, "how long the database is away"),
    Number("per-second", 3000, 200, 10, 50_000, "messages a second, before, during and after"),
    Number("presses-per-second", 2, 2, 1, 50, "presses a second while the database is away"),
    Number("devices", 5000, 80, 10, 40_000, "devices of the telemetry"),
    Number("workers", 1, 1, 1, 8, "ingest workers"),
    Number("repeats", 1, 1, 1, 20, "how often; the medians are told"),
)
_BEFORE_S = 5.0
_FIRST_PRESS_AFTER_S = 2.0
_DRAINED_WITHIN_S = 3600.0
_CAUGHT_UP_S = 1.0  # less than so much of the live rate waits
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Drained:
    """`waited`: readings not committed when the database answered again; `seconds` until only live ones waited."""

    waited: int
    seconds: float
    committed: int

    @property
    def per_s(self) -> float:
        return self.waited / self.seconds

    @property
    def committed_per_s(self) -> float:
        """With the live readings of that time."""
        return self.committed / self.seconds


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or a reading or press is lost."""
    presses = max(1, int((options.seconds - 2 * _FIRST_PRESS_AFTER_S) * options.presses_per_second))
    figures, limits, versions = [], [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town")
        async with fresh_town(max(homes_for(options.devices), presses)) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            await workers.start(options.workers)
            measured, limit = await _once(options, town, presses, say)
        figures.append(measured)
        limits.append(limit)
    return report("outage", figures, limits, versions)


async def _once(options: argparse.Namespace, town: Town, presses: int, say: Say) -> tuple[Figures, Figures]:
    """The figures and their limits."""
    async with Store(town.ready.database_url) as store:
        before = await store.tally()
    run = await start_load(
        town, LoadPlan("o", per_second=options.per_second, seconds=10 * 3600, devices=options.devices)
    )
    await run.speaks()
    await asyncio.sleep(_BEFORE_S)
    gates, per_s = (Gate(), Gate()), options.presses_per_second
    async with asyncio.TaskGroup() as group:
        pressing = group.create_task(
            press(town, town.watches[:presses], per_s, gate=gates[0], within_s=_DRAINED_WITHIN_S)
        )
        echoing = group.create_task(echo(town, presses, per_s, gate=gates[1]))
        await _away(options, town, gates, say)
        await start_servers(town)
        say("the database answers again")
        drained = await _until_caught_up(town, run, before, options.per_second, say)
        told = await run.end()
    await _whole(town, told, before)
    copied = await copied_rows_per_s(town.ready.database_url)
    say(f"drained at {drained.per_s:,.0f} readings/s; bare COPY of such rows: {copied:,.0f} rows/s")
    figures = _figures(options, pressing.result(), drained, told) | {
        "committed_pct_of_copy": 100 * drained.committed_per_s / copied
    }
    limits = latencies("provisional", echoing.result()) | {"committed_per_s": copied}
    return figures, {name: limit for name, limit in limits.items() if name in figures}


async def _away(options: argparse.Namespace, town: Town, gates: Sequence[Gate], say: Say) -> None:
    """Crash the database, let presses and echo begin, and stay without it for the time asked."""
    for gate in gates:
        await gate.ready.wait()
    await crash_database(town)
    loop = asyncio.get_running_loop()
    until = loop.time() + options.seconds
    say(f"the database is down, for {options.seconds} s")
    await asyncio.sleep(_FIRST_PRESS_AFTER_S)
    for gate in gates:
        gate.begin.set()
    while (left := until - loop.time()) > 0:
        await asyncio.sleep(min(60.0, left))
        say(f"  {max(0.0, until - loop.time()):.0f} s of the outage are left")


async def _until_caught_up(town: Town, run: LoadRun, before: Tally, live_per_s: float, say: Say) -> _Drained:
    loop = asyncio.get_running_loop()
    began = told_at = loop.time()
    async with Store(town.ready.database_url) as store:
        first = (await store.tally()).since(before).settled
        while True:
            sent = run.latest.readings if run.latest is not None else 0
            settled = (await store.tally()).since(before).settled
            if loop.time() - told_at >= 10:
                told_at = loop.time()
                say(f"  {max(0, sent - settled):,} readings wait")
            if sent - settled < live_per_s * _CAUGHT_UP_S:
                now = loop.time()
                waited = int(settled - first - live_per_s * (now - began))
                return _Drained(max(0, waited), max(_POLL_S, now - began), settled - first)
            if loop.time() - began > _DRAINED_WITHIN_S:
                raise Unavailable(f"{sent - settled} readings were not drained within {_DRAINED_WITHIN_S:g} s.")
            await asyncio.sleep(_POLL_S)


async def _whole(town: Town, told: LoadTold, before: Tally) -> None:
    async with Store(town.ready.database_url) as store:
        tally = await store.until_settled(told.readings, before)
        stored = await store.readings()
    must_be_whole(tally, readings=told.readings, distinct=told.distinct, stored=stored)


def _figures(options: argparse.Namespace, pressed: Pressed, drained: _Drained, told: LoadTold) -> dict[str, float]:
    if missing := pressed.without(OPENED):
        raise Unavailable(f"{missing} of {len(pressed.due)} presses have no alert after the outage.")
    return {
        **(latencies("provisional", early) if (early := pressed.latencies_ms(PROVISIONAL)) else {}),
        "presses": float(len(pressed.due)),
        "presses_without_provisional": float(pressed.without(PROVISIONAL)),
        "waited_readings": float(drained.waited),
        "drained_in_s": drained.seconds,
        "drained_per_s": drained.per_s,
        "committed_per_s": drained.committed_per_s,
        "drained_times_live": drained.per_s / options.per_second,
        "lost_readings": 0.0,
        "offered_per_s": told.per_s,
    }


BENCH = Bench(
    "outage",
    "the database away for ten minutes at 3,000 msg/s: presses on the console, everything stored, how fast it drains",
    SETTINGS,
    run,
    asked={
        "provisional_p99_ms": "≤ 2,000",
        "presses_without_provisional": "0",
        "drained_times_live": "≥ 2",
        "lost_readings": "0",
    },
)
