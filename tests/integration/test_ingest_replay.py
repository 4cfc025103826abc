"""`anxin replay dead-letters` after a fix: what is stored, what stays, and that nobody is called a second time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from alerts.platform.accounting import count_slice, differences, read_totals
from anxin.__main__ import main
from core.domain.ids import new_id
from tests.fixtures.ingest_house import Device, House, eventually, unique


@pytest.fixture
async def house(database, stack_session):
    made = await House(database, stack_session.mqtt_url).open()
    yield made
    await made.conn.close()


@pytest.fixture
def replay(house, monkeypatch, capsys):
    monkeypatch.setenv("ANXIN_DATABASE_URL", house.database_url)

    async def run(*options):
        assert await asyncio.to_thread(main, ["replay", "dead-letters", "--json", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        events = {f"{each['reason']} > {each['outcome']}": each["events"] for each in told["events"]}
        return told["letters"], told["replayed"], events

    return run


async def closes(house):
    now = datetime.now(UTC)
    assert await count_slice(house.conn, now - timedelta(minutes=5), now + timedelta(minutes=1)) == []
    assert differences(await read_totals(house.conn)) == []


async def test_after_a_child_was_added_its_events_are_stored_in_their_time_and_its_cry_rings_no_second_time(
    house, replay
):
    late = unique("late")
    at = datetime.now(UTC) - timedelta(hours=1)
    reading = {"type": "heart_rate", "value": 71, "device": late}
    async with house.worker(), Device(house.mqtt_url, house.hub) as hub:
        told = await hub.tell("telemetry", {"sent_at": at.isoformat(), "events": [reading]})
        assert told["rejected"] == [{"index": 0, "reason": "unknown_child"}]
        leak = {"type": "water_leak", "value": True, "device": late, "id": "leak"}
        await hub.tell("alarm", {"events": [{"type": "sos", "device": late, "id": "press"}, leak]})
        await hub.tell("telemetry", {"type": "nonsense"})
    alerts = "SELECT rule FROM alert ORDER BY rule"
    assert await house.rows(alerts) == [("sos",)]
    await house.add(late, hub=house.hub)

    would = {"unknown_child > accepted": 3, "unknown_type > rejected: unknown_type": 1}
    assert await replay("--dry-run") == (4, 0, would)
    assert await house.one("SELECT count(*) FROM dead_letter WHERE replayed_at IS NOT NULL") == 0

    assert await replay() == (4, 3, would)
    assert await house.rows("SELECT value, at FROM reading") == [(71.0, at)]
    # Rung when it was refused; the leak, of which nobody was told, rings now.
    assert await house.rows(alerts) == [("sos",), ("water_leak",)]
    assert await house.one("SELECT presses FROM alert WHERE rule = 'sos'") == 1
    assert await house.one("SELECT count(*) FROM event WHERE type = 'sos'") == 1
    left = await house.rows("SELECT reason FROM dead_letter WHERE replayed_at IS NULL")
    assert left == [("unknown_type",)]
    assert await replay("--reason", "unknown_child") == (0, 0, {})
    await closes(house)


async def test_what_was_stored_meanwhile_is_a_duplicate_and_what_was_above_the_rate_is_taken_in_one_go(house, replay):
    events = [{"type": "heartbeat", "id": str(new_id(datetime.now(UTC))), "device": house.child} for _ in range(300)]
    async with house.worker(ingest_device_burst_events=10), Device(house.mqtt_url, house.hub) as hub:
        told = await hub.tell("telemetry", {"events": events})
    refused = [each["index"] for each in told["rejected"]]
    async with house.worker(), Device(house.mqtt_url, house.hub) as hub:
        again = await hub.tell("telemetry", {"events": [events[refused[0]]]})
        assert again["accepted"] == 1
    _, _, found = await replay("--device", house.hub)
    assert found == {"rate_limited > accepted": len(refused) - 1, "rate_limited > duplicate": 1}
    assert await house.one("SELECT count(*) FROM event") == 300
    await closes(house)


async def test_letters_are_taken_in_order_by_pages_within_limits_of_time_and_number(house, replay):
    late = unique("late")
    async with house.worker(), Device(house.mqtt_url, house.hub) as hub:
        for n in range(3):
            events = [{"type": "heartbeat", "device": late, "id": f"{n}-{m}"} for m in range(100)]
            await hub.tell("telemetry", {"events": events})
    await house.add(late, hub=house.hub)
    assert (await replay("--until", "1h"))[0] == 0
    assert await replay("--since", "1h", "--limit", "250") == (250, 250, {"unknown_child > accepted": 250})
    assert await replay() == (50, 50, {"unknown_child > accepted": 50})
    await closes(house)


async def test_a_second_replay_at_the_same_time_is_refused(house, replay, capsys):
    await house.conn.execute("SELECT pg_advisory_lock(hashtext('anxin replay dead-letters'))")
    assert await asyncio.to_thread(main, ["replay", "dead-letters"]) == 2
    assert "Another replay" in capsys.readouterr().err
    await eventually(lambda: house.conn.execute("SELECT pg_advisory_unlock_all()"))
    assert await replay() == (0, 0, {})
