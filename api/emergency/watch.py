"""What was heard on the alarm lane and is not known to be stored: it waits, then it rings, then it ends. Pure.

Times are seconds of one steady clock; `now` is the clock of the alerts. The order of a healthy press is heard, saw,
and nothing else. Without the second: `due` names it, the database is asked, `settle` rings it. A cry is never dropped:
what cannot be remembered any more rings all the same.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from api.emergency.hearing import CryKey, Heard
from api.emergency.provisional import Provisional, begin, provisional_id

# A cry known by device, type and time alone: how far the receive times of two listeners lie apart.
NEAR = timedelta(seconds=2)
_STRAYS_KEPT = 1000
_SubjectRule = tuple[str, str, str]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Stored:
    """A cry that an alert event tells of."""

    key: CryKey
    received_at: datetime
    alert_id: UUID


@dataclass(frozen=True, slots=True)
class Match:
    """A stored cry that had rung here before. `over`: no cry of it is left unstored."""

    provisional: Provisional
    over: bool


class EmergencyWatch:
    """`wait_s`: how long a cry may take to be stored. `limit` bounds each memory."""

    def __init__(self, wait_s: float, *, limit: int = 20_000) -> None:
        self._wait_s, self._limit = wait_s, limit
        self._waiting: OrderedDict[CryKey, tuple[Heard, float]] = OrderedDict()
        self._asked: dict[CryKey, tuple[Heard, float]] = {}
        self._seen: OrderedDict[CryKey, UUID | None] = OrderedDict()  # stored; with the provisional id it had here
        self._strays: OrderedDict[CryKey, Stored] = OrderedDict()  # stored, and not heard here by that key
        self._rung: dict[CryKey, Provisional] = {}
        self._live: dict[_SubjectRule, Provisional] = {}
        self._ended: OrderedDict[UUID, UUID] = OrderedDict()  # provisional id -> the alert it became

    # --- what is there

    @property
    def live(self) -> list[Provisional]:
        return list(self._live.values())

    def find(self, id: UUID) -> Provisional | None:
        return next((each for each in self._live.values() if each.id == id), None)

    def became(self, id: UUID) -> UUID | None:
        """The stored alert of a provisional one."""
        live = self.find(id)
        return live.stored_as if live is not None else self._ended.get(id)

    def id_of(self, key: CryKey) -> UUID:
        """The provisional id that a frame about this stored cry carries."""
        return self._seen.get(key) or provisional_id(key)

    def next_due(self) -> float | None:
        first = next(iter(self._waiting.values()), None)
        return None if first is None else first[1] + self._wait_s

    # --- what happens

    def heard(self, heard: Heard, at: float) -> None:
        """A cry came. One that is stored, waits or rings already is the same cry again."""
        key = heard.key
        if key in self._seen or self._knows(key):
            self._strays.pop(key, None)  # no longer one that another cry could be taken for
            return
        if not heard.certain and (stray := self._stray_like(heard)) is not None:
            del self._strays[stray.key]
            return
        self._waiting[key] = heard, at

    def saw(self, stored: Stored) -> Match | None:
        """An alert event tells that a cry is stored."""
        key = stored.key
        if key in self._seen:
            return None
        mine = key if self._knows(key) else self._alias(stored)
        if mine is None:
            self._strays[key] = stored
            _trim(self._strays, _STRAYS_KEPT)
        provisional = self._rung.get(mine) if mine is not None else None
        self._remember(key, provisional.id if provisional is not None else None)
        if mine is not None and mine != key:
            self._remember(mine, provisional.id if provisional is not None else None)
        if mine is None or provisional is None:
            if mine is not None:
                self._waiting.pop(mine, None)
                self._asked.pop(mine, None)
            return None
        provisional.stored_as = provisional.stored_as or stored.alert_id
        return Match(provisional, self._over(provisional, mine))

    def due(self, at: float, *, away: bool) -> list[Heard]:
        """The cries whose time is up; all that wait, once it is known that the database is away. They are out of the
        waiting until `settle`."""
        while self._waiting:
            key, (heard, since) = next(iter(self._waiting.items()))
            if not away and since + self._wait_s > at:
                break
            del self._waiting[key]
            self._asked[key] = heard, since
        return [heard for heard, _ in self._asked.values()]

    def settle(self, stored: Collection[CryKey], at: float, now: datetime) -> list[Provisional]:
        """What is due and not among `stored` rings now; the provisional alerts that are new or were pressed."""
        changed: dict[UUID, Provisional] = {}
        due, self._asked = self._asked, {}
        for key, (heard, _) in due.items():
            if key in stored:
                self._remember(key, None)
                continue
            provisional = self._ring(heard, at, now)
            changed[provisional.id] = provisional
        return list(changed.values())

    def unstored(self) -> list[Heard]:
        """Every cry that rings and is not stored."""
        return [heard for each in self._live.values() for heard, _ in each.unstored.values()]

    def found_stored(self, keys: Collection[CryKey]) -> list[Provisional]:
        """These are stored although no alert event told so: they were stored before they rang. Those that are over."""
        over = []
        for key in keys:
            if (provisional := self._rung.get(key)) is not None:
                self._remember(key, provisional.id)
                if self._over(provisional, key):
                    over.append(provisional)
        return over

    def expire(self, before: float) -> list[Provisional]:
        """Forget taken alerts whose newest cry rang before then and was never stored. Nobody's stay: they ring."""
        old = [each for each in self._live.values() if each.claim is not None and _newest(each) < before]
        for each in old:
            for key in list(each.unstored):
                self._over(each, key)
        return old

    # --- how

    def _knows(self, key: CryKey) -> bool:
        return key in self._waiting or key in self._asked or key in self._rung

    def _alias(self, stored: Stored) -> CryKey | None:
        """The uncertain cry that this may be: the oldest of its device and type, heard no later than it was stored."""
        for key, heard in self._uncertain():
            near = stored.received_at >= heard.hit.occurrence.received_at - NEAR
            if near and stored.key[0] in heard.devices and stored.key[2] == key[2]:
                return key
        return None

    def _uncertain(self) -> Iterator[tuple[CryKey, Heard]]:
        for provisional in self._live.values():
            yield from ((key, heard) for key, (heard, _) in provisional.unstored.items() if not heard.certain)
        for waiting in (self._asked, self._waiting):
            yield from ((key, heard) for key, (heard, _) in waiting.items() if not heard.certain)

    def _stray_like(self, heard: Heard) -> Stored | None:
        occurrence = heard.hit.occurrence
        for stray in self._strays.values():
            apart = abs(stray.received_at - occurrence.received_at)
            if apart <= NEAR and stray.key[0] in heard.devices and stray.key[2] == occurrence.type:
                return stray
        return None

    def _ring(self, heard: Heard, at: float, now: datetime) -> Provisional:
        subject, rule = heard.hit.subject, heard.hit.finding.rule
        where = (subject.kind.value, subject.id, rule)
        provisional = self._live.get(where)
        if provisional is None:
            provisional = self._live[where] = begin(heard, at, now)
        else:
            provisional.press(heard, at, now)
        self._rung[heard.key] = provisional
        if len(self._rung) > self._limit and len(provisional.unstored) > 1:
            # A button that never stops: it is counted and rings, only the keys of its oldest presses are forgotten.
            self._over(provisional, next(iter(provisional.unstored)))
        return provisional

    def _over(self, provisional: Provisional, key: CryKey) -> bool:
        provisional.unstored.pop(key, None)
        self._rung.pop(key, None)
        if provisional.unstored:
            return False
        alert = provisional.alert
        self._live.pop((alert.subject_kind.value, alert.subject_id, alert.rule), None)
        if provisional.stored_as is not None:
            self._ended[provisional.id] = provisional.stored_as
            _trim(self._ended, self._limit)
        return True

    def _remember(self, key: CryKey, id: UUID | None) -> None:
        self._seen[key] = id
        _trim(self._seen, self._limit)


def _newest(provisional: Provisional) -> float:
    return max(at for _, at in provisional.unstored.values())


def _trim(memory: OrderedDict[_Key, _Value], limit: int) -> None:
    while len(memory) > limit:
        memory.popitem(last=False)
