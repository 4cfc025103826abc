"""The generator as the bench sees it: started, asked how far it is, waited for."""

import asyncio
import json
import sys
from contextlib import suppress

from core.errors import Unavailable
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.town import Town


class LoadRun:
    """A running generator. `latest` is its newest word; None before the first second."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.latest: LoadTold | None = None
        self._reading = asyncio.create_task(self._read(), name="load")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.latest = LoadTold(**json.loads(line))

    async def speaks(self) -> None:
        """Until it is connected and its first second is over. Raises Unavailable if it ends before."""
        while self.latest is None:
            if self._reading.done():
                break
            await asyncio.sleep(0.02)
        if self.latest is None:
            raise Unavailable("The load generator failed; its words are above.")

    async def end(self) -> LoadTold:
        """Ask it to stop now, and hear its last word."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        return await self.finished()

    async def finished(self) -> LoadTold:
        """Raises Unavailable when it failed, or when the broker left messages unanswered."""
        await self._reading
        if await self._process.wait() or self.latest is None:
            raise Unavailable("The load generator failed; its words are above.")
        if self.latest.acknowledged != self.latest.messages:
            missing = self.latest.messages - self.latest.acknowledged
            raise Unavailable(f"The broker left {missing} of {self.latest.messages} messages unanswered.")
        return self.latest

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


async def start_load(town: Town, plan: LoadPlan) -> LoadRun:
    where = ("--fleet-file", str(town.fleet_file), "--host", town.ready.mqtt_host, "--port", str(town.ready.mqtt_port))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.bench.load", *where, *plan.words()), stdout=asyncio.subprocess.PIPE
    )
    return LoadRun(process)


async def load(town: Town, plan: LoadPlan) -> LoadTold:
    """Run it to its end."""
    return await (await start_load(town, plan)).finished()
