"""When "this device spoke" is written down."""

from core.contract.event_time import SECOND
from ingest.liveness import DeviceNews
from ingest.sightings import Sightings

HOLD = 2 * SECOND


def seen(at: float, **more) -> DeviceNews:
    return DeviceNews(round(at * SECOND), last_at=round(at * SECOND), **more)


def written(sightings: Sightings, news: list, at: float, *, busy: bool = True) -> list[tuple[int, float]]:
    plan = sightings.plan(news, round(at * SECOND), busy=busy)
    sightings.done(plan)
    return [(device_no, told.last_seen / SECOND) for device_no, told in plan.write]


def test_a_device_that_was_silent_is_written_at_once_and_its_next_words_are_held():
    sightings = Sightings(HOLD)
    assert written(sightings, [(1, seen(100))], 100) == [(1, 100)]
    assert written(sightings, [(1, seen(100.5)), (2, seen(100.5))], 100.5) == [(2, 100.5)]
    assert sightings


def test_what_is_held_is_written_with_the_first_batch_after_its_time():
    sightings = Sightings(HOLD)
    written(sightings, [(1, seen(100)), (2, seen(100))], 100)
    written(sightings, [(1, seen(100.5)), (2, seen(100.6))], 100.6)
    assert written(sightings, [(2, seen(101))], 101) == []
    assert written(sightings, [(3, seen(102.7))], 102.7) == [(1, 100.5), (2, 101), (3, 102.7)]
    assert not sightings


def test_what_says_more_than_that_it_spoke_is_never_held():
    sightings = Sightings(HOLD)
    written(sightings, [(1, seen(100))], 100)
    written(sightings, [(1, seen(100.7))], 100.7)
    low = seen(100.5, battery_pct=5.0, battery_at=100)
    assert written(sightings, [(1, low)], 100.8) == [(1, 100.7)]
    assert not sightings


def test_a_transaction_that_failed_leaves_everything_as_it_was():
    sightings = Sightings(HOLD)
    written(sightings, [(1, seen(100))], 100)
    written(sightings, [(1, seen(101))], 101)
    sightings.plan([(1, seen(104))], 104 * SECOND, busy=True)
    assert written(sightings, [], 104, busy=False) == [(1, 101)]


def test_a_clock_that_went_back_holds_nothing():
    sightings = Sightings(HOLD)
    written(sightings, [(1, seen(100))], 100)
    written(sightings, [(1, seen(100.5))], 100.5)
    assert written(sightings, [(2, seen(50))], 50) == [(1, 100.5), (2, 50)]


def test_a_lane_that_holds_nothing_writes_everything():
    sightings = Sightings(0)
    assert written(sightings, [(1, seen(100))], 100) == [(1, 100)]
    assert written(sightings, [(1, seen(100))], 100) == [(1, 100)]
    assert not sightings


def test_without_load_nothing_is_held_and_what_was_held_is_written():
    sightings = Sightings(HOLD)
    written(sightings, [(1, seen(100)), (2, seen(100))], 100)
    written(sightings, [(2, seen(100.1))], 100.1)
    assert written(sightings, [(1, seen(100.2))], 100.2, busy=False) == [(1, 100.2), (2, 100.1)]
    assert not sightings
