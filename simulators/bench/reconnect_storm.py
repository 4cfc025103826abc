"""`anxin bench reconnect-storm`: 10,000 device sessions are cut and come back in the same instant.

Each says its birth and one reading; all of it must be stored. Meanwhile elders press: each press connects anew in the
middle of the storm, and its latency counts from when it was due. With `--broker-restarts 1` the broker restarts in
between, so that ingest and API lose their sessions too.

Limits in the same run: the same storm of the same sessions on the same broker before any worker listens to it, and for
the presses broker echo + one commit on their schedule at the same time, on a connection that stands.
"""

import argparse
import asyncio

from core.errors import Unavailable
from simulators.bench.limit import echo_and_commit
from simulators.bench.presses import OPENED, Gate, Pressed, press
from simulators.bench.report import Figures, latencies, report, server_versions
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.stored import Store
from simulators.bench.storm import Back, StormClients
from simulators.bench.town import Town, fresh_town
from simulators.bench.workers import own_workers

SETTINGS = (
    Number("sessions", 10_000, 40, 10, 10_000, "device sessions"),
    Number("presses", 300, 10, 1, 2000, "presses from the moment the broker listens again"),
    Number("presses-per-second", 20, 10, 1, 200, "how fast"),
    Number("processes", 2, 1, 1, 16, "processes that hold the sessions"),
    Number("broker-restarts", 0, 0, 0, 1, "1: the broker restarts, 0: only the devices are cut"),
    Number("workers", 1, 1, 1, 8, "ingest workers"),
    REPEATS,
)


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or something is lost."""
    figures, limits, versions = [], [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town of {options.sessions // 2} homes")
        homes = max(options.sessions // 2, options.presses)
        async with fresh_town(homes) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            bare = await _bare(options, town, say)
            await workers.start(options.workers)
            measured, limit = await _once(options, town, say)
        figures.append(measured)
        limits.append({**bare, **limit})
    return report("reconnect-storm", figures, limits, versions)


async def _bare(options: argparse.Namespace, town: Town, say: Say) -> dict[str, float]:
    """The same storm while no worker runs and the broker keeps no session for one: what it takes from them ends there.

    Nobody presses: the API would hear it and ring for a press that nobody stores.
    """
    async with StormClients(town, options) as clients:
        await clients.cut()
        back = await clients.back()
    say(f"the broker alone: {options.sessions:,} sessions are back after {back.seconds:.1f} s")
    return _back_figures(options, back)


async def _once(options: argparse.Namespace, town: Town, say: Say) -> tuple[Figures, Figures]:
    """The figures, and what broker echo + one commit took for the presses at the same time."""
    count, per_s, gates = options.presses, options.presses_per_second, (Gate(), Gate())
    async with StormClients(town, options) as clients, Store(town.ready.database_url) as store:
        say(f"{options.sessions:,} sessions are connected")
        before, rows = await store.tally(), await store.readings()
        watches = town.watches[-count:]
        async with asyncio.TaskGroup() as group:
            pressing = group.create_task(press(town, watches, per_s, gate=gates[0], anew=True, within_s=120))
            echoing = group.create_task(echo_and_commit(town, count, per_s, gate=gates[1]))
            for gate in gates:
                await gate.ready.wait()
            away_ms = await clients.cut()
            for gate in gates:
                gate.begin.set()
            say(f"the broker was away for {away_ms:.0f} ms; all come back")
            back = await clients.back()
        await store.until_settled(options.sessions, before)
        stored, online = await store.readings() - rows, await store.online()
    figures = _figures(options, back, pressing.result(), stored, online) | {"broker_away_ms": away_ms}
    return figures, latencies("sos", echoing.result())


def _figures(options: argparse.Namespace, back: Back, pressed: Pressed, stored: int, online: int) -> dict[str, float]:
    if stored != options.sessions or online < options.sessions:
        raise Unavailable(
            f"Of {options.sessions} devices that came back, {stored} readings are stored and {online} are online."
        )
    if missing := pressed.without(OPENED):
        raise Unavailable(f"{missing} of {len(pressed.due)} presses in the storm never reached the console.")
    return {
        **_back_figures(options, back),
        "lost_readings": float(options.sessions - stored),
        **latencies("sos", pressed.latencies_ms(OPENED)),
    }


def _back_figures(options: argparse.Namespace, back: Back) -> dict[str, float]:
    return {
        "all_back_s": back.seconds,
        "back_per_s": options.sessions / back.seconds,
        "retries": float(back.retries),
    }


BENCH = Bench(
    "reconnect-storm",
    "10,000 device sessions are cut and come back at once: nothing lost, presses in the middle of it",
    SETTINGS,
    run,
    asked={"lost_readings": "0", "sos_p99_ms": "≤ 1,000"},
)
