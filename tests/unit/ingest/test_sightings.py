"""When "this device spoke" is written down."""

from core.contract.event_time import SECOND
from ingest.liveness import DeviceNews, Sighted
from ingest.sightings import Plan, Sightings

HOLD = 2 * SECOND


def news(at: float, **more) -> DeviceNews:
    return DeviceNews(round(at * SECOND), last_at=round(at * SECOND), **more)


def seen(**devices: float) -> Sighted:
    """`d1=100`: device 1 spoke at 100 s, of the same moment."""
    made = Sighted()
    for name, at in devices.items():
        made.add(int(name[1:]), round(at * SECOND), round(at * SECOND))
    return made


def words(plan: Plan) -> list[tuple[int, float]]:
    return [(device_no, told.last_seen / SECOND) for device_no, told in plan.write]


def written(
    sightings: Sightings, at: float, *, busy: bool = True, more=(), **devices: float
) -> list[tuple[int, float]]:
    plan = sightings.plan(more, seen(**devices), round(at * SECOND), busy=busy)
    sightings.done(plan)
    return words(plan)


def test_under_load_words_are_held_and_written_when_their_time_is_up_the_newest_of_each():
    sightings = Sightings(HOLD)
    assert written(sightings, 100, d1=100, d2=100) == []
    assert sightings
    assert written(sightings, 101.9, d1=101.5) == []
    assert written(sightings, 102.1, d3=102.1) == [(1, 101.5), (2, 100)]
    assert written(sightings, 104.2) == [(3, 102.1)]
    assert not sightings


def test_without_load_everything_is_written_at_once_with_what_was_held():
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=100, d2=100)
    assert written(sightings, 100.2, busy=False, d1=100.2) == [(1, 100.2), (2, 100)]
    assert not sightings


def test_plain_news_of_other_events_is_held_with_that_of_readings():
    sightings = Sightings(HOLD)
    assert written(sightings, 100, more=[(2, news(101))], d2=100.9) == []
    assert written(sightings, 103) == [(2, 101)]


def test_what_says_more_than_that_it_spoke_is_never_held():
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=100)
    low = news(100.5, battery_pct=5.0, battery_at=100)
    assert written(sightings, 100.8, more=[(1, low)]) == [(1, 100.5)]
    assert written(sightings, 102) == [(1, 100)]


def test_a_device_is_written_once_with_all_that_is_known_of_it():
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=102.3)
    low = news(100.5, battery_pct=5.0, battery_at=100)
    plan = sightings.plan([(1, low)], seen(), round(102.5 * SECOND), busy=True)
    ((device_no, told),) = plan.write
    assert (device_no, told.last_seen, told.last_at, told.battery_pct) == (1, 102.3 * SECOND, 102.3 * SECOND, 5.0)


def test_a_hub_that_only_carried_the_message_has_spoken_and_said_nothing():
    sightings = Sightings(HOLD)
    carried = Sighted()
    carried.add(9, 100 * SECOND, None)
    ((device_no, told),) = sightings.plan([], carried, 100 * SECOND, busy=False).write
    assert (device_no, told.last_seen, told.last_at) == (9, 100 * SECOND, None)


def test_a_large_fleet_is_written_in_parts_the_first_first_until_all_of_it_is(monkeypatch):
    monkeypatch.setattr("ingest.sightings._AT_ONCE", 2)
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=100, d2=100, d3=100)
    assert written(sightings, 102.1, d4=102.1) == [(1, 100), (2, 100)]
    assert written(sightings, 102.2) == [(3, 100), (4, 102.1)]
    assert not sightings


def test_a_transaction_that_failed_leaves_everything_as_it_was():
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=100)
    sightings.plan([], seen(d1=104), 104 * SECOND, busy=True)
    assert written(sightings, 104, busy=False) == [(1, 100)]


def test_a_clock_that_went_back_holds_nothing():
    sightings = Sightings(HOLD)
    written(sightings, 100, d1=100)
    assert written(sightings, 50, d2=50) == [(1, 100)]
    assert written(sightings, 52.1) == [(2, 50)]


def test_a_lane_that_holds_nothing_writes_everything():
    sightings = Sightings(0)
    assert written(sightings, 100, d1=100) == [(1, 100)]
    assert written(sightings, 100, d1=100) == [(1, 100)]
    assert not sightings
