"""Servers that go away and come back, workers that stop, data the database refuses: nothing acknowledged is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from psycopg import AsyncConnection

from core.contract.keys import STEP
from core.store.migrate import migrate
from stack import servers
from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually, unique

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ACCEPTED = {"accepted": 1, "duplicate": 0, "rejected": []}
# Only with servers of one's own: a session that is kept takes its share of the next test's messages.
KEPT = {"ingest_telemetry_session_expiry_seconds": 300, "ingest_alarm_session_expiry_seconds": 300}


@pytest.fixture
async def house(database: str, stack_session: RunningStack) -> AsyncIterator[House]:
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
async def hub(house: House) -> AsyncIterator[Device]:
    async with Device(house.mqtt_url, house.hub) as made:
        yield made


@pytest.fixture
async def own_house(private_stack: RunningStack) -> AsyncIterator[House]:
    """With servers of its own, to stop and start."""
    await asyncio.to_thread(migrate, private_stack.database_url)
    made = await House(private_stack.database_url, private_stack.mqtt_url).open()
    yield made
    await made.conn.close()


async def test_with_the_database_away_everything_is_on_disk_acknowledged_and_stored_afterwards(
    own_house, private_stack
):
    house, folder = own_house, private_stack.data_dir
    async with house.worker(**KEPT) as worker, Device(house.mqtt_url, house.hub) as hub:
        await house.conn.close()
        await asyncio.to_thread(servers.stop_database, folder)
        marks = [await hub.send("telemetry", {"id": f"t{n}", "type": "heart_rate", "value": 70}) for n in range(30)]
        marks += [await hub.send("alarm", {"id": f"a{n}", "type": "sos"}) for n in range(3)]
        await eventually(lambda: sum(lane.spool.numbers.messages for lane in worker.lanes) == 33)
        await eventually(lambda: sum(lane.session.in_flight for lane in worker.lanes) == 0)
        assert hub.receipts == {}
        assert all(lane.trouble for lane in worker.lanes)
        assert worker.lanes[0].oldest is not None
        await asyncio.to_thread(servers.start_database, folder)
        for mark in marks:
            answer = await hub.receipt(mark)
            assert answer["accepted"] + answer["duplicate"] == 1
        await eventually(lambda: not any(lane.trouble for lane in worker.lanes))
        assert [lane.spool.numbers.messages for lane in worker.lanes] == [0, 0]
        assert [lane.unaccounted for lane in worker.lanes] == [0, 0]
        assert list(house.spool_dir.rglob("*.seg")) == []
    house.conn = await AsyncConnection.connect(house.database_url, autocommit=True)
    assert await house.one("SELECT count(*) FROM reading") == 30
    assert await house.one("SELECT count(*) FROM event") == 3
    assert await house.rows("SELECT presses FROM alert") == [(3,)]
    assert await house.counts("alarm") == {"received": 3, "accepted": 3}


async def test_what_a_worker_put_on_disk_before_it_stopped_is_stored_by_its_next_life(own_house, private_stack):
    house, folder = own_house, private_stack.data_dir
    async with Device(house.mqtt_url, house.hub) as hub:
        async with house.worker(**KEPT, ingest_stop_seconds=0.2) as worker:
            await asyncio.to_thread(servers.stop_database, folder)
            mark = await hub.send("alarm", {"id": "kept", "type": "sos"})
            await eventually(lambda: worker.lanes[0].spool.numbers.messages)
        assert hub.receipts == {}
        await asyncio.to_thread(servers.start_database, folder)
        async with house.worker(**KEPT):
            assert (await hub.receipt(mark))["accepted"] == 1


async def test_a_broker_that_restarts_in_the_middle_loses_and_doubles_nothing(own_house, private_stack):
    house, folder = own_house, private_stack.data_dir
    async with house.worker(**KEPT), Device(house.mqtt_url, house.hub) as hub:

        async def publish(n: int) -> None:
            while True:  # as a gateway does: send again until the receipt is there
                try:
                    mark = await hub.send("telemetry", {"id": f"t{n}", "type": "heart_rate", "value": 70})
                    async with asyncio.timeout(3):
                        await hub.receipt(mark)
                    return
                except Exception:
                    await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for n in range(200):
                group.create_task(publish(n))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(servers.stop_broker, folder)
            await asyncio.to_thread(servers.start_broker, folder)
    assert await house.one("SELECT count(*) FROM reading") == 200
    assert (await house.counts("telemetry"))["accepted"] == 200


async def test_what_is_published_after_a_broker_restart_before_ingest_is_back_is_stored(own_house, private_stack):
    """Mosquitto forgets shared subscriptions at a restart: what it acknowledged meanwhile would be gone."""
    house, folder = own_house, private_stack.data_dir
    hubs = [house.hub, *[unique("hub") for _ in range(3)]]
    for each in hubs[1:]:
        await house.add(each)
    two = {**KEPT, "ingest_workers": 2}
    async with house.worker(**two), house.worker(ingest_worker=2, **two):
        pass
    await asyncio.to_thread(servers.stop_broker, folder)
    await asyncio.to_thread(servers.start_broker, folder)
    async with AsyncExitStack() as speaking:
        devices = [await speaking.enter_async_context(Device(house.mqtt_url, each)) for each in hubs]
        for device in devices:
            for n in range(10):
                await device.send("telemetry", {"id": f"t{n}", "type": "heart_rate", "value": 70})
        async with house.worker(**two), house.worker(ingest_worker=2, **two):
            await eventually(lambda: sum(len(device.receipts) for device in devices) == 40)
    assert await house.one("SELECT count(*) FROM reading") == 40
    one, other = await house.counts("telemetry", 1), await house.counts("telemetry", 2)
    assert one.get("accepted", 0) + other.get("accepted", 0) == 40
    assert one.get("received", 0) + other.get("received", 0) == 40


async def test_two_workers_that_get_copies_of_each_alarm_store_it_once(house, hub):
    async with house.worker(ingest_workers=2), house.worker(ingest_worker=2, ingest_workers=2):
        # Past the step in which the workers began: from here on they count nameless alarms alike.
        await asyncio.sleep((STEP / 1e6) - datetime.now(UTC).timestamp() % (STEP / 1e6) + 0.5)
        marks = [await hub.send("alarm", {"id": f"a{n}", "type": "sos"}) for n in range(20)]
        marks += [await hub.send("alarm", {"type": "sos"}) for _ in range(3)]
        marks.append(await hub.send("alarm", b"torn"))
        await eventually(lambda: all(len(hub.receipts.get(mark, [])) == 2 for mark in marks))
        for mark in marks[:-1]:
            assert [{**answer, "server_time": 0} for answer in hub.receipts[mark]] == [
                {**ACCEPTED, "server_time": 0}
            ] * 2
        again = await hub.send("alarm", {"id": "a0", "type": "sos"})
        await eventually(lambda: len(hub.receipts.get(again, [])) == 2)
        assert [answer["duplicate"] for answer in hub.receipts[again]] == [1, 1]
    assert await house.one("SELECT count(*) FROM event") == 23
    assert await house.one("SELECT count(*) FROM dead_letter") == 1
    alerts = await house.rows("SELECT rule, presses FROM alert ORDER BY rule")
    assert alerts == [("sos", 23), ("unreadable_alarm", 1)]
    one, two = await house.counts("alarm", 1), await house.counts("alarm", 2)
    assert one["received"] == two["received"] == 25
    assert one.get("accepted", 0) + two.get("accepted", 0) == 23
    assert one.get("echo", 0) + two.get("echo", 0) == 24
    assert one["duplicate"] == two["duplicate"] == 1
    for counts in (one, two):
        received = counts.pop("received")
        assert received == sum(counts.values())


async def test_what_the_database_refuses_is_found_by_halving_and_its_neighbours_are_stored(house, hub):
    await house.conn.execute("ALTER TABLE reading ADD CONSTRAINT poison CHECK (value <> 42)")
    events = [{"id": f"{n}", "type": "heart_rate", "value": 42 if n in (3, 17) else 70} for n in range(40)]
    async with house.worker():
        mark = await hub.send("telemetry", {"events": events})
        answer = await hub.receipt(mark)
        assert answer["accepted"] == 38
        assert answer["rejected"] == [{"index": n, "reason": "bad_value"} for n in (3, 17)]
        # An event rejected once is rejected again.
        assert await hub.tell("telemetry", {"events": events[3:4]}) == {
            "accepted": 0,
            "duplicate": 0,
            "rejected": [{"index": 0, "reason": "bad_value"}],
        }
    assert await house.one("SELECT count(*) FROM reading") == 38
    assert await house.counts("telemetry") == {"received": 41, "accepted": 38, "rejected": 3}


async def test_an_alarm_that_the_database_refuses_rings_all_the_same(house, hub):
    await house.conn.execute("ALTER TABLE event ADD CONSTRAINT poison CHECK (zone <> 'poison')")
    async with house.worker():
        answer = await hub.tell("alarm", {"id": "1", "type": "sos", "zone": "poison", "device": house.child})
    assert answer["rejected"] == [{"index": 0, "reason": "bad_value"}]
    assert await house.rows("SELECT rule, subject_id FROM alert") == [("sos", house.child)]


async def test_an_alarm_does_not_wait_for_a_row_of_state_that_another_transaction_holds(house, hub):
    async with house.worker():
        await hub.tell("telemetry", {"id": "1", "type": "heartbeat"})
        async with house.conn.transaction():
            await house.conn.execute("SELECT FROM device_state FOR UPDATE")
            assert await hub.tell("alarm", {"id": "2", "type": "sos"}) == ACCEPTED


async def test_a_worker_frozen_in_the_middle_of_an_alarm_does_not_hold_it_back_for_long(house, hub):
    """The frozen worker is a connection as its lane opens it, with the alarm's key entered and nothing after it."""
    from core.contract.keys import _digest
    from ingest.database import LaneDatabase

    frozen = LaneDatabase(house.database_url, name="frozen", emergency=True)
    async with house.worker():
        with pytest.raises(Exception, match="idle-in-transaction"):
            async with frozen.transaction() as conn:
                await conn.execute(
                    "INSERT INTO event_key VALUES (%s, %s, 2, now())", (house.hub_no, _digest("i", "press"))
                )
                assert await hub.tell("alarm", {"id": "press", "type": "sos"}) == ACCEPTED
                await conn.execute("SELECT 1")
    assert await house.one("SELECT count(*) FROM event") == 1


