"""`anxin bench reconnect-storm`: 10,000 device sessions are cut and come back in the same instant.

Each says its birth and one reading; all of it must be stored. Meanwhile elders press: each press connects anew in the
middle of the storm, and its latency counts from when it was due. With `--broker-restarts 1` the broker restarts in
between, so that ingest and API lose their sessions too.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass

from core.errors import Unavailable
from simulators.bench.presses import OPENED, Gate, Pressed, press
from simulators.bench.report import latencies, report, server_versions
from simulators.bench.servers import start_servers, stop_broker
from simulators.bench.shape import REPEATS, Bench, Document, Number, Say
from simulators.bench.stored import Store
from simulators.bench.storm_clients import listens
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


@dataclass(frozen=True, slots=True)
class _Back:
    """Of one client process."""

    back: int
    seconds: float
    retries: int


class _Clients:
    def __init__(self, town: Town, options: argparse.Namespace) -> None:
        self._town, self._options = town, options
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        """Returns when all are connected."""
        town, options = self._town, self._options
        for part in range(options.processes):
            words = ("--fleet-file", str(town.fleet_file), "--port", str(town.ready.mqtt_port))
            share = ("--part", str(part), "--parts", str(options.processes), "--sessions", str(options.sessions))
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "simulators.bench.storm_clients", *words, *share),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
            )
        connected = [await self._line(process) for process in self._processes]
        if (count := sum(int(one["connected"]) for one in connected)) != options.sessions:
            raise Unavailable(f"The town has {count} devices with a connection, not {options.sessions}.")

    def cut(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(b"cut\n")

    async def back(self) -> list[_Back]:
        told = [await self._line(process) for process in self._processes]
        await asyncio.gather(*(process.wait() for process in self._processes))
        return [_Back(int(one["back"]), one["seconds"], int(one["retries"])) for one in told]

    async def _line(self, process: asyncio.subprocess.Process) -> dict[str, float]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise Unavailable("A process of device sessions failed; its words are above.")
        told: dict[str, float] = json.loads(line)
        return told

    def kill(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()


async def run(options: argparse.Namespace, say: Say) -> Document:
    """Each repeat on a fresh platform. Raises Unavailable when it does not start or something is lost."""
    figures, versions = [], {}
    for repeat in range(1, options.repeats + 1):
        say(f"repeat {repeat} of {options.repeats}: starting a town of {options.sessions // 2} homes")
        homes = max(options.sessions // 2, options.presses)
        async with fresh_town(homes) as town, own_workers(town) as workers:
            versions = await asyncio.to_thread(server_versions, town.ready.database_url)
            await workers.start(options.workers)
            figures.append(await _once(options, town, say))
    return report("reconnect-storm", figures, [], versions)


async def _once(options: argparse.Namespace, town: Town, say: Say) -> dict[str, float]:
    clients = _Clients(town, options)
    try:
        await clients.start()
        say(f"{options.sessions:,} sessions are connected")
        async with Store(town.ready.database_url) as store:
            before, rows = await store.tally(), await store.readings()
            gate = Gate()
            pressing = asyncio.create_task(
                press(
                    town,
                    town.watches[-options.presses :],
                    options.presses_per_second,
                    gate=gate,
                    anew=True,
                    within_s=120,
                )
            )
            await gate.ready.wait()
            away_ms = await _cut(options, town, clients)
            gate.begin.set()
            say(f"the broker was away for {away_ms:.0f} ms; all come back")
            back = await clients.back()
            pressed = await pressing
            await store.until_settled(options.sessions, before)
            stored, online = await store.readings() - rows, await store.online()
        return _figures(options, back, pressed, stored, online) | {"broker_away_ms": away_ms}
    finally:
        clients.kill()


async def _cut(options: argparse.Namespace, town: Town, clients: _Clients) -> float:
    """Cut all, and if asked restart the broker; milliseconds until it took connections again."""
    if not options.broker_restarts:
        clients.cut()
        return 0.0
    loop = asyncio.get_running_loop()
    await stop_broker(town)
    stopped = loop.time()
    clients.cut()
    async with asyncio.TaskGroup() as group:
        group.create_task(start_servers(town))
        await listens((town.ready.mqtt_host, town.ready.mqtt_port))
        return (loop.time() - stopped) * 1000


def _figures(
    options: argparse.Namespace, back: list[_Back], pressed: Pressed, stored: int, online: int
) -> dict[str, float]:
    if stored != options.sessions or online < options.sessions:
        raise Unavailable(
            f"Of {options.sessions} devices that came back, {stored} readings are stored and {online} are online."
        )
    if missing := pressed.without(OPENED):
        raise Unavailable(f"{missing} of {len(pressed.due)} presses in the storm never reached the console.")
    seconds = max(one.seconds for one in back)
    return {
        "all_back_s": seconds,
        "back_per_s": options.sessions / seconds,
        "retries": float(sum(one.retries for one in back)),
        "lost_readings": float(options.sessions - stored),
        **latencies("sos", pressed.latencies_ms(OPENED)),
    }


BENCH = Bench(
    "reconnect-storm",
    "10,000 device sessions are cut and come back at once: nothing lost, presses in the middle of it",
    SETTINGS,
    run,
    asked={"lost_readings": "0", "sos_p99_ms": "≤ 1,000"},
)
