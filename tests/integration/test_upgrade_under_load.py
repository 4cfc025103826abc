"""The schema goes forwards while people press buttons, and the workers restart one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from core.store.migrate import Migration, migrate, migrations
from core.store.migration_rules import violations
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually, unique

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

# What a part is stopped with keeps its sessions: the broker holds its messages meanwhile.
KEPT = {"ingest_telemetry_session_expiry_seconds": 300, "ingest_alarm_session_expiry_seconds": 300}
NEXT = (
    "ALTER TABLE alert ADD COLUMN floor integer;\nALTER TABLE reading ADD COLUMN quality smallint DEFAULT 0;\n",
    "-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS alert_floor;\n"
    "CREATE INDEX CONCURRENTLY alert_floor ON alert (floor);\nDROP INDEX IF EXISTS reading_quality;\n"
    "CREATE INDEX reading_quality ON reading (quality, at) WITH (timescaledb.transaction_per_chunk);\n",
)


@pytest.fixture
async def house(private_stack: RunningStack) -> AsyncIterator[House]:
    await asyncio.to_thread(migrate, private_stack.database_url)
    made = await House(private_stack.database_url, private_stack.mqtt_url).open()
    yield made
    await made.conn.close()


class Load:
    """Devices that press and measure until they are stopped, and count what they sent."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.marks: dict[str, list[tuple[Device, bytes]]] = {"alarm": [], "telemetry": []}

    async def run(self, device: Device, kind: str, body: dict, every_s: float) -> None:
        while not self.stop.is_set():
            sent = await device.send(kind, {"id": unique(kind), **body})
            self.marks[kind].append((device, sent))
            await asyncio.sleep(every_s)

    async def at_least(self, more: int) -> None:
        wanted = len(self.marks["alarm"]) + more
        await eventually(lambda: len(self.marks["alarm"]) >= wanted)


async def test_a_schema_upgrade_under_load_loses_doubles_and_forgets_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    known = migrations()
    further = [Migration(len(known) + n, f"{len(known) + n:04}_trial.sql", sql) for n, sql in enumerate(NEXT, 1)]
    assert [sentence for each in further for sentence in violations(each)] == []
    second_hub = unique("hub")
    await house.add(second_hub)
    load = Load()
    async with AsyncExitStack() as running:
        first, second = [await running.enter_async_context(AsyncExitStack()) for _ in range(2)]
        await first.enter_async_context(house.worker(ingest_worker=1, ingest_workers=2, **KEPT))
        await second.enter_async_context(house.worker(ingest_worker=2, ingest_workers=2, **KEPT))
        devices = [await running.enter_async_context(Device(house.mqtt_url, each)) for each in (house.hub, second_hub)]
        async with asyncio.TaskGroup() as sending:
            for device in devices:
                sending.create_task(load.run(device, "telemetry", {"type": "heart_rate", "value": 71}, 0.004))
                sending.create_task(load.run(device, "alarm", {"type": "sos"}, 0.05))
            await load.at_least(20)  # plans are prepared by now
            monkeypatch.setattr("core.store.migrate.migrations", lambda: [*known, *further])
            assert await asyncio.to_thread(migrate, house.database_url) == 2
            await load.at_least(20)
            for number, worker in ((1, first), (2, second)):
                await worker.aclose()  # what SIGTERM does
                await load.at_least(5)
                await running.enter_async_context(house.worker(ingest_worker=number, ingest_workers=2, **KEPT))
                await load.at_least(5)
            load.stop.set()
        for device, mark in [*load.marks["alarm"], *load.marks["telemetry"]]:
            answer = await device.receipt(mark)
            assert answer["accepted"] + answer["duplicate"] == 1, answer
        presses, readings = len(load.marks["alarm"]), len(load.marks["telemetry"])
        assert readings > 200
        assert await house.one("SELECT count(*) FROM event WHERE type = 'sos'") == presses
        assert await house.one("SELECT count(*) FROM reading") == readings
        rang = "SELECT count(*) FROM alert_event WHERE type IN ('alert.opened', 'alert.pressed')"
        assert await house.one(rang) == presses
        assert await house.one("SELECT count(*) FROM dead_letter") == 0
        assert await house.one("SELECT seq FROM alert_counter") == await house.one("SELECT count(*) FROM alert_event")
        assert await house.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
