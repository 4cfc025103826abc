"""Presses of distinct elders, each timed from its schedule to its frame at a real WebSocket client."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import connect

from core.domain.fleet import FleetMember
from core.errors import Unavailable
from core.runtime.mqtt import BrokerAddress, MqttSession
from simulators.api_client import ApiClient
from simulators.bench.load_frames import publish
from simulators.bench.load_links import connect_frame
from simulators.bench.schedule import on_schedule
from simulators.bench.town import Town

OPENED, PROVISIONAL = "alert.opened", "alert.provisional"
_LAST_FRAME_WITHIN_S = 30.0
_CONNECT_AT_ONCE = 50
_SOS = b'{"type":"sos"}'
_ANEW_WITHIN_S, _ANEW_PAUSE_S = 10.0, 0.1
_CONNACK_AND_PUBACK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Pressed:
    """When each device's press was due, and when the first frame of each type about it came, in the loop's time."""

    due: dict[str, float] = field(default_factory=dict)
    frames: dict[str, dict[str, float]] = field(default_factory=lambda: {OPENED: {}, PROVISIONAL: {}})

    def latencies_ms(self, frame: str) -> list[float]:
        """Of the presses that had such a frame."""
        return [(at - self.due[device]) * 1000 for device, at in self.frames[frame].items() if device in self.due]

    def without(self, frame: str) -> int:
        return len(self.due.keys() - self.frames[frame].keys())


@dataclass(frozen=True, slots=True)
class Gate:
    """`ready`: all that is needed is connected; `begin`: now press."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    begin: asyncio.Event = field(default_factory=asyncio.Event)

    async def passed(self) -> None:
        """Say that all is connected and wait to be let through."""
        self.ready.set()
        await self.begin.wait()


async def press_latencies(town: Town, watches: Sequence[FleetMember], per_s: float) -> list[float]:
    """Milliseconds from each scheduled press to its `alert.opened` frame. Raises Unavailable if one never came."""
    pressed = await press(town, watches, per_s)
    if missing := pressed.without(OPENED):
        raise Unavailable(f"{missing} of {len(watches)} presses never reached the console.")
    return pressed.latencies_ms(OPENED)


async def press(
    town: Town,
    watches: Sequence[FleetMember],
    per_s: float,
    *,
    gate: Gate | None = None,
    anew: bool = False,
    within_s: float = _LAST_FRAME_WITHIN_S,
) -> Pressed:
    """Press each watch once, on schedule, and listen until each has an alert or `within_s` after the last are over.

    All is connected before the first press, which waits at the `gate`; `anew`: each press connects for itself instead.
    """
    pressed = Pressed()
    async with (
        _connected(town, () if anew else watches) as sessions,
        _console(town, pressed, {watch.device_id for watch in watches}) as complete,
    ):

        async def one(n: int, scheduled: float) -> None:
            device = watches[n].device_id
            pressed.due[device] = scheduled
            if anew:
                await _press_anew(town, watches[n])
            else:
                await sessions[n].publish(f"anxin/v1/{device}/up/alarm", _SOS)

        if gate is not None:
            await gate.passed()
        await on_schedule(len(watches), per_s, one)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(complete.wait(), within_s)
    return pressed


async def _press_anew(town: Town, member: FleetMember) -> None:
    """As a watch does that slept: connect, press, go; again until it was acknowledged. The event's id stays."""
    topic = f"anxin/v1/{member.device_id}/up/alarm".encode()
    payload = json.dumps({"type": "sos", "id": f"press-{member.device_id}"}).encode()
    words = connect_frame(member, f"press-{member.device_id}") + publish(
        struct.pack(">H", len(topic)) + topic, 1, payload
    )
    while True:
        try:
            async with asyncio.timeout(_ANEW_WITHIN_S):
                reader, writer = await asyncio.open_connection(town.ready.mqtt_host, town.ready.mqtt_port)
                writer.write(words)
                await reader.readexactly(_CONNACK_AND_PUBACK_BYTES)
                writer.close()
                return
        except (OSError, EOFError):
            await asyncio.sleep(_ANEW_PAUSE_S)


@asynccontextmanager
async def _console(town: Town, pressed: Pressed, expected: set[str]) -> AsyncIterator[asyncio.Event]:
    """A WebSocket client that notes when frames come; the event says that the expected devices have their alert.

    Others have alerts, too: that a part of the platform is silent is one.
    """
    loop, complete = asyncio.get_running_loop(), asyncio.Event()
    account = town.ready.accounts["admin"]
    client = ApiClient(town.ready.api_url, account.username, account.password)
    await asyncio.to_thread(client.sign_in)
    headers = {"Authorization": f"Bearer {client.token}"}
    async with connect(town.ready.live_url, additional_headers=headers, max_size=None) as console:
        await console.recv()  # hello

        async def listen() -> None:
            async for text in console:
                at = loop.time()
                frame = json.loads(text)
                if (seen := pressed.frames.get(frame["type"])) is not None:
                    seen.setdefault(frame["data"]["evidence"][0]["device_id"], at)
                    if expected <= pressed.frames[OPENED].keys():
                        complete.set()

        listening = asyncio.create_task(listen())
        try:
            yield complete
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


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
