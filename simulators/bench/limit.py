"""The limit beside a press: what broker and database alone take, a message there and back plus one durable commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from core.runtime.mqtt import Message, MqttSession, Subscription
from simulators.bench.presses import Gate
from simulators.bench.schedule import on_schedule
from simulators.bench.town import Town

_TOPIC = "anxin/v1/bench/up/echo"  # no part of the platform listens there


async def echo(town: Town, count: int, per_s: float, *, gate: Gate | None = None) -> list[float]:
    """Milliseconds from each scheduled publish until it came back: the limit of a frame that needs no database.

    Connected before the `gate`, and again behind it if the broker restarted meanwhile.
    """

    async def nothing(_n: int) -> None:
        """The broker alone."""

    return await _echoed(town, count, per_s, nothing, gate)


async def echo_and_commit(town: Town, count: int, per_s: float, *, gate: Gate | None = None) -> list[float]:
    """Milliseconds from each scheduled publish to the end of one commit made when it came back."""
    async with await psycopg.AsyncConnection.connect(town.ready.database_url, autocommit=True) as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS bench_limit (n integer)")

        async def commit(n: int) -> None:
            await conn.execute("INSERT INTO bench_limit VALUES (%s)", (n,))

        took = await _echoed(town, count, per_s, commit, gate)
        await conn.execute("DROP TABLE bench_limit")
    return took


async def _echoed(
    town: Town, count: int, per_s: float, then: Callable[[int], Awaitable[Any]], gate: Gate | None
) -> list[float]:
    loop = asyncio.get_running_loop()
    due: dict[int, float] = {}
    took: list[float] = []
    came: asyncio.Queue[int] = asyncio.Queue()

    def heard(messages: list[Message]) -> None:
        for message in messages:
            came.put_nowait(int(message.payload))
        session.ack(messages)

    session = MqttSession(town.platform_url, client_id="bench-echo", on_messages=heard, clean_start=True)
    await session.subscribe([Subscription(_TOPIC, qos=1)])

    async def publish(n: int, scheduled: float) -> None:
        due[n] = scheduled
        await session.publish(_TOPIC, str(n).encode())

    async def take() -> None:
        while len(took) < count:
            n = await came.get()
            await then(n)
            took.append((loop.time() - due[n]) * 1000)

    async with session:
        await session.connected.wait()
        if gate is not None:
            await gate.passed()
            await session.connected.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(take())
            group.create_task(on_schedule(count, per_s, publish))
    return took
