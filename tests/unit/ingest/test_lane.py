"""A lane without servers: what it does with a batch that nobody takes."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from core.contract.keys import CopyCounter
from ingest.admission import admit as judge
from ingest.admission import delivery_of
from ingest.batch import Batch
from ingest.lane import Lane
from ingest.limits import FloodNews
from ingest.spooling import count_keys, record_of
from tests.unit.ingest.words import DIRECTORY, RECEIVED, delivery, message

READING = {"type": "heart_rate", "at": "2026-08-01T11:59:58Z", "value": 61}


async def test_a_press_whose_spool_is_full_and_whose_registry_fails_keeps_the_key_it_was_counted_by():
    lane: Any = Lane.__new__(Lane)
    refused = False

    async def admit(of: Any) -> bool:
        nonlocal refused
        judge(of, DIRECTORY)
        if not refused:
            refused = True
            raise ConnectionError("away")
        return True

    lane._admit = admit
    made = delivery_of(message("anxin/v1/hub-1/up/alarm", {"type": "sos"}))
    count_keys(made, CopyCounter(0))
    counted = record_of(made).keys
    assert counted
    batch = Batch([made], raw=True)
    with pytest.raises(ConnectionError):
        await lane._judge(batch)
    assert record_of(made).keys == counted, "spooled after all: the other worker has counted the same"
    await lane._judge(batch)
    assert [piece.key for piece in batch.pieces] == [key for _, key in counted]


async def test_that_a_flood_ended_is_told_although_its_delivery_went_to_the_spool():
    lane: Any = Lane.__new__(Lane)
    lane._untold, lane.away, lane._trouble, lane._away_because = [], asyncio.Event(), None, None
    lane.spool = SimpleNamespace(append=AsyncMock())
    spooled, empty, following = (delivery("telemetry", {"type": "heartbeat", "id": id}) for id in "abc")
    ended = FloodNews("hub-1", 1, flooding=False, at=RECEIVED)
    spooled.floods = [ended]
    empty.pieces = []
    lane._spooled, lane.session = 0, SimpleNamespace(ack=list)
    await lane._spool(Batch([spooled], spooled.pieces))
    for each in (empty, following):
        lane._tell_floods(each)
    assert (empty.floods, following.floods, lane._untold) == ([], [ended], [])


async def test_news_of_a_flood_that_comes_with_nothing_but_plain_readings_is_told_with_one_of_them():
    lane: Any = Lane.__new__(Lane)
    ended = FloodNews("hub-1", 1, flooding=False, at=RECEIVED)
    lane._untold = []
    made = delivery_of(message("anxin/v1/hub-1/up/telemetry", READING))
    judge(made, DIRECTORY, plainly=True)
    made.floods = [ended]
    lane._tell_floods(made)
    assert (len(made.pieces), made.readings, made.floods, lane._untold) == (1, [], [ended], [])


async def test_a_batch_of_plain_readings_goes_to_the_spool_whole():
    lane: Any = Lane.__new__(Lane)
    lane._untold, lane.away, lane._trouble, lane._away_because = [], asyncio.Event(), None, None
    acknowledged: list[Any] = []
    lane._spooled, lane.session = 0, SimpleNamespace(ack=acknowledged.extend)
    lane.spool = SimpleNamespace(append=AsyncMock())
    made = [delivery_of(message("anxin/v1/hub-1/up/telemetry", READING)) for _ in range(3)]
    for each in made:
        judge(each, DIRECTORY, plainly=True)
    batch = Batch(list(made))
    batch.gather()
    assert batch.events == 3
    await lane._spool(batch)
    (records,) = lane.spool.append.await_args.args
    assert [record.payload for record in records] == [each.message.payload for each in made]
    assert acknowledged == [each.message for each in made]
    assert batch.events == 0
