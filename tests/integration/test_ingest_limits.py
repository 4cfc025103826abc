"""Above its rate: what a device is told, what is kept, who is told of it, and that the accounts close."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from alerts.platform.accounting import count_slice
from tests.fixtures.ingest_house import Device, House, eventually


@pytest.fixture
async def house(database, stack_session):
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


def beats(count, **more):
    return {"events": [{"type": "heartbeat", "id": f"{n}-{id(more)}", **more} for n in range(count)]}


async def test_excess_is_refused_by_index_kept_in_few_letters_and_alarms_pass(house):
    async with house.worker(ingest_device_burst_events=10), Device(house.mqtt_url, house.hub) as hub:
        told = await hub.tell("telemetry", beats(200, device=house.child))
        assert 10 <= told["accepted"] < 20
        assert {each["reason"] for each in told["rejected"]} == {"rate_limited"}
        assert told["accepted"] + len(told["rejected"]) == 200
        # Its hub and what calls for help have their own way.
        assert (await hub.tell("telemetry", {"type": "heartbeat", "id": "own"}))["accepted"] == 1
        assert (await hub.tell("alarm", {"type": "sos", "device": house.child, "id": "press"}))["accepted"] == 1
        suspected = {"type": "fall_suspected", "device": house.child, "id": "fall"}
        assert (await hub.tell("telemetry", suspected))["accepted"] == 1
    letters = await house.rows("SELECT reason, event_index, events FROM dead_letter")
    assert sum(events for _, _, events in letters) == len(told["rejected"])
    assert len(letters) < 5
    now = datetime.now(UTC)
    assert await count_slice(house.conn, now - timedelta(minutes=5), now + timedelta(minutes=1)) == []


async def test_a_flood_raises_an_alert_about_the_device_and_calm_takes_it_back(house):
    changes = {"ingest_device_events_per_second": 1, "ingest_device_burst_events": 1, "ingest_flood_seconds": 1}

    async def alert(status):
        return await house.rows("SELECT subject_id FROM alert WHERE rule = 'device_flood' AND status = %s", status)

    async with house.worker(**changes), Device(house.mqtt_url, house.hub) as hub:
        flooding = asyncio.Event()

        async def flood():
            while not flooding.is_set():
                await hub.tell("telemetry", beats(5, device=house.child))

        sending = asyncio.create_task(flood())
        assert await eventually(lambda: alert("open")) == [(house.child,)]
        flooding.set()
        await sending

        async def closed():
            await hub.tell("telemetry", {"type": "help_request"})
            return await alert("closed")

        assert await eventually(closed) == [(house.child,)]


async def test_two_workers_to_whom_the_broker_deals_messages_out_give_half_of_the_rate_each(house):
    shared = {"ingest_subscription": "shared"}
    async with house.worker(**shared) as first, house.worker(ingest_worker=2, **shared) as second:
        await eventually(lambda: all(worker.lanes[1].rates._step == 40_000 for worker in (first, second)))
