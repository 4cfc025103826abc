"""What the tests of ingest say: a moment, messages, directories."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.contract.codec import decode
from core.contract.event import Decoded, Event, Rejection
from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from core.domain.event_types import Lane
from core.runtime.mqtt import Message
from ingest.admission import admit, assign_keys, delivery_of
from ingest.delivery import Delivery, Piece
from registry.directory import DeviceEntry, Directory

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
RECEIVED = micros(NOW)


def payload(body: Any) -> bytes:
    return json.dumps(body).encode()


def telemetry(body: Any) -> Decoded:
    return decode(body if isinstance(body, bytes) else payload(body), Lane.TELEMETRY, RECEIVED)


def alarm(body: Any) -> Decoded:
    return decode(body if isinstance(body, bytes) else payload(body), Lane.ALARM, RECEIVED)


def one_event(decoded: Decoded) -> Event:
    assert not decoded.rejections, decoded.rejections
    (event,) = decoded.events
    return event


def one_rejection(decoded: Decoded) -> Rejection:
    assert not decoded.events, decoded.events
    (rejection,) = decoded.rejections
    return rejection


class Packet:
    """As the MQTT codec gives it."""

    def __init__(self, topic: str, body: bytes, **options: Any) -> None:
        self.topic, self.payload = topic, body
        self.packet_id = options.get("packet_id", 1)
        self.retain = options.get("retain", False)
        self.duplicate = False
        self.response_topic = options.get("response_topic")
        self.correlation_data = options.get("correlation_data")
        self.user_properties: list[Any] = []


def message(topic: str, body: Any, *, at: datetime = NOW, **options: Any) -> Message:
    raw = body if isinstance(body, bytes) else payload(body)
    return Message(Packet(topic, raw, **options), 1, at.timestamp())  # type: ignore[arg-type]


def device(name: str, number: int, *, hub: str | None = None, lifecycle: str = "active") -> DeviceEntry:
    return DeviceEntry(name, number, lifecycle, hub, uuid4(), "hub")


_DEVICES = [
    device("hub-1", 1),
    device("child-1", 2, hub="hub-1"),
    device("child-gone", 3, hub="hub-1", lifecycle="retired"),
    device("hub-2", 4),
    device("child-2", 5, hub="hub-2"),
    device("hub-gone", 6, lifecycle="retired"),
]
DIRECTORY = Directory(_DEVICES)


def delivery(
    kind: str,
    body: Any,
    *,
    device_id: str = "hub-1",
    at: datetime = NOW,
    copies: CopyCounter | None = None,
    **options: Any,
) -> Delivery:
    """Received and admitted, with keys; `copies` is the worker's memory of nameless alarms."""
    made = delivery_of(message(f"anxin/v1/{device_id}/up/{kind}", body, at=at, **options))
    admit(made, DIRECTORY)
    assign_keys(made, copies or CopyCounter(0))
    return made


def only_piece(made: Delivery) -> Piece:
    (piece,) = made.pieces
    return piece
