"""Events through the real broker into the real database: what is stored, answered and counted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stack.servers import RunningStack
from tests.fixtures.ingest_house import Device, House, eventually, unique

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


def rejected(index: int | None, reason: str) -> dict[str, object]:
    return {"accepted": 0, "duplicate": 0, "rejected": [{"index": index, "reason": reason}]}


ACCEPTED = {"accepted": 1, "duplicate": 0, "rejected": []}
DUPLICATE = {"accepted": 0, "duplicate": 1, "rejected": []}


async def test_each_kind_of_event_ends_in_its_table_as_the_child_that_said_it(house, hub):
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    events: list[dict[str, Any]] = [
        {"id": "1", "type": "heart_rate", "value": 72, "quality": "suspect"},
        {"id": "2", "type": "blood_pressure", "value": {"systolic": 130, "diastolic": 85, "pulse": None}},
        {"id": "3", "type": "position", "value": {"lat": 28.68, "lng": 115.86, "accuracy_m": 12, "source": "gps"}},
        {"id": "4", "type": "motion", "value": True, "zone": "厨房"},
        {"id": "5", "type": "contact", "value": {"open": True, "angle": 30}},
        {"id": "6", "type": "heartbeat", "device": None},
    ]
    events = [{"at": at.isoformat(), "device": house.child, **event} for event in events]
    async with house.worker():
        answer = await hub.tell("telemetry", {"sent_at": at.isoformat(), "events": events})
    assert answer == {"accepted": 6, "duplicate": 0, "rejected": []}
    readings = await house.rows("SELECT device_no, metric, at, value, suspect FROM reading ORDER BY metric")
    assert readings == [
        (house.child_no, 1, at, 72.0, True),
        (house.child_no, 5, at, 130.0, False),
        (house.child_no, 6, at, 85.0, False),
    ]
    assert await house.rows("SELECT * FROM position") == [(house.child_no, at, 28.68, 115.86, 12.0, "gps")]
    found = await house.rows("SELECT device_no, at, type, value, zone, length(key) FROM event ORDER BY type")
    assert found == [
        (house.child_no, at, "contact", {"open": True, "angle": 30}, None, 16),
        (house.hub_no, at, "heartbeat", None, None, 16),
        (house.child_no, at, "motion", True, "厨房", 16),
    ]
    assert await house.counts("telemetry") == {"received": 6, "accepted": 6}


async def test_an_sos_is_stored_at_once_and_opens_an_alert_in_the_same_transaction(house, hub):
    async with house.worker():
        assert await hub.tell("alarm", {"id": "press-1", "type": "sos", "device": house.child}) == ACCEPTED
        alerts = await house.rows("SELECT rule, severity, presses FROM alert")
    assert alerts == [("sos", "p0", 1)]
    assert await house.one("SELECT count(*) FROM event WHERE type = 'sos' AND device_no = %s", house.child_no) == 1


async def test_the_same_id_from_twenty_clients_at_once_is_one_event_and_one_alert(house, hub):
    async with house.worker(), asyncio.TaskGroup() as group:
        clients = [await Device(house.mqtt_url, house.hub).__aenter__() for _ in range(20)]

        async def press(client: Device) -> None:
            for _ in range(50):
                await client.send("alarm", {"id": "one-press", "type": "sos"})

        tasks = [group.create_task(press(client)) for client in clients]
        await asyncio.wait(tasks)
        await eventually(lambda: len(hub.receipts) == 1000, seconds=60)
        for client in clients:
            await client.__aexit__()
    answers = [answer for (answer,) in hub.receipts.values()]
    assert sum(answer["accepted"] for answer in answers) == 1
    assert sum(answer["duplicate"] for answer in answers) == 999
    assert await house.one("SELECT count(*) FROM event") == 1
    assert await house.rows("SELECT rule, presses FROM alert") == [("sos", 1)]
    assert await house.counts("alarm") == {"received": 1000, "accepted": 1, "duplicate": 999}


async def test_a_thousand_presses_of_one_button_are_a_thousand_events_and_one_alert(house, hub):
    async with house.worker():
        await asyncio.gather(*(hub.send("alarm", {"id": f"press-{n}", "type": "sos"}) for n in range(1000)))
        await eventually(lambda: len(hub.receipts) == 1000, seconds=60)
    assert await house.one("SELECT count(*) FROM event") == 1000
    assert await house.rows("SELECT rule, presses FROM alert") == [("sos", 1000)]
    assert await house.counts("alarm") == {"received": 1000, "accepted": 1000}


async def test_what_was_said_before_is_a_duplicate_by_id_by_time_and_by_content(house, hub):
    at = datetime.now(UTC).isoformat()
    async with house.worker():
        for body in (
            {"id": "a", "type": "heart_rate", "value": 70},
            {"at": at, "type": "spo2", "value": 97},
            {"type": "temperature", "value": 21.5},
        ):
            assert await hub.tell("telemetry", body) == ACCEPTED
            assert await hub.tell("telemetry", body) == DUPLICATE
        assert await hub.tell("telemetry", {"at": at, "type": "spo2", "value": 96}) == ACCEPTED
        # The same id counts once whatever else the event says.
        assert await hub.tell("telemetry", {"id": "a", "type": "motion", "value": True}) == DUPLICATE
    assert await house.one("SELECT count(*) FROM reading") == 4


async def test_alarms_that_name_neither_id_nor_time_are_never_taken_for_repeats(house, hub):
    async with house.worker():
        for _ in range(3):
            assert await hub.tell("alarm", {"type": "sos"}) == ACCEPTED
    assert await house.one("SELECT count(*) FROM event") == 3
    assert await house.rows("SELECT presses FROM alert") == [(3,)]


async def test_bad_events_leave_their_good_neighbours_alone_and_a_dead_letter_each(house, hub):
    events = [
        {"id": "g1", "type": "heart_rate", "value": 72},
        {"id": "b1", "type": "heart_rate", "value": "72"},
        {"id": "b2", "type": "spo2", "value": 50},
        {"id": "b3", "type": "nonsense"},
        {"id": "b4", "type": "heart_rate", "value": 70, "at": "1970-01-01T00:00:00Z"},
        {"id": "b5", "type": "heart_rate", "value": 70, "device": "a-stranger"},
        {"id": "b6", "type": "contact", "value": {"open": True, "note": "\0"}},
        {"id": "g2", "type": "motion", "value": True},
    ]
    reasons = ["bad_value", "out_of_range", "unknown_type", "time_out_of_range", "unknown_child", "bad_value"]
    async with house.worker():
        answer = await hub.tell("telemetry", {"events": events})
        assert answer["accepted"] == 2
        assert answer["rejected"] == [{"index": n, "reason": reason} for n, reason in enumerate(reasons, 1)]
        found = await house.rows(
            "SELECT event_index, reason, device_id, lane, payload FROM dead_letter ORDER BY event_index"
        )
    assert [(index, reason) for index, reason, *_ in found] == list(enumerate(reasons, 1))
    assert {(device_id, lane) for _, _, device_id, lane, _ in found} == {(house.hub, "telemetry")}
    assert b'"id":"b1"' in found[0][4]
    assert await house.counts("telemetry") == {"received": 8, "accepted": 2, "rejected": 6}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"type": "sos', "malformed_json"),
        (b'{"type":"sos","value":NaN}', "malformed_json"),
        (b"\xff\xfe\x00", "malformed_json"),
        (b" " * 1_000_000, "too_large"),
    ],
)
async def test_an_unreadable_message_is_answered_kept_and_on_the_alarm_lane_it_rings(house, hub, raw, reason):
    async with house.worker():
        assert await hub.tell("telemetry", raw) == rejected(None, reason)
        assert await house.rows("SELECT 1 FROM alert") == []
        assert await hub.tell("alarm", raw) == rejected(None, reason)
        assert await house.rows("SELECT rule FROM alert") == [("unreadable_alarm",)]
        found = await house.rows("SELECT lane, reason, payload FROM dead_letter ORDER BY received_at")
    assert [(lane, why) for lane, why, _ in found] == [("telemetry", reason), ("alarm", reason)]
    assert {bytes(kept) for *_, kept in found} == {raw[: 256 * 1024]}


async def test_refused_cries_for_help_ring_once_each(house, hub):
    stranger, gone = unique("stranger"), unique("gone")
    await house.add(gone, lifecycle="retired")
    async with house.worker(), Device(house.mqtt_url, stranger) as unknown, Device(house.mqtt_url, gone) as retired:
        body = {"id": "1", "type": "sos"}
        assert await unknown.tell("alarm", body) == rejected(None, "unknown_device")
        assert await unknown.tell("alarm", body) == rejected(None, "unknown_device")
        assert await retired.tell("alarm", body) == rejected(None, "retired_device")
        assert await hub.tell("alarm", {**body, "device": "nobody"}) == rejected(0, "unknown_child")
        alerts = await house.rows("SELECT subject_kind, subject_id, rule, presses FROM alert ORDER BY opened_at")
        assert alerts == [("device", name, "sos", 1) for name in (stranger, gone, house.hub)]
        assert await hub.tell("telemetry", {"id": "2", "type": "sos"}) == rejected(0, "wrong_lane")
        assert await hub.tell("alarm", {"id": "3", "type": "sos", "quality": "?"}) == rejected(0, "bad_value")
        assert await house.rows("SELECT presses FROM alert WHERE subject_id = %s", house.hub) == [(3,)]
    assert await house.one("SELECT count(*) FROM event") == 0
    assert await house.one("SELECT count(*) FROM dead_letter") == 5


async def test_a_device_and_a_child_created_a_moment_ago_are_known(house):
    fresh, part = unique("fresh"), unique("part")
    async with house.worker(), Device(house.mqtt_url, fresh) as device:
        await house.add(fresh)
        assert await device.tell("telemetry", {"type": "heartbeat"}) == ACCEPTED
        await asyncio.sleep(1)
        await house.add(part, hub=fresh)
        assert await device.tell("telemetry", {"type": "motion", "value": True, "device": part}) == ACCEPTED


async def test_an_alarm_with_an_impossible_clock_is_taken_at_its_receipt(house, hub):
    async with house.worker():
        for n, at in enumerate(("1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-01-01T00:00:00", "soon")):
            assert await hub.tell("alarm", {"id": str(n), "type": "sos", "at": at}) == ACCEPTED
    assert await house.one("SELECT count(*) FROM event WHERE clock_suspect AND at = received_at") == 4


async def test_a_live_publish_with_the_retain_flag_is_an_event_and_a_stored_one_is_not(house, hub):
    topic = f"anxin/v1/{house.hub}/up/alarm"
    await hub.session.publish(topic, b'{"id":"old","type":"sos"}', retain=True)
    try:
        async with house.worker():
            assert await hub.tell("alarm", {"id": "new", "type": "sos"}, retain=True) == ACCEPTED
        assert await house.one("SELECT count(*) FROM event") == 1
    finally:
        await hub.session.publish(topic, b"", retain=True)


async def test_receipts_go_only_to_the_devices_own_topic_and_quality_0_is_answered_too(house, hub):
    async with house.worker() as worker, Device(house.mqtt_url, unique("other")) as other:
        await hub.session.publish(
            f"anxin/v1/{house.hub}/up/telemetry",
            b'{"type":"heartbeat","id":"1"}',
            response_topic=f"anxin/v1/{other.device_id}/down/receipt",
        )
        assert await hub.tell("telemetry", {"type": "heartbeat", "id": "1"}, qos=0) == DUPLICATE
        assert worker._metrics.receipts.labels("ignored")._value.get() == 1
        assert other.receipts == {}


async def test_state_moves_forwards_only(house, hub):
    now = datetime.now(UTC)

    def said(name: str, value: object, seconds: int) -> dict[str, object]:
        return {"type": name, "value": value, "at": (now - timedelta(seconds=seconds)).isoformat()}

    async with house.worker():
        await hub.tell("telemetry", {"events": [said("battery", 60, 10), said("worn", False, 10)]})
        await hub.tell("telemetry", {"events": [said("battery", 90, 99), said("worn", True, 99)]})
        query = "SELECT battery_pct, worn, last_at FROM device_state WHERE device_no = %s"
        state = await house.rows(query, house.hub_no)
        assert state == [(60.0, False, now - timedelta(seconds=10))]
        before = await house.one("SELECT last_seen FROM device_state WHERE device_no = %s", house.hub_no)
        await hub.tell("telemetry", b"not json")
        # A message whose content is bad is still a sign of life.
        assert await house.one("SELECT last_seen FROM device_state WHERE device_no = %s", house.hub_no) > before


async def test_birth_and_last_will_move_the_link_and_a_late_will_of_an_older_session_does_not(house, hub):
    async def link() -> object:
        return await house.one("SELECT link FROM device_state WHERE device_no = %s", house.hub_no)

    async with house.worker():
        await hub.tell("status", {"status": "online", "session": "a"})
        assert await link() == "online"
        seen = await house.one("SELECT last_seen FROM device_state")
        await hub.tell("status", {"status": "offline", "session": "a"})
        assert await link() == "offline"
        # The broker says so, not the device.
        assert await house.one("SELECT last_seen FROM device_state") == seen
        await hub.tell("status", {"status": "online", "session": "b"})
        await hub.tell("status", {"status": "offline", "session": "a"})
        assert await link() == "online"
        assert await hub.tell("status", {"status": "asleep"}) == rejected(None, "bad_value")
    assert await house.counts("control") == {"received": 5, "accepted": 4, "rejected": 1}


async def test_a_reading_that_the_roll_ups_passed_marks_its_hour_and_no_other_does(house, hub):
    now = datetime.now(UTC).replace(microsecond=0)
    closed = now - timedelta(minutes=5)
    await house.conn.execute("UPDATE rollup_state SET closed_up_to = %s", (closed,))
    pressures = [
        {"at": (at - offset).isoformat(), "type": "blood_pressure", "value": {"systolic": 130, "diastolic": 85}}
        for at in (closed, closed - timedelta(hours=3))
        for offset in (timedelta(0), timedelta(microseconds=1))
    ]
    async with house.worker():
        assert (await hub.tell("telemetry", {"events": [*pressures, pressures[0]]}))["accepted"] == 4
    late = sorted({at.replace(minute=0, second=0, microsecond=0) for at in (
        closed - timedelta(microseconds=1), closed - timedelta(hours=3), closed - timedelta(hours=3, microseconds=1)
    )})  # fmt: skip
    marked = await house.rows("SELECT hour, device_no, metric FROM reading_dirty ORDER BY hour, metric")
    assert marked == [(hour, house.hub_no, metric) for hour in late for metric in (5, 6)]
