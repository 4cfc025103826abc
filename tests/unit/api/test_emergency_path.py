"""The loop of the emergency path with nothing behind it."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from api.emergency.path import EmergencyPath
from tests.fixtures.api_server import api_settings
from tests.unit.api.emergency_words import NOW


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
