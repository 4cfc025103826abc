"""How much of what a family's devices send is understood: counted over lines, every refusal with its reason.

A line of a bus is `{"topic", "payload", "retain"?}`, of a stream `{"frame", "encoding": "hex"|"text"}`; dumps of
Shelly's status and Milesight's payloads are taken as their bridge would have published them.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.decoders.families import BUS_FAMILY, STREAM_FAMILY, StreamFamily
from gateway.decoders.heard import BusMessage, Decoded, Memory
from gateway.decoders.milesight import PORT

Line = Mapping[str, Any]


@dataclass(slots=True)
class Coverage:
    """`refused_lines`: lines that came to nothing but refusals; `refusals` has those beside something good as well."""

    family: str
    lines: int = 0
    with_events: int = 0
    refused_lines: int = 0
    events: Counter[str] = field(default_factory=Counter)
    non_events: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def understood(self) -> float:
        return 1 - self.refused_lines / self.lines if self.lines else 1.0

    def add(self, decoded: Decoded) -> None:
        events = [event for heard in decoded.heard for event in heard.events]
        names = [name for heard in decoded.heard for name in heard.non_events]
        reasons = [refusal.reason for heard in decoded.heard for refusal in heard.refusals]
        # What rings only because a refused frame may have been an alarm does not make the line understood.
        doubtful = sum(refusal.cry for heard in decoded.heard for refusal in heard.refusals)
        self.lines += 1
        self.with_events += len(events) > doubtful
        self.refused_lines += not names and len(events) <= doubtful
        self.events.update(event["type"] for event in events)
        self.non_events.update(name.value for name in names)
        self.refusals.update(reasons)

    def text(self) -> str:
        head = f"{self.family}: {self.lines} lines, {self.understood:.1%} understood, {self.with_events} with events"
        rows = [("events", self.events), ("non-events", self.non_events), ("refused", self.refusals)]
        return "\n".join([head, *(f"  {name}: {_counted(counter)}" for name, counter in rows if counter)])


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda item: -item[1]))


def coverage(family: str, lines: Iterable[Line], now: datetime) -> Coverage:
    """The lines of one family in their order, each source with its memory."""
    counted = Coverage(family)
    for decoded in decoded_lines(family, lines, now):
        counted.add(decoded)
    return counted


def decoded_lines(family: str, lines: Iterable[Line], now: datetime) -> Iterator[Decoded]:
    memories: dict[str | None, Memory] = {}
    for line in lines:
        if family in STREAM_FAMILY:
            yield _of_stream(STREAM_FAMILY[family], frame_of(line), memories, now)
        else:
            yield _of_bus(family, message_of(line), memories, now)


def _of_stream(family: StreamFamily, frame: bytes, memories: dict[str | None, Memory], now: datetime) -> Decoded:
    device = family.device_of(frame, None)
    decoded = family.decode(frame, device, memories.get(device, Memory()), now)
    memories[device] = decoded.memory
    return decoded


def _of_bus(family: str, message: BusMessage, memories: dict[str | None, Memory], now: datetime) -> Decoded:
    row = BUS_FAMILY[family]
    source = row.source_of(message.topic)
    decoded = row.decode(message, memories.get(source, Memory()), now)
    memories[source] = decoded.memory
    return decoded


def frame_of(line: Line) -> bytes:
    frame = str(line["frame"])
    return bytes.fromhex(frame) if line.get("encoding") == "hex" else frame.encode("latin-1")


def message_of(line: Line) -> BusMessage:
    if "payload_hex" in line:
        return _uplink(line)
    if "settings_mqtt" in line:
        settings = line["settings_mqtt"]
        prefix = settings.get("topic_prefix") or f"shellies/{settings.get('id')}"
        return BusMessage(f"{prefix}/status", json.dumps(line["status"]).encode())
    payload = line["payload"]
    body = payload if isinstance(payload, str) else json.dumps(payload)
    return BusMessage(str(line["topic"]), body.encode(), bool(line.get("retain")))


def _uplink(line: Line) -> BusMessage:
    data = base64.b64encode(bytes.fromhex(line["payload_hex"])).decode()
    body = {"deviceInfo": {"deviceProfileName": line["device"]}, "fPort": line.get("fport", PORT), "data": data}
    return BusMessage(f"application/a/device/{line['device']}/event/up", json.dumps(body).encode())
