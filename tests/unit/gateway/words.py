"""Words of these tests: a device that says things to a decoder one after another, and what it came to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.decoders.families import BUS_FAMILY, STREAM_FAMILY
from gateway.decoders.heard import BusMessage, Decoded, Heard, Memory

NOW = datetime(2026, 7, 1, 2, 40, tzinfo=UTC)


class Sayings:
    """What one message came to, over all devices it speaks of."""

    def __init__(self, decoded: Decoded) -> None:
        self.heard: tuple[Heard, ...] = decoded.heard
        self.reply = decoded.reply

    @property
    def events(self) -> list[tuple[str, Any]]:
        return [(event["type"], event.get("value")) for event in self.raw]

    @property
    def raw(self) -> list[dict[str, Any]]:
        return [event for heard in self.heard for event in heard.events]

    @property
    def suspect(self) -> list[str]:
        return [event["type"] for event in self.raw if event.get("quality") == "suspect"]

    @property
    def names(self) -> set[str]:
        return {name.value for heard in self.heard for name in heard.non_events}

    @property
    def reasons(self) -> list[str]:
        return [refusal.reason for heard in self.heard for refusal in heard.refusals]

    @property
    def devices(self) -> list[str | None]:
        return [heard.device for heard in self.heard]

    def value(self, kind: str) -> Any:
        [value] = [value for name, value in self.events if name == kind]
        return value


class Bus:
    """One source on a local bus; its clock only moves when a test says so."""

    def __init__(self, family: str, topic: str, *, call_button: bool | None = None) -> None:
        self.family, self.topic, self.now = BUS_FAMILY[family], topic, NOW
        self.memory = Memory(call_button=call_button)

    def says(self, payload: Any, *, topic: str | None = None, after_s: float = 0, retained: bool = False) -> Sayings:
        self.now += timedelta(seconds=after_s)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        message = BusMessage(topic or self.topic, body, retained)
        decoded = self.family.decode(message, self.memory, self.now)
        self.memory = decoded.memory
        return Sayings(decoded)


class Line:
    """One TCP connection."""

    def __init__(self, family: str, *, now: datetime = NOW) -> None:
        self.family, self.now = STREAM_FAMILY[family], now
        self.device: str | None = None
        self.memory = Memory()

    def sends(self, frame: bytes, *, after_s: float = 0) -> Sayings:
        self.now += timedelta(seconds=after_s)
        self.device = self.family.device_of(frame, self.device)
        decoded = self.family.decode(frame, self.device, self.memory, self.now)
        self.memory = decoded.memory
        return Sayings(decoded)
