"""From where residents are to what sensors and watches say: one generator a kind of sensor, pure, in order of time.

Periods leave each supervision class at least two signs of life (hub and gas detector 180 s, bed and watch 5 h,
battery sensors 25 h), so a healthy town raises no alert for silence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from heapq import merge
from itertools import pairwise
from random import Random
from typing import Any

from core.domain.fleet import FleetChild, FleetMember
from simulators import vitals
from simulators.routine import DAY_S, Doing, Stay, day_of, habits_of

_HUB_BEAT_S = 60
_BATTERY_S = 6 * 3600
_BEAT_S = {"gas": _HUB_BEAT_S, "bed_sensor": 3600}
_USUAL_BEAT_S = 5 * 3600
_PIR_HOLD_S = 60
_TEMPERATURE_S, _CO_S = 1800, 1800
_WATCH_S = {"heart_rate": 120, "spo2": 600, "steps": 300, "battery": 1800}
# Mean seconds between movements that a motion sensor notices.
_MOVES_EVERY_S = {
    Doing.ASLEEP: 2700,
    Doing.RESTING: 420,
    Doing.EATING: 120,
    Doing.TOILET: 60,
    Doing.WASHING: 30,
    Doing.COOKING: 40,
    Doing.CHORES: 45,
}
_MAINS_POWERED = frozenset({"gas"})


@dataclass(frozen=True, slots=True)
class Word:
    """One event at a second of the local day."""

    second: float
    type: str
    value: Any = None
    device: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class DayOfHome:
    seed: int
    home: int
    residents: int
    day: date

    def dice(self, *what: object) -> Random:
        return Random(f"{self.seed}:{self.home}:{self.day}:{':'.join(map(str, what))}")  # noqa: S311 - invention

    def stays(self, resident: int = 0) -> tuple[Stay, ...]:
        return day_of(self.seed, self.home, resident, self.day)


def hub_day(plan: DayOfHome, hub: FleetMember, begin: float) -> Iterator[Word]:
    """What a hub and its children say from `begin` to midnight."""
    beats = (Word(at, "heartbeat") for at in _every(_HUB_BEAT_S, plan, "beat", begin))
    return merge(beats, *(_child_day(plan, child, begin) for child in hub.children), key=_second)


def watch_day(plan: DayOfHome, begin: float) -> Iterator[Word]:
    """What the first resident's watch says from `begin` to midnight; on its charger it reads no wrist."""
    streams = [_readings(plan, kind, _every(period, plan, kind, begin)) for kind, period in _WATCH_S.items()]
    changes = (Word(vitals.CHARGE_FROM_S, "worn", False), Word(vitals.CHARGE_TO_S, "worn", True))
    streams.append(iter([word for word in changes if word.second >= begin]))
    return merge(*streams, key=_second)


def _readings(plan: DayOfHome, kind: str, times: Iterator[float]) -> Iterator[Word]:
    return (Word(at, kind, _watch_value(plan, kind, at)) for at in times if _reads(kind, at))


def opening_words(
    plan: DayOfHome, hub: FleetMember | None, watch: FleetMember | None
) -> list[tuple[str, Callable[[float], list[Word]]]]:
    """What each member reports when it comes up: where things stand, as devices do after a restart."""
    words: list[tuple[str, Callable[[float], list[Word]]]] = []
    if hub is not None:
        words.append((hub.device_id, partial(_hub_opening, plan, hub)))
    if watch is not None:
        words.append((watch.device_id, partial(_watch_opening, plan)))
    return words


def _hub_opening(plan: DayOfHome, hub: FleetMember, second: float) -> list[Word]:
    words = [Word(second, "heartbeat"), Word(second, "mains", True)]
    for child in hub.children:
        if child.type not in _MAINS_POWERED:
            words.append(_said(child, second, "battery", _battery(plan, child)))
        if child.type == "bed_sensor":
            occupied = vitals.stay_at(plan.stays(), second).doing is Doing.ASLEEP
            words.append(_said(child, second, "bed", {"occupied": occupied}))
        elif child.type == "door_contact":
            words.append(_said(child, second, "contact", {"open": False}))
        elif child.type == "pir":
            words.append(_said(child, second, "temperature", _temperature(plan, child, second)))
    return words


def _watch_opening(plan: DayOfHome, second: float) -> list[Word]:
    kinds = [kind for kind in _WATCH_S if _reads(kind, second)]
    words = [Word(second, kind, _watch_value(plan, kind, second)) for kind in kinds]
    return [Word(second, "worn", not vitals.charging(second)), *words]


