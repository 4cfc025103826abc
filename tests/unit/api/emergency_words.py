"""Words for the tests of the emergency path: a small town in memory, and messages of its devices."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.emergency.hearing import Heard, heard_in
from api.emergency.watch import Stored
from core.contract.event_time import micros
from core.contract.keys import CopyCounter
from registry.attribution import Attribution
from registry.scope_map import PlacedDevice, ScopeMap

NOW = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
CENTRE, OTHER_CENTRE = UUID(int=1), UUID(int=2)
ELDER, NEIGHBOUR = UUID(int=11), UUID(int=12)
ALERT = UUID(int=99)


def place(elder: UUID) -> Attribution:
    return Attribution("elder", str(elder), elder, (elder,), CENTRE, "310101001001")


DEFAULT = Attribution("device", "", None, (), OTHER_CENTRE, "330102003004")
TOWN = ScopeMap(
    devices={
        "watch": PlacedDevice("watch", 1, "active", None, place(ELDER)),
        "pendant": PlacedDevice("pendant", 2, "active", None, place(ELDER)),
        "button": PlacedDevice("button", 3, "active", None, place(NEIGHBOUR)),
        "hub": PlacedDevice("hub", 4, "active", None, DEFAULT),
        "child": PlacedDevice("child", 5, "active", "hub", place(ELDER)),
        "old": PlacedDevice("old", 6, "retired", None, place(ELDER)),
    },
    nobodys=DEFAULT,
)


def hear(
    body: Any, device: str = "watch", *, after_s: float = 0, copies: CopyCounter | None = None, town: ScopeMap = TOWN
) -> list[Heard]:
    """What rings in a message of the alarm lane that was received at NOW + after_s."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    received = micros(NOW + timedelta(seconds=after_s))
    return heard_in(f"anxin/v1/{device}/up/alarm", payload, received, town, copies or CopyCounter(0))


def press(id: str | None = None, device: str = "watch", **more: Any) -> Heard:
    [heard] = hear({"type": "sos", **({"id": id} if id else {})}, device, **more)
    return heard


def stored(heard: Heard, alert: UUID = ALERT, *, key: str | None = None, after_s: float = 0) -> Stored:
    """The alert event of the cry; `key`: as another listener counted it."""
    device, own, type = heard.key
    received = heard.hit.occurrence.received_at + timedelta(seconds=after_s)
    return Stored((device, key or own, type), received, alert)
