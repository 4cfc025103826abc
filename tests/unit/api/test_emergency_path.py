"""The loop of the emergency path with nothing behind it."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from api.emergency.inbox import Inbox
from api.emergency.path import EmergencyPath
from tests.fixtures.api_server import api_settings
from tests.unit.api.emergency_words import NOW, TOWN


async def test_a_flood_of_alarms_lets_those_that_are_due_ring():
    path = EmergencyPath(api_settings(), None, None, None, lambda: NOW, None)  # type: ignore[arg-type]

    def message(n: int) -> Any:
        body = json.dumps({"type": "sos", "id": f"a{n}"}).encode()
        return SimpleNamespace(topic="anxin/v1/hub/up/alarm", payload=body, received_at=NOW.timestamp(), retain=False)

    # Each acknowledgement makes room for as many more: the broker has a million of them.
    taken = 0

    def more(acknowledged: list[Any]) -> None:
        nonlocal taken
        taken += len(acknowledged)
        path._receive([message(taken + n) for n in range(len(acknowledged))])

    path.session = SimpleNamespace(ack=more)  # type: ignore[assignment]
    path._receive([message(n) for n in range(120)])
    await asyncio.wait_for(path._hear(), 5)
    assert taken == 120 and len(path._inbox) == 120


async def test_a_flood_that_nobody_acknowledges_is_held_in_bounds_and_every_cry_of_it_is_heard():
    path = EmergencyPath(api_settings(), None, None, None, lambda: NOW, None)  # type: ignore[arg-type]
    path.places.current, path._inbox = TOWN, Inbox(messages=100, bytes=5000)
    path.session = SimpleNamespace(ack=lambda messages: None)  # type: ignore[assignment]

    def message(device: str, n: int, filling: int = 0) -> Any:
        payload = json.dumps({"type": "sos", "id": f"a{n}", "filling": "x" * filling}).encode()
        topic = f"anxin/v1/{device}/up/alarm"
        return SimpleNamespace(topic=topic, payload=payload, received_at=NOW.timestamp(), retain=False)

    path._receive([message("button", 0)])
    for n in range(1, 1000, 10):
        path._receive([message("watch", n + each) for each in range(10)])
        assert len(path._inbox) <= 100
    path._receive([message("watch", 1001 + n, filling=2000) for n in range(5)])
    assert len(path._inbox) <= 2
    await asyncio.wait_for(path._hear(), 5)
    heard = path.watch.due(asyncio.get_running_loop().time(), away=True)
    assert len(heard) == 1006
    assert {each.hit.occurrence.device_id for each in heard} == {"watch", "button"}
