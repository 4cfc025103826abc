"""The worker as a service: its pages, its pulse, its commands to devices, its way out."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from registry import commands
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
async def hub(house: House) -> AsyncIterator[Device]:
    async with Device(house.mqtt_url, house.hub) as made:
        yield made


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_the_pages_say_alive_ready_and_what_was_counted(house, hub):
    port = free_port()
    async with house.worker(ingest_status_port=port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as pages:
        assert (await pages.get("/healthz")).json() == {"alive": True}
        answer = await pages.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (
            200,
            {"database": "ok", "alarm": "ok", "telemetry": "ok"},
        )
        assert (await pages.get("/metrics")).status_code == 200


async def test_the_pulse_carries_a_watermark_near_now_while_all_is_well(house, hub):
    async with house.worker(ingest_worker=7, ingest_workers=7, ingest_subscription="shared"):
        await hub.tell("telemetry", {"type": "heartbeat"})
        (detail, at) = (
            await eventually(lambda: house.rows("SELECT detail, at FROM component_pulse WHERE component = 'ingest-7'"))
        )[0]
    assert at - timedelta(seconds=3) <= datetime.fromisoformat(detail["watermark"]) <= at
    assert detail["in_flight"] == {"alarm": 0, "telemetry": 0}


async def test_metrics_say_what_the_counters_of_the_database_say(house, hub):
    async with house.worker() as worker:
        body = {"events": [{"type": "heart_rate", "value": v, "id": str(v)} for v in (70, 71, 7)]}
        await hub.tell("telemetry", body)
        await hub.tell("telemetry", body)
        metrics = worker._metrics
        for outcome, events in (await house.counts("telemetry")).items():
            assert metrics.events.labels("telemetry", outcome)._value.get() == events
        assert metrics.rejected.labels("telemetry", "out_of_range")._value.get() == 2
        assert metrics.receipts.labels("sent")._value.get() == 2


async def test_a_command_reaches_its_device_once_and_its_answer_comes_back(house, hub):
    now = datetime.now(UTC)
    async with house.worker(ingest_workers=2), house.worker(ingest_worker=2, ingest_workers=2):
        command = await commands.enqueue(house.conn, house.child, "ring", {"seconds": 5}, now=now)
        await eventually(lambda: hub.got)
        (message,) = hub.got
        assert not message.retain
        assert json.loads(message.payload) == {
            "id": str(command.id),
            "type": "ring",
            "device": house.child,
            "params": {"seconds": 5},
            "expires_at": command.expires_at.isoformat(),
        }
        await hub.tell("result", {"id": str(command.id), "outcome": "done", "detail": "rang", "at": now.isoformat()})
        found = await commands.get(house.conn, command.id)
        assert (found.status, found.detail) == ("done", "rang")
        again = await hub.tell("result", {"id": str(command.id), "outcome": "failed"})
        assert again == {"accepted": 0, "duplicate": 1, "rejected": []}
        bad = await hub.tell("result", {"id": "seven", "outcome": "done"})
        assert bad["rejected"] == [{"index": None, "reason": "bad_value"}]
        await asyncio.sleep(0.3)
        assert len(hub.got) == 1


async def test_a_command_that_ran_out_is_never_sent(house, hub):
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    command = await commands.enqueue(house.conn, house.hub, "locate", now=long_ago)
    async with house.worker():

        async def expired() -> bool:
            return (await commands.get(house.conn, command.id)).status == "expired"

        await eventually(expired)
    assert hub.got == []


async def test_a_database_of_another_schema_is_refused_with_a_sentence(house):
    await house.conn.execute("UPDATE schema_migration SET version = 900 WHERE version = 1")
    from core.errors import SchemaMismatch

    with pytest.raises(SchemaMismatch, match="schema version 900"):
        async with house.worker():
            pass
