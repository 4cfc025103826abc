"""The sessions of a reconnect storm as the bench holds them: connected, cut together, and back together."""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Self

from core.errors import Unavailable
from simulators.bench.servers import start_servers, stop_broker
from simulators.bench.storm_clients import listens
from simulators.bench.town import Town


@dataclass(frozen=True, slots=True)
class Back:
    """`seconds` from the moment the broker listened until the last session was back."""

    seconds: float
    retries: int


class StormClients:
    """`async with StormClients(town, options) as clients`: all are connected; their processes end with the block.

    `options`: `sessions` and `processes`, `broker_restarts` 1 when the broker goes as well.
    """

    def __init__(self, town: Town, options: argparse.Namespace) -> None:
        self._town, self._options = town, options
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self._kill()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._kill()

    async def _start(self) -> None:
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

    async def cut(self) -> float:
        """Cut all, and if asked restart the broker; milliseconds until it took connections again."""
        if not self._options.broker_restarts:
            self._cut()
            return 0.0
        town, loop = self._town, asyncio.get_running_loop()
        await stop_broker(town)
        stopped = loop.time()
        self._cut()
        async with asyncio.TaskGroup() as group:
            group.create_task(start_servers(town))
            await listens((town.ready.mqtt_host, town.ready.mqtt_port))
            return (loop.time() - stopped) * 1000

    async def back(self) -> Back:
        """When all are."""
        told = [await self._line(process) for process in self._processes]
        await asyncio.gather(*(process.wait() for process in self._processes))
        return Back(max(one["seconds"] for one in told), sum(int(one["retries"]) for one in told))

    def _cut(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(b"cut\n")

    async def _line(self, process: asyncio.subprocess.Process) -> dict[str, float]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise Unavailable("A process of device sessions failed; its words are above.")
        told: dict[str, float] = json.loads(line)
        return told

    def _kill(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
