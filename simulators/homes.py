"""What the devices of one home say, lazily and in order of time, from any instant on.

Pure: the same fleet, home and instant give the same happenings, whenever and wherever they are asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from typing import Any
from zoneinfo import ZoneInfo

from core.domain.fleet import Fleet, FleetHome, FleetMember
from simulators.sensing import DayOfHome, Word, hub_day, opening_words, watch_day

_UP_TO_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a device: `member` has the connection, `device` is its child or None for itself."""

    at: datetime
    home: int
    member: str
    type: str
    value: Any = None
    device: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """A home of the fleet file with the members that speak for it."""

    number: int
    residents: int
    hub: FleetMember | None
    watch: FleetMember | None


def homes_of(fleet: Fleet) -> list[Home]:
    """Homes in the file's order. A second watch of one home is not planned for and raises ValueError."""
    members: dict[tuple[int, str], FleetMember] = {}
    for member in fleet.members:
        if members.setdefault((member.home, member.kind), member) is not member:
            raise ValueError(f"home {member.home} has more than one {member.kind}")
    return [_home(home, members) for home in fleet.homes]


def _home(home: FleetHome, members: dict[tuple[int, str], FleetMember]) -> Home:
    return Home(home.number, home.residents, members.get((home.number, "hub")), members.get((home.number, "watch")))


def happenings(fleet: Fleet, start: datetime) -> Iterator[Happening]:
    """Everything the fleet says from `start` on, without end, in order of time."""
    return merge(*(home_happenings(fleet, home, start) for home in homes_of(fleet)), key=_at)


def home_happenings(fleet: Fleet, home: Home, start: datetime) -> Iterator[Happening]:
    """First what each device reports when it comes up at `start`, then its days."""
    zone = ZoneInfo(fleet.time_zone)
    day = start.astimezone(zone).date()
    opening = opening_words(DayOfHome(fleet.seed, home.number, home.residents, day), home.hub, home.watch)
    second = (start - _midnight(day, zone)).total_seconds()
    for member, words in opening:
        for word in words(second):
            yield Happening(start, home.number, member, word.type, word.value, word.device, word.zone)
    while True:
        yield from _one_day(fleet, home, day, zone, start)
        day += _UP_TO_A_DAY


def _one_day(fleet: Fleet, home: Home, day: date, zone: ZoneInfo, start: datetime) -> Iterator[Happening]:
    midnight, next_midnight = _midnight(day, zone), _midnight(day + _UP_TO_A_DAY, zone)
    plan = DayOfHome(fleet.seed, home.number, home.residents, day)
    begin = max(0.0, (start - midnight).total_seconds())
    streams = []
    if home.hub is not None:
        streams.append(_by(home.hub, hub_day(plan, home.hub, begin)))
    if home.watch is not None:
        streams.append(_by(home.watch, watch_day(plan, begin)))
    for word, member_id in merge(*streams, key=_second):
        at = midnight + timedelta(seconds=word.second)
        if at >= next_midnight:
            return  # a day of 23 hours: the clock was put forward
        yield Happening(at, home.number, member_id, word.type, word.value, word.device, word.zone)


def _by(member: FleetMember, words: Iterator[Word]) -> Iterator[tuple[Word, str]]:
    return ((word, member.device_id) for word in words)


def _second(spoken: tuple[Word, str]) -> float:
    return spoken[0].second


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _at(happening: Happening) -> datetime:
    return happening.at
