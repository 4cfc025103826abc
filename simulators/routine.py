"""A resident's day as a pure function of (town seed, home, resident, date): where they are and what they do.

Nothing dangerous happens here: falls, presses and smoke come from scenarios only, so that a run's ground truth is
complete by construction. Times are seconds since local midnight.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from random import Random

from core.domain.fleet import Room

DAY_S = 86_400
_HOUR, _MINUTE = 3600, 60


class Doing(StrEnum):
    """What a resident is about; sensors and vitals follow from it."""

    ASLEEP = "asleep"
    WASHING = "washing"
    TOILET = "toilet"
    COOKING = "cooking"
    EATING = "eating"
    RESTING = "resting"
    CHORES = "chores"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Stay:
    """[start, end) in one room; `room` None is out of the home."""

    start: float
    end: float
    room: Room | None
    doing: Doing


@dataclass(frozen=True, slots=True)
class Habits:
    """What stays the same from day to day. Clock times in seconds since local midnight, chances 0-1."""

    wake_s: float
    bed_s: float
    market_chance: float
    walk_chance: float
    nap_chance: float
    night_toilets: tuple[int, ...]
    resting_heart_bpm: float


def habits_of(seed: int, home: int, resident: int) -> Habits:
    dice = _dice("habits", seed, home, resident)
    return Habits(
        wake_s=dice.uniform(5.2, 6.9) * _HOUR,
        bed_s=dice.uniform(20.4, 22.2) * _HOUR,
        market_chance=dice.uniform(0.4, 0.9),
        walk_chance=dice.uniform(0.1, 0.6),
        nap_chance=dice.uniform(0.4, 0.95),
        # One to three times a night is what recordings of elders' homes show; none is the exception.
        night_toilets=dice.choice(((0, 1), (1, 2), (1, 2, 2, 3))),
        resting_heart_bpm=dice.uniform(58, 76),
    )


@lru_cache(maxsize=4096)
def day_of(seed: int, home: int, resident: int, day: date) -> tuple[Stay, ...]:
    """The whole local day without a gap, asleep at both midnights; the same arguments give the same day."""
    dice = _dice("day", seed, home, resident, day.isoformat())
    habits = habits_of(seed, home, resident)
    written = _Day(dice)
    _night(written, habits.wake_s + dice.gauss(0, 12 * _MINUTE), dice.choice(habits.night_toilets))
    _morning(written)
    _outing(written, habits.market_chance, 40, 120)
    written.potter_until(11.2 * _HOUR + dice.gauss(0, 10 * _MINUTE))
    _meal(written, cooking_min=35)
    if dice.random() < habits.nap_chance:
        written.stay("bedroom", Doing.ASLEEP, dice.uniform(35, 85))
    written.potter_until(15 * _HOUR + dice.gauss(0, 20 * _MINUTE))
    _outing(written, habits.walk_chance, 30, 90)
    written.potter_until(17.2 * _HOUR + dice.gauss(0, 12 * _MINUTE))
    _meal(written, cooking_min=30)
    bed_s = min(habits.bed_s + dice.gauss(0, 15 * _MINUTE), 23 * _HOUR)
    written.potter_until(bed_s - 15 * _MINUTE, resting=0.85)
    written.stay("bathroom", Doing.WASHING, dice.uniform(8, 15))
    written.until(DAY_S, "bedroom", Doing.ASLEEP)
    return tuple(written.stays)


def _dice(*key: object) -> Random:
    # Text keys are hashed by SHA-512 inside Random, so the same in every process, unlike hash().
    return Random(":".join(map(str, key)))  # noqa: S311 - invention, not secrecy


class _Day:
    """Stays are appended one after the other; the cursor is where the last one ended."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.stays: list[Stay] = []
        self.now = 0.0

    def until(self, end: float, room: Room | None, doing: Doing) -> None:
        end = min(end, DAY_S)
        if end <= self.now:
            return
        self.stays.append(Stay(self.now, end, room, doing))
        self.now = end

    def stay(self, room: Room | None, doing: Doing, minutes: float) -> None:
        self.until(self.now + minutes * _MINUTE, room, doing)

    def potter_until(self, end: float, *, resting: float = 0.5) -> None:
        """Fill the time to `end` with what fills days at home; `resting` is the chance of sitting down."""
        while self.now < end:
            turn = self.dice.random()
            if turn < resting:
                room, doing, minutes = "living", Doing.RESTING, self.dice.uniform(15, 50)
            elif turn < resting + 0.1:
                room, doing, minutes = "bathroom", Doing.TOILET, self.dice.uniform(3, 7)
            else:
                room = self.dice.choice(("kitchen", "living", "bedroom"))
                doing, minutes = Doing.CHORES, self.dice.uniform(5, 25)
            self.until(min(self.now + minutes * _MINUTE, max(end, self.now)), room, doing)  # type: ignore[arg-type]


def _night(written: _Day, wake_s: float, toilets: int) -> None:
    first, last = 0.5 * _HOUR, wake_s - 0.7 * _HOUR
    for at in sorted(written.dice.uniform(first, last) for _ in range(toilets)):
        written.until(at, "bedroom", Doing.ASLEEP)
        written.stay("bathroom", Doing.TOILET, written.dice.uniform(3, 7))
    written.until(wake_s, "bedroom", Doing.ASLEEP)


def _morning(written: _Day) -> None:
    written.stay("bathroom", Doing.WASHING, written.dice.uniform(10, 20))
    _meal(written, cooking_min=15)


def _meal(written: _Day, *, cooking_min: float) -> None:
    written.stay("kitchen", Doing.COOKING, cooking_min * written.dice.uniform(0.7, 1.3))
    written.stay("living", Doing.EATING, written.dice.uniform(12, 30))
    written.stay("kitchen", Doing.CHORES, written.dice.uniform(5, 12))


def _outing(written: _Day, chance: float, low_min: float, high_min: float) -> None:
    if written.dice.random() >= chance:
        return
    written.potter_until(written.now + written.dice.uniform(10, 40) * _MINUTE)
    written.stay("entrance", Doing.CHORES, written.dice.uniform(1, 3))
    written.stay(None, Doing.OUT, written.dice.uniform(low_min, high_min))
    written.stay("entrance", Doing.CHORES, written.dice.uniform(1, 3))
