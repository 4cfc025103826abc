"""Presses of distinct elders, each timed from its schedule to its frame at a real WebSocket client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from core.domain.fleet import FleetMember
from core.errors import Unavailable
from core.runtime.mqtt import BrokerAddress, MqttSession
from simulators.api_client import ApiClient
from simulators.bench.schedule import on_schedule
from simulators.bench.town import Town

_LAST_FRAME_WITHIN_S = 30.0
_CONNECT_AT_ONCE = 50


async def press_latencies(town: Town, watches: Sequence[FleetMember], per_s: float) -> list[float]:
    """Milliseconds from each scheduled press to its `alert.opened` frame. Raises Unavailable if one never came."""
    arrived: dict[str, float] = {}
    due: dict[str, float] = {}
    loop, complete = asyncio.get_running_loop(), asyncio.Event()
    account = town.ready.accounts["admin"]
    client = ApiClient(town.ready.api_url, account.username, account.password)
    await asyncio.to_thread(client.sign_in)
    url = f"{town.ready.api_url.replace('http', 'ws', 1)}/api/v1/live"

    async with (
        _connected(town, watches) as sessions,
        connect(url, additional_headers={"Authorization": f"Bearer {client.token}"}, max_size=None) as console,
    ):
        await console.recv()  # hello

        async def listen() -> None:
            async for text in console:
                at = loop.time()
                frame = json.loads(text)
                if frame["type"] == "alert.opened":
                    arrived.setdefault(frame["data"]["evidence"][0]["device_id"], at)
                    if len(arrived) == len(watches):
                        complete.set()

        async def press(n: int, scheduled: float) -> None:
            device = watches[n].device_id
            due[device] = scheduled
            await sessions[n].publish(f"anxin/v1/{device}/up/alarm", b'{"type":"sos"}')

        listening = asyncio.create_task(listen())
        await on_schedule(len(watches), per_s, press)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(complete.wait(), _LAST_FRAME_WITHIN_S)
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
    if missing := len(due) - len(arrived):
        raise Unavailable(f"{missing} of {len(due)} presses never reached the console.")
    return [(arrived[device] - at) * 1000 for device, at in due.items()]


@asynccontextmanager
async def _connected(town: Town, members: Sequence[FleetMember]) -> AsyncIterator[list[MqttSession]]:
    """One connection a device, as in life; all are up before the first press."""
    sessions = [MqttSession(address(town, member), client_id=f"bench-{member.device_id}") for member in members]
    try:
        for start in range(0, len(sessions), _CONNECT_AT_ONCE):
            batch = sessions[start : start + _CONNECT_AT_ONCE]
            await asyncio.gather(*(session.start() for session in batch))
            async with asyncio.timeout(60):
                await asyncio.gather(*(session.connected.wait() for session in batch))
        yield sessions
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


def address(town: Town, member: FleetMember) -> BrokerAddress:
    return BrokerAddress(
        host=town.ready.mqtt_host, port=town.ready.mqtt_port, username=member.username, password=member.password
    )
