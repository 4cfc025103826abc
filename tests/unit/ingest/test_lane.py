"""A lane without servers: what it does with a batch that nobody takes."""

from typing import Any

import pytest

from core.contract.keys import CopyCounter
from ingest.admission import admit as judge
from ingest.admission import delivery_of
from ingest.batch import Batch
from ingest.lane import Lane
from ingest.spooling import count_keys, record_of
from tests.unit.ingest.words import DIRECTORY, message


async def test_a_press_whose_spool_is_full_and_whose_registry_fails_keeps_the_key_it_was_counted_by():
    lane: Any = Lane.__new__(Lane)
    refused = False

    async def admit(delivery: Any) -> bool:
        nonlocal refused
        judge(delivery, DIRECTORY)
        if not refused:
            refused = True
            raise ConnectionError("away")
        return True

    lane._admit = admit
    delivery = delivery_of(message("anxin/v1/hub-1/up/alarm", {"type": "sos"}))
    count_keys(delivery, CopyCounter(0))
    counted = record_of(delivery).keys
    assert counted
    batch = Batch([delivery], raw=True)
    with pytest.raises(ConnectionError):
        await lane._judge(batch)
    assert record_of(delivery).keys == counted, "spooled after all: the other worker has counted the same"
    await lane._judge(batch)
    assert [piece.key for piece in batch.pieces] == [key for _, key in counted]
