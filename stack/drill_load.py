"""The devices of a backup drill: they measure and press steadily, wait for receipts, and send again what has none."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from core.domain.fleet import FleetMember
from core.runtime.mqtt import Message, MqttSession, Subscription

_PRESS_EVERY = 50  # one message in so many is a press
_SEND_AGAIN_S = 3.0
_TICK_S = 0.02


@dataclass
class Sent:
    """One event. `at` is unique for its device, so it names the event in the database. Times are time.time()."""

    device_id: str
    lane: str
    at: datetime
    payload: bytes
    receipt_at: float | None = None
    refused: bool = False


@dataclass
class Load:
    """`sent`: by correlation data, in the order of sending."""

    host: str
    port: int
    members: tuple[FleetMember, ...]
    per_second: float
    sent: dict[bytes, Sent] = field(default_factory=dict)
    sessions: dict[str, MqttSession] = field(default_factory=dict)
    last_at: dict[str, datetime] = field(default_factory=dict)

    async def connect(self) -> None:
        """All devices at the broker, each listening for its receipts."""
        for member in self.members:
            name, password = quote(member.username, safe=""), quote(member.password, safe="")
            session = MqttSession(
                f"mqtt://{name}:{password}@{self.host}:{self.port}",
                client_id=f"drill-{member.device_id}",
                on_messages=self._listener(member.device_id),
            )
            await session.start()
            await session.subscribe([Subscription(f"anxin/v1/{member.device_id}/down/receipt")])
            self.sessions[member.device_id] = session
        await asyncio.wait_for(asyncio.gather(*(each.connected.wait() for each in self.sessions.values())), 60)

    async def close(self) -> None:
        await asyncio.gather(*(session.close() for session in self.sessions.values()))

    def _listener(self, device_id: str):  # type: ignore[no-untyped-def]
        def listen(messages: list[Message]) -> None:
            for message in messages:
                sent = self.sent.get(message.correlation_data or b"")
                if sent is not None and sent.receipt_at is None:
                    answer = json.loads(message.payload)
                    sent.refused = bool(answer["rejected"])
                    sent.receipt_at = time.time()
            self.sessions[device_id].ack(messages)

        return listen

    async def send_for(self, seconds: float) -> None:
        """At the rate given, evenly over the devices, on a schedule that does not wait for anybody."""
        began, number = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            while number < passed * self.per_second:
                self._send_new(number)
                number += 1
            await asyncio.sleep(_TICK_S)

    def _send_new(self, number: int) -> None:
        member = self.members[number % len(self.members)]
        device_id = member.device_id
        press = number % _PRESS_EVERY == 0
        at = max(
            datetime.now(UTC), self.last_at.get(device_id, datetime.min.replace(tzinfo=UTC)) + timedelta(microseconds=1)
        )
        self.last_at[device_id] = at
        mark = len(self.sent).to_bytes(8)
        event = {"type": "sos"} if press else {"type": "heart_rate", "value": 60 + number % 40}
        event |= {"id": f"drill-{len(self.sent)}", "at": at.isoformat()}
        sent = Sent(device_id, "alarm" if press else "telemetry", at, json.dumps(event).encode())
        self.sent[mark] = sent
        self._publish(mark, sent)

    def _publish(self, mark: bytes, sent: Sent) -> None:
        """Not waiting for the PUBACK: the receipt is what counts, and what has none is sent again."""
        self.sessions[sent.device_id].publish_nowait(
            f"anxin/v1/{sent.device_id}/up/{sent.lane}",
            sent.payload,
            qos=1,
            response_topic=f"anxin/v1/{sent.device_id}/down/receipt",
            correlation_data=mark,
        )

    async def send_again_until_all_have_receipts(self, seconds: float) -> int:
        """What a device with a receipt-keeping outbox does after a fault; returns how many are still without one."""
        until = time.monotonic() + seconds
        while (waiting := self.without_receipt()) and time.monotonic() < until:
            for mark in waiting:
                self._publish(mark, self.sent[mark])
            for _ in range(int(_SEND_AGAIN_S / _TICK_S)):
                if not self.without_receipt():
                    break
                await asyncio.sleep(_TICK_S)
        return len(self.without_receipt())

    def without_receipt(self) -> list[bytes]:
        return [mark for mark, sent in self.sent.items() if sent.receipt_at is None]
