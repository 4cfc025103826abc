"""Limits and peers of ingest, each a process with a broker session of its own, run on the load the platform gets."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.errors import Unavailable
from core.runtime.mqtt import Message, MqttSession
from simulators.bench.load_plan import LoadPlan, LoadTold
from simulators.bench.load_run import load, start_load
from simulators.bench.town import Town

_FORGET_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`share` of the platform's messages is enough to measure a slow one."""

    name: str
    module: str
    share: float = 1.0

    def command(self, town: Town, *words: str) -> tuple[str, ...]:
        who = (
            "--url",
            town.platform_url,
            "--client-id",
            f"bench-{self.name}",
            "--database-url",
            town.ready.database_url,
        )
        return (sys.executable, "-m", self.module, *who, *words)


SINK = Contender("sink", "simulators.bench.sink")
TUTORIAL = Contender("tutorial", "simulators.bench.peers.tutorial", share=0.05)
COMPETENT = Contender("competent", "simulators.bench.peers.competent", share=0.25)
PEERS = (TUTORIAL, COMPETENT)


async def drained_per_s(town: Town, contender: Contender, plan: LoadPlan) -> float:
    """Messages a second of a backlog that waited in the contender's session: first message to last commit."""
    await _run(contender.command(town, "--seed"), contender)
    told = await load(town, plan)
    lines = await _run(contender.command(town, "--messages", str(told.messages)), contender)
    await _forget(town, contender)
    if lines[-1]["messages"] < told.messages:
        raise Unavailable(f"The {contender.name} script took {lines[-1]['messages']} of {told.messages} messages.")
    return told.messages / lines[-1]["seconds"]


async def kept_per_s(town: Town, contender: Contender, plan: LoadPlan) -> tuple[float, LoadTold]:
    """Messages a second it takes while they are published, for as long as they are."""
    words = contender.command(town, "--seconds", str(plan.seconds))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # connected
    run = await start_load(town, plan)
    output, _ = await process.communicate()
    told = await run.finished()
    await _forget(town, contender)
    if process.returncode:
        raise Unavailable(f"The {contender.name} script failed; its words are above.")
    return json.loads(output)["messages"] / plan.seconds, told


@asynccontextmanager
async def running(town: Town, contender: Contender) -> AsyncIterator[None]:
    """It is connected and takes what comes, until the block ends; its session and what waits there go with it."""
    process = await asyncio.create_subprocess_exec(*contender.command(town), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise Unavailable(f"The {contender.name} script failed; its words are above.")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await _forget(town, contender)


async def _run(command: tuple[str, ...], contender: Contender) -> list[dict[str, float]]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise Unavailable(f"The {contender.name} script failed; its words are above.")
    return [json.loads(line) for line in output.splitlines()]


async def _forget(town: Town, contender: Contender) -> None:
    """Drop its session and what waits in it: it must not cost the next one anything."""

    def nothing(messages: list[Message]) -> None:
        """A clean start has no queue."""

    session = MqttSession(town.platform_url, client_id=f"bench-{contender.name}", on_messages=nothing, clean_start=True)
    async with session, asyncio.timeout(_FORGET_WITHIN_S):
        await session.connected.wait()
