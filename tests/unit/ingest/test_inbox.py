"""Collecting messages into batches by number and age."""

import asyncio

from ingest.inbox import Inbox
from tests.unit.ingest.words import message


def telemetry(n=1, body=b"{}", **options):
    return [message("anxin/v1/hub-1/up/telemetry", body, **options) for _ in range(n)]


def inbox(**changes):
    return Inbox(**{"size": 10, "age_s": 0.05, "overflow_bytes": 1000, **changes})


async def test_a_full_batch_is_taken_at_once_and_the_rest_needs_no_new_message():
    box = inbox(age_s=1000)
    box.put(telemetry(25))
    async with asyncio.timeout(5):
        assert [len(await box.take()), len(await box.take())] == [10, 10]
    assert len(box) == 5
    box.put(telemetry(5))
    async with asyncio.timeout(5):
        assert len(await box.take()) == 10


async def test_the_first_message_waits_for_company_until_its_age():
    box = inbox()
    loop = asyncio.get_running_loop()
    began = loop.time()
    box.put(telemetry())
    loop.call_later(0.01, box.put, telemetry())
    assert len(await box.take()) == 2
    assert loop.time() - began >= 0.04


async def test_alarms_are_taken_at_once():
    box = inbox(age_s=0)
    box.put(telemetry())
    assert len(await box.take()) == 1
    taking = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.put(telemetry())
    assert len(await taking) == 1


async def test_a_closed_inbox_gives_what_it_has_and_then_nothing():
    box = inbox(age_s=1000)
    box.put(telemetry(12))
    box.close()
    box.put(telemetry())
    assert [len(await box.take()), len(await box.take()), len(await box.take())] == [10, 2, 0]


async def test_closing_wakes_the_one_who_waits():
    box = inbox()
    taking = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.close()
    assert await taking == []


async def test_only_quality_0_is_dropped_above_the_bound_and_room_comes_back():
    box = inbox(size=100, age_s=0)
    big = b" " * 600
    box.put(telemetry(2, big))
    box.put([*telemetry(1, big, packet_id=None), *telemetry(1, big)])
    assert (len(box), box.take_dropped().total(), box.take_dropped().total()) == (3, 1, 0)
    assert len(await box.take()) == 3
    box.put(telemetry(1, big, packet_id=None))
    assert len(box) == 1


async def test_the_oldest_waiting_message_is_known():
    box = inbox()
    assert box.oldest is None
    first = telemetry()
    box.put(first)
    box.put(telemetry())
    assert box.oldest == first[0].received_at
