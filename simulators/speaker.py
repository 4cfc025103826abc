"""A simulated device with a connection: a hub that speaks for its children, or a watch.

Hubs speak MQTT 5 and keep each event until the platform's receipt; watches speak 3.1.1, know no receipts and keep
each event until the broker's PUBACK, like the devices people buy.
"""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.domain.event_types import Lane
from core.domain.fleet import FleetMember
from core.domain.ids import new_id
from core.runtime.clock import Now
from simulators.homes import Happening
from simulators.link import Incoming, Link, LinkDown, Login
from simulators.outbox import Outbox
from simulators.receipts import Event, ReceiptedSender, lane_of

_EVENTS_A_MESSAGE = 200
_ACK_WITHIN_S = 10.0


@dataclass(slots=True)
class Counts:
    """Of events. `acknowledged`: by a PUBACK or a receipt; for hubs accepted + duplicate + rejected of these."""

    said: int = 0
    acknowledged: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        self.said += other.said
        self.acknowledged += other.acknowledged
        self.accepted += other.accepted
        self.duplicate += other.duplicate
        self.rejected.update(other.rejected)


class Speaker:
    """`start` connects; `say` queues; `close` tells the platform it goes, then disconnects."""

    def __init__(self, member: FleetMember, host: str, port: int, now: Now) -> None:
        self.member, self.now = member, now
        self.is_hub = member.kind == "hub"
        self.counts = Counts()
        self.outbox = Outbox()
        # The session's name tells a late last will of an earlier connection from this one's.
        self.session = str(new_id(now()))
        self._base = f"anxin/v1/{member.device_id}"
        self._wake = {lane: asyncio.Event() for lane in Lane}
        self._tasks: list[asyncio.Task[None]] = []
        self.link = Link(
            Login(host, port, member.username, member.password),
            client_id=f"sim-{member.device_id}",
            mqtt5=self.is_hub,
            read=f"{self._base}/down/#",
            on_message=self._heard,
            on_up=self._greet,
            will=(f"{self._base}/up/status", self._status("offline")),
        )
        self._sender = ReceiptedSender(self.link, member.device_id)

    @property
    def resent(self) -> int:
        return self._sender.resent

    def start(self) -> None:
        self.link.start()
        self._tasks = [asyncio.create_task(self._pump(lane), name=f"{self.member.device_id} {lane}") for lane in Lane]

    async def close(self, *, drain_s: float = 2.0) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                while self.link.up.is_set() and any(self.outbox.waiting(lane) for lane in Lane):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        with suppress(TimeoutError, LinkDown):
            async with asyncio.timeout(drain_s):
                await self.link.publish(f"{self._base}/up/status", self._status("offline"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.close()

    def say(self, happening: Happening) -> None:
        event: Event = {
            "id": str(new_id(happening.at)),
            "at": happening.at.isoformat(timespec="milliseconds"),
            "type": happening.type,
        }
        optional: dict[str, Any] = {"value": happening.value, "device": happening.device, "zone": happening.zone}
        event.update({name: value for name, value in optional.items() if value is not None})
        lane = lane_of(happening.type)
        self.counts.said += 1
        self.outbox.add(lane, event)
        self._wake[lane].set()

    def _status(self, status: str) -> bytes:
        return json.dumps({"status": status, "session": self.session, "at": _text(self.now())}).encode()

    def _greet(self) -> None:
        with suppress(LinkDown):
            self.link.publish(f"{self._base}/up/status", self._status("online"))

    def _heard(self, message: Incoming) -> None:
        if message.topic == self._sender.topic:
            self._sender.heard(message)
        elif message.topic == f"{self._base}/down/command":
            self._obey(message.payload)

    def _obey(self, payload: bytes) -> None:
        """Do what a command asks, which for a simulated device is to say that it was done."""
        try:
            command = json.loads(payload)
            result = {"id": command["id"], "outcome": "done", "at": _text(self.now())}
        except (ValueError, KeyError, TypeError):
            return  # not a command of the contract; a real device would not know what to answer either
        with suppress(LinkDown):
            self.link.publish(f"{self._base}/up/result", json.dumps(result).encode())

    async def _pump(self, lane: Lane) -> None:
        """Send what waits in one lane, oldest first; it leaves the outbox only when it was acknowledged."""
        while True:
            await self._wake[lane].wait()
            self._wake[lane].clear()
            while events := self.outbox.first(lane, _EVENTS_A_MESSAGE):
                if self.is_hub:
                    await self._send_for_receipt(lane, events)
                else:
                    await self._send_for_ack(lane, events)
                self.counts.acknowledged += len(events)
                self.outbox.settle(lane, events)

    async def _send_for_receipt(self, lane: Lane, events: list[Event]) -> None:
        receipt = await self._sender.send(lane, events)
        self.counts.accepted += receipt.accepted
        self.counts.duplicate += receipt.duplicate
        self.counts.rejected.update(receipt.reasons(len(events)))

    async def _send_for_ack(self, lane: Lane, events: list[Event]) -> None:
        payload = json.dumps({"events": events} if len(events) > 1 else events[0], ensure_ascii=False).encode()
        while True:
            await self.link.up.wait()
            try:
                async with asyncio.timeout(_ACK_WITHIN_S):
                    return await self.link.publish(f"{self._base}/up/{lane}", payload)
            except (LinkDown, TimeoutError):
                await asyncio.sleep(0.1)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