def _child_day(plan: DayOfHome, child: FleetChild, begin: float) -> Iterator[Word]:
    id_ = child.device_id
    beat_s = _BEAT_S.get(child.type, _USUAL_BEAT_S)
    # A gas detector hangs on the hub's power and reports with it, in one message.
    phase = "beat" if child.type == "gas" else id_
    streams: list[Iterator[Word]] = [(_said(child, at, "heartbeat") for at in _every(beat_s, plan, phase, begin))]
    if child.type not in _MAINS_POWERED:
        level = _battery(plan, child)
        streams.append(_said(child, at, "battery", level) for at in _every(_BATTERY_S, plan, id_ + "b", begin))
    if child.type == "pir":
        streams.append(word for word in _motion(plan, child) if word.second >= begin)
        at_times = _every(_TEMPERATURE_S, plan, id_ + "t", begin)
        streams.append(_said(child, at, "temperature", _temperature(plan, child, at)) for at in at_times)
    elif child.type == "door_contact":
        streams.append(word for word in _door(plan, child) if word.second >= begin)
    elif child.type == "bed_sensor":
        streams.append(word for word in _bed(plan, child) if word.second >= begin)
    elif child.type == "co":
        at_times = _every(_CO_S, plan, id_ + "c", begin)
        streams.append(_said(child, at, "carbon_monoxide", _ppm(plan, at)) for at in at_times)
    return merge(*streams, key=_second)


def _motion(plan: DayOfHome, child: FleetChild) -> list[Word]:
    """`true` at the first movement, `false` when nothing moved for the hold time, like battery PIRs do."""
    dice = plan.dice("motion", child.device_id)
    moves = sorted(
        at
        for resident in range(plan.residents)
        for stay in plan.stays(resident)
        if stay.room == child.zone
        for at in _moves(dice, stay)
    )
    words: list[Word] = []
    seen_until = -1.0
    for at in moves:
        if at > seen_until:
            if seen_until >= 0:
                words.append(_said(child, seen_until, "motion", False))
            words.append(_said(child, at, "motion", True))
        seen_until = at + _PIR_HOLD_S
    if 0 <= seen_until < DAY_S:
        words.append(_said(child, seen_until, "motion", False))
    return words


def _moves(dice: Random, stay: Stay) -> Iterator[float]:
    at = stay.start + (2.0 if stay.doing is not Doing.ASLEEP else dice.expovariate(1 / _MOVES_EVERY_S[stay.doing]))
    while at < stay.end:
        yield at
        at += 1.0 + dice.expovariate(1 / _MOVES_EVERY_S[stay.doing])


def _door(plan: DayOfHome, child: FleetChild) -> list[Word]:
    """Open and closed again around each going and coming of any resident."""
    dice = plan.dice("door", child.device_id)
    words = []
    for resident in range(plan.residents):
        for stay in plan.stays(resident):
            if stay.room is None:
                for at in (stay.start - 10, stay.end):
                    words.append(_said(child, at, "contact", {"open": True}))
                    words.append(_said(child, at + dice.uniform(4, 9), "contact", {"open": False}))
    return sorted(words, key=_second)


def _bed(plan: DayOfHome, child: FleetChild) -> list[Word]:
    stays = plan.stays()
    words = []
    for before, after in pairwise(stays):
        if (before.doing is Doing.ASLEEP) != (after.doing is Doing.ASLEEP):
            words.append(_said(child, after.start, "bed", {"occupied": after.doing is Doing.ASLEEP}))
    return words


def _watch_value(plan: DayOfHome, kind: str, second: float) -> int:
    stays = plan.stays()
    if kind == "heart_rate":
        return vitals.heart_rate(stays, habits_of(plan.seed, plan.home, 0), second)
    if kind == "spo2":
        return vitals.spo2(stays, second)
    return vitals.steps(stays, second) if kind == "steps" else vitals.watch_battery(second)


def _reads(kind: str, second: float) -> bool:
    return kind == "battery" or not vitals.charging(second)


def _temperature(plan: DayOfHome, child: FleetChild, second: float) -> float:
    offset = Random(f"{plan.seed}:{child.device_id}").uniform(-1, 1)  # noqa: S311 - invention
    return vitals.room_temperature(second, offset=offset)


def _ppm(plan: DayOfHome, second: float) -> float:
    cooking = any(vitals.stay_at(plan.stays(r), second).doing is Doing.COOKING for r in range(plan.residents))
    return round(plan.dice("ppm", int(second)).uniform(2, 5) if cooking else 0.0, 1)


def _battery(plan: DayOfHome, child: FleetChild) -> int:
    """%: a coin cell of two to three years, replaced in time."""
    dice = Random(f"{plan.seed}:{child.device_id}:cell")  # noqa: S311 - invention
    life_days = dice.randrange(700, 1000)
    age = (plan.day.toordinal() + dice.randrange(life_days)) % life_days
    return round(100 - 65 * age / life_days)


def _every(period_s: float, plan: DayOfHome, what: str, begin: float) -> Iterator[float]:
    """Seconds of the day at a phase of its own for each sensor: a town must not speak in one voice."""
    phase = Random(f"{plan.seed}:{plan.home}:{what}:phase").uniform(0, period_s)  # noqa: S311 - invention
    turn = max(0, int((begin - phase) // period_s))
    while (at := phase + turn * period_s) < DAY_S:
        if at >= begin:
            yield at
        turn += 1


def _said(child: FleetChild, second: float, kind: str, value: Any = None) -> Word:
    return Word(second, kind, value, child.device_id, child.zone)


def _second(word: Word) -> float:
    return word.second
