"""What the codec makes of a payload: events that may be stored, and refusals with their reason."""

from dataclasses import dataclass, field
from typing import Any, Literal

from core.domain.event_types import EventType

# Microseconds since 1970-01-01 UTC. An int, because a batch compares, groups and packs thousands of them.
Micros = int

# A time as it was stated: read, or in words when it cannot be read, or None when there was none.
Stated = Micros | str | None

Reason = Literal[
    "malformed_json",
    "too_large",
    "too_many_events",
    "unknown_type",
    "bad_value",
    "out_of_range",
    "time_out_of_range",
    "unknown_device",
    "retired_device",
    "unknown_child",
    "wrong_lane",
    "rate_limited",
]


class Refused(Exception):
    """One event or message breaks the contract. Ends as a rejection, never as a traceback."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


@dataclass(slots=True)
class Event:
    """One event that keeps the contract. `at` is within the allowed window.

    `stated_at` is the device's own `at` (parsed; as it was written when unreadable; None when absent): the key
    is made of what the device said, not of what we made of it. `source` is the decoded JSON, for a dead letter.
    """

    index: int
    type: EventType
    value: Any
    at: Micros
    id: str | None
    stated_at: Micros | str | None
    child: str | None
    suspect: bool
    clock_suspect: bool
    zone: str | None
    source: Any


@dataclass(frozen=True, slots=True)
class Cry:
    """What is known of a cry for help whose event or message is refused: it rings all the same.

    `child` is as claimed; `device_id`, `device_no` are filled in when it is a child of the publishing hub.
    """

    type: str
    at: Micros
    clock_suspect: bool
    value: Any = None
    zone: str | None = None
    child: str | None = None
    device_id: str | None = None
    device_no: int | None = None


@dataclass(slots=True)
class Rejection:
    """`index` None refuses the whole message; then `source` is None and the payload is the dead letter."""

    index: int | None
    reason: Reason
    detail: str
    id: str | None = None
    source: Any = None
    cries: list[Cry] = field(default_factory=list)


@dataclass(slots=True)
class Decoded:
    """`sent_at` is the message's."""

    events: list[Event]
    rejections: list[Rejection]
    sent_at: Stated = None

    def add(self, result: Event | Rejection) -> None:
        if type(result) is Event:
            self.events.append(result)
        else:
            assert isinstance(result, Rejection)
            self.rejections.append(result)


# An alarm that cannot be read is still an alarm: the rule of this name rings for it.
UNREADABLE_ALARM = "unreadable_alarm"
