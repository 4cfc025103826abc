"""Readings that ask for a receipt: milliseconds from when one was due until the platform said it is committed."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

from core.domain.fleet import FleetMember
from core.errors import Unavailable
from core.runtime.mqtt import Message, MqttSession, Subscription
from simulators.bench.presses import address
from simulators.bench.schedule import on_schedule
from simulators.bench.town import Town

_LAST_RECEIPT_WITHIN_S = 60.0


async def receipt_latencies(
    town: Town, hubs: Sequence[FleetMember], per_s: float, count: int, *, run: str
) -> list[float]:
    """`count` single readings, `per_s` a second, of these hubs in turn. Raises Unavailable for a missing receipt."""
    loop, complete = asyncio.get_running_loop(), asyncio.Event()
    due: dict[int, float] = {}
    took: dict[int, float] = {}

    def heard(messages: list[Message]) -> None:
        for message in messages:
            if message.correlation_data:
                n = int(message.correlation_data)
                took.setdefault(n, (loop.time() - due[n]) * 1000)
        if len(took) >= count:
            complete.set()

    sessions = [
        MqttSession(address(town, hub), client_id=f"probe-{run}-{hub.device_id}", on_messages=heard, clean_start=True)
        for hub in hubs
    ]
    async with contextlib.AsyncExitStack() as stack:
        for hub, session in zip(hubs, sessions, strict=True):
            await session.subscribe([Subscription(f"anxin/v1/{hub.device_id}/down/receipt", qos=0)])
            await stack.enter_async_context(session)
        async with asyncio.timeout(30):
            await asyncio.gather(*(session.connected.wait() for session in sessions))

        async def say(n: int, scheduled: float) -> None:
            due[n] = scheduled
            base = f"anxin/v1/{hubs[n % len(hubs)].device_id}"
            event = {"type": "temperature", "value": 20.5, "id": f"probe-{run}-{n}"}
            await sessions[n % len(hubs)].publish(
                f"{base}/up/telemetry",
                json.dumps(event).encode(),
                response_topic=f"{base}/down/receipt",
                correlation_data=str(n).encode(),
            )

        await on_schedule(count, per_s, say)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(complete.wait(), _LAST_RECEIPT_WITHIN_S)
    if len(took) < count:
        raise Unavailable(
            f"{count - len(took)} of {count} readings had no receipt within {_LAST_RECEIPT_WITHIN_S:g} s."
        )
    return list(took.values())
