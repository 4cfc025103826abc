"""A resident's planned day."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from simulators.routine import DAY_S, Doing, day_of

MONDAY = date(2026, 3, 2)
HOUR = 3600


def days(home: int, count: int = 14):
    return [day_of(1, home, 0, MONDAY + timedelta(days=n)) for n in range(count)]


@pytest.mark.parametrize("home", range(1, 21))
def test_a_day_has_no_gap_from_midnight_to_midnight_and_is_slept_through_both(home):
    for day in days(home, 5):
        assert day[0].start == 0
        assert day[-1].end == DAY_S
        assert all(before.end == after.start for before, after in pairwise(day))
        assert all(stay.end > stay.start for stay in day)
        assert day[0].doing is day[-1].doing is Doing.ASLEEP


@pytest.mark.parametrize("home", range(1, 21))
def test_residents_sleep_six_to_twelve_hours_and_eat_three_times(home):
    for day in days(home):
        slept = sum(stay.end - stay.start for stay in day if stay.doing is Doing.ASLEEP)
        assert 6 * HOUR < slept < 12 * HOUR
        assert sum(stay.doing is Doing.EATING for stay in day) == 3


def test_at_three_in_the_morning_nobody_is_out_or_cooking():
    for home in range(1, 51):
        for day in days(home, 3):
            at_three = next(stay for stay in day if stay.start <= 3 * HOUR < stay.end)
            assert at_three.doing in (Doing.ASLEEP, Doing.TOILET)


def test_residents_go_out_on_most_days_by_daylight_and_come_back():
    outings = [[stay for stay in day if stay.room is None] for home in range(1, 21) for day in days(home)]
    assert 0.5 < sum(map(bool, outings)) / len(outings) < 0.98
    for outing in (stay for day in outings for stay in day):
        assert 6 * HOUR < outing.start < outing.end < 18.5 * HOUR


def test_nights_have_none_to_three_trips_to_the_toilet():
    trips = [
        sum(stay.doing is Doing.TOILET and stay.end < 5 * HOUR for stay in day)
        for home in range(1, 21)
        for day in days(home)
    ]
    assert set(trips) <= {0, 1, 2, 3}
    assert 0.8 < sum(trips) / len(trips) < 2.2


def test_the_same_arguments_give_the_same_day_and_others_another_one():
    day_of.cache_clear()
    first = day_of(1, 4, 0, MONDAY)
    day_of.cache_clear()
    assert day_of(1, 4, 0, MONDAY) == first
    others = [(2, 4, 0, MONDAY), (1, 5, 0, MONDAY), (1, 4, 1, MONDAY), (1, 4, 0, MONDAY + timedelta(days=1))]
    assert all(day_of(*other) != first for other in others)
