"""Scenarios: what goes wrong in a town, when and where, decided before the run. The only source of emergencies.

A scenario is a pure function of (fleet, seed) to planned happenings at offsets from its beginning; each one is also
a line of ground truth, so that tests and the oracle can compare what was meant with what was raised.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from core.domain.fleet import Fleet
from simulators.homes import Happening, Home, homes_of


@dataclass(frozen=True, slots=True)
class Planned:
    """`offset_s` after the scenario began, in the town's time; `what` is the word for the log and the truth."""

    offset_s: float
    what: str
    home: int
    member: str
    type: str
    value: Any = None
    device: str | None = None
    zone: str | None = None

    def happening(self, began: datetime) -> Happening:
        at = began + timedelta(seconds=self.offset_s)
        return Happening(at, self.home, self.member, self.type, self.value, self.device, self.zone)

    def truth(self, began: datetime) -> dict[str, Any]:
        """One entry of `expected` in the truth file."""
        return {
            "what": self.what,
            "at": (began + timedelta(seconds=self.offset_s)).isoformat(timespec="milliseconds"),
            "home": self.home,
            "member": self.member,
            "device": self.device or self.member,
            "type": self.type,
        }


Scenario = Callable[[Fleet, int], list[Planned]]


def first_minute(fleet: Fleet, seed: int) -> list[Planned]:
    """A press after 3 s, a fall after 20 s, smoke in a kitchen after 40 s, in different homes where there are three.

    The file's first homes are taken: they belong to the centre of the demo's operator, who must see them ring.
    """
    homes = homes_of(fleet)
    planned: list[Planned] = []
    for make in (_press(Random(f"{seed}:press")), _fall, _smoke):  # noqa: S311 - invention
        used = {one.home for one in planned}
        fresh = sorted(homes, key=lambda home: home.number in used)
        one = next((found for home in fresh for found in make(home)), None)
        if one is not None:
            planned.append(one)
    return planned


SCENARIOS: dict[str, Scenario] = {"first-minute": first_minute}


def truth_document(name: str, seed: int, began: datetime, planned: list[Planned]) -> dict[str, Any]:
    """What `--truth-file` holds: every emergency of the run, device ids only."""
    return {
        "scenario": name,
        "seed": seed,
        "began_at": began.isoformat(timespec="milliseconds"),
        "expected": [one.truth(began) for one in planned],
    }


def _press(dice: Random) -> Callable[[Home], Iterator[Planned]]:
    by_watch = dice.random() < 0.5

    def press(home: Home) -> Iterator[Planned]:
        if home.watch is not None and (by_watch or home.hub is None):
            yield Planned(3, "press", home.number, home.watch.device_id, "sos")
        yield from _by_child(home, "sos_button", 3, "press", "sos", None)

    return press


def _fall(home: Home) -> Iterator[Planned]:
    if home.watch is not None:
        yield Planned(20, "fall", home.number, home.watch.device_id, "fall", {"confidence": 0.93})


def _smoke(home: Home) -> Iterator[Planned]:
    yield from _by_child(home, "smoke", 40, "smoke", "smoke", True)


def _by_child(home: Home, kind: str, offset_s: float, what: str, type_: str, value: Any) -> Iterator[Planned]:
    for child in home.hub.children if home.hub is not None else ():
        if child.type == kind:
            assert home.hub is not None
            member = home.hub.device_id
            yield Planned(offset_s, what, home.number, member, type_, value, child.device_id, child.zone)
