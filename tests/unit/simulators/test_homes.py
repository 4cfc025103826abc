"""What the devices of a town say, from the plan of its days."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from core.domain.event_types import CRIES_FOR_HELP, EVENT_TYPE_BY_NAME, Lane
from simulators.homes import happenings
from tests.unit.simulators.fleet_example import fleet_of

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def fleet():
    return fleet_of(4)


@pytest.fixture(scope="module")
def day(fleet):
    return list(takewhile(lambda it: it.at < NOON + DAY, happenings(fleet, NOON)))


def test_everything_is_in_order_of_time_and_nothing_lies_before_the_start(day):
    assert day[0].at == NOON
    assert all(before.at <= after.at for before, after in pairwise(day))


def test_only_devices_of_the_fleet_file_speak_and_children_through_their_own_hub(fleet, day):
    children = {child.device_id: member.device_id for member in fleet.members for child in member.children}
    assert {it.member for it in day} == {member.device_id for member in fleet.members}
    assert all(children[it.device] == it.member for it in day if it.device is not None)


def test_every_value_is_one_the_contract_takes(day):
    for it in day:
        shape = EVENT_TYPE_BY_NAME[it.type].shape
        assert shape is None or shape.check(it.value) is None, it


def test_a_quiet_town_never_cries_for_help_and_says_nothing_on_the_alarm_lane(day):
    assert not {it.type for it in day} & CRIES_FOR_HELP
    assert all(EVENT_TYPE_BY_NAME[it.type].lane is Lane.TELEMETRY for it in day)


def test_no_reading_of_a_quiet_town_is_one_that_a_rule_could_take_for_trouble(day):
    values = defaultdict(list)
    for it in day:
        values[it.type].append(it.value)
    assert all(45 <= bpm <= 115 for bpm in values["heart_rate"])
    assert min(values["spo2"]) >= 94
    assert min(values["battery"]) > 20
    assert max(values["carbon_monoxide"]) < 10


def test_the_bedroom_is_quiet_at_night_and_the_kitchen_busy_at_noon(day):
    zone = ZoneInfo("Asia/Shanghai")
    moved = [(it.zone, it.at.astimezone(zone).hour) for it in day if it.type == "motion" and it.value]
    assert sum(room == "kitchen" and hour in (11, 12) for room, hour in moved) >= 8
    assert not any(room in ("kitchen", "living") and 1 <= hour < 4 for room, hour in moved)
    assert any(room == "bedroom" and 1 <= hour < 5 for room, hour in moved)


def test_steps_grow_through_the_day_and_begin_again_at_local_midnight(day):
    zone = ZoneInfo("Asia/Shanghai")
    walked = [
        (it.at.astimezone(zone).date(), it.value) for it in day if it.member == "h0001-watch" and it.type == "steps"
    ]
    for (date_before, before), (date_after, after) in pairwise(walked):
        assert after >= before if date_before == date_after else after < 100
    assert len({date for date, _ in walked}) == 2


def test_doors_and_beds_report_changes_that_alternate(day):
    for kind, key in (("contact", "open"), ("bed", "occupied")):
        told = [it.value[key] for it in day if it.member == "h0002-hub" and it.type == kind]  # one resident
        assert len(told) >= 3
        assert all(before is not after for before, after in pairwise(told[1:]))


@pytest.mark.parametrize(
    ("device", "longest"),
    [("h0001-hub", 90), ("h0001-gas", 90), ("h0001-bed", 2.5 * 3600), ("h0001-smoke", 12.5 * 3600)],
)
def test_each_supervision_class_gets_at_least_two_signs_of_life(day, device, longest):
    spoken = [it.at for it in day if (it.device or it.member) == device]
    assert max((after - before).total_seconds() for before, after in pairwise(spoken)) <= longest


def test_the_same_fleet_says_the_same_again_and_another_seed_something_else(fleet):
    first = list(islice(happenings(fleet, NOON), 500))
    assert list(islice(happenings(fleet, NOON), 500)) == first
    assert list(islice(happenings(fleet_of(4, seed=8), NOON), 500)) != first


def test_what_is_said_at_an_instant_does_not_hang_on_when_the_run_began(fleet, day):
    later = NOON + timedelta(hours=6)
    opening_and_after = takewhile(lambda it: it.at < NOON + DAY, happenings(fleet, later))
    assert [it for it in opening_and_after if it.at > later] == [it for it in day if it.at > later]


def test_a_day_of_23_hours_says_nothing_twice_and_nothing_late():
    start = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)  # the clocks of Berlin go forward in the night after
    told = list(
        takewhile(lambda it: it.at < start + 2 * DAY, happenings(fleet_of(1, time_zone="Europe/Berlin"), start))
    )
    assert all(before.at <= after.at for before, after in pairwise(told))