async def test_a_stop_commits_and_acknowledges_what_is_in_hand_and_the_next_worker_gets_the_rest(own_house):
    house = own_house
    async with Device(house.mqtt_url, house.hub) as hub:
        async with house.worker(**KEPT):
            await asyncio.gather(
                *(hub.send("telemetry", {"id": f"t{n}", "type": "heart_rate", "value": 70}) for n in range(600))
            )
        first = await house.counts("telemetry")
        assert first.get("received", 0) == first.get("accepted", 0)
        async with house.worker(**KEPT):
            await eventually(lambda: len(hub.receipts) == 600)
    assert await house.one("SELECT count(*) FROM reading") == 600
    counts = await house.counts("telemetry")
    assert counts["accepted"] == 600
    assert counts["received"] == sum(counts.values()) - counts["received"]


async def test_quality_0_beyond_the_bound_is_dropped_and_counted(house, hub):
    block = {"ingest_overflow_bytes": 1024 * 1024, "ingest_batch_max_age_ms": 1000}
    async with house.worker(**block), Device(house.mqtt_url, unique("silent")):
        padding = " " * 200_000
        for n in range(12):
            await hub.send("telemetry", (f'{{"type":"heartbeat","id":"{n}"}}' + padding).encode(), qos=0)
        await eventually(lambda: len(hub.receipts) >= 6)

        async def all_counted() -> bool:
            return (await house.counts("telemetry")).get("received") == 12

        await hub.tell("telemetry", {"type": "heartbeat", "id": "last"})
        counts = await house.counts("telemetry")
        assert counts["received"] == 13
        assert counts["ignored"] == 12 + 1 - counts["accepted"] > 0
