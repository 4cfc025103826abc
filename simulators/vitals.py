"""What a watch reads from a wrist during a planned day: plausible, seeded, never an emergency.

Pure functions of (home, day, second of the day). Heart rates stay far from any alarm band and batteries above the
low-battery limit, because a quiet town must raise nothing by itself.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import pi, sin

from simulators.routine import Doing, Habits, Stay

CHARGE_FROM_S, CHARGE_TO_S = 19.2 * 3600, 20.4 * 3600

_HEART_ABOVE_REST = {
    Doing.ASLEEP: -6.0,
    Doing.RESTING: 2.0,
    Doing.EATING: 6.0,
    Doing.TOILET: 6.0,
    Doing.WASHING: 10.0,
    Doing.COOKING: 12.0,
    Doing.CHORES: 14.0,
    Doing.OUT: 22.0,
}
_STEPS_PER_S = {
    Doing.ASLEEP: 0.0,
    Doing.RESTING: 0.01,
    Doing.EATING: 0.005,
    Doing.TOILET: 0.1,
    Doing.WASHING: 0.05,
    Doing.COOKING: 0.12,
    Doing.CHORES: 0.2,
    Doing.OUT: 0.8,
}


def charging(second: float) -> bool:
    """The watch lies on its charger after dinner, while somebody sits by the television."""
    return CHARGE_FROM_S <= second < CHARGE_TO_S


def stay_at(day: Sequence[Stay], second: float) -> Stay:
    return day[max(0, bisect_right(day, second, key=lambda stay: stay.start) - 1)]


def heart_rate(day: Sequence[Stay], habits: Habits, second: float) -> int:
    """bpm, 45-115."""
    wander = 2.5 * sin(second / 97 + habits.resting_heart_bpm) + 1.5 * sin(second / 31)
    bpm = habits.resting_heart_bpm + _HEART_ABOVE_REST[stay_at(day, second).doing] + wander
    return round(min(115.0, max(45.0, bpm)))


def spo2(day: Sequence[Stay], second: float) -> int:
    """%, 94-99: a little lower asleep."""
    asleep = stay_at(day, second).doing is Doing.ASLEEP
    return round((95.5 if asleep else 97.0) + 1.2 * sin(second / 211))


def steps(day: Sequence[Stay], second: float) -> int:
    """Steps since local midnight: only ever grows within a day."""
    walked = accumulate(
        (min(stay.end, second) - stay.start) * _STEPS_PER_S[stay.doing] for stay in day if stay.start < second
    )
    return int(max(walked, default=0.0))


def watch_battery(second: float) -> int:
    """%: full after the evening's charge, about 52 before the next one."""
    if charging(second):
        done = (second - CHARGE_FROM_S) / (CHARGE_TO_S - CHARGE_FROM_S)
        return round(52 + 48 * done)
    since_charge_s = (second - CHARGE_TO_S) % 86_400
    return round(100 - since_charge_s / 3600 * 2.1)


def room_temperature(second: float, *, offset: float) -> float:
    """°C: warmest in the afternoon; `offset` tells rooms apart."""
    return round(20.5 + offset + 1.8 * sin((second / 86_400 - 0.35) * 2 * pi), 1)
