"""How often "this device spoke" is written down: at once, but under load once in a while.

A busy device has several messages in every batch and a row of device_state to lock, compare and rewrite for each batch:
a quarter of the database's work for a reading (docs/benchmarks.md). What says more than that it spoke is never held.
A worker that is killed loses what it held: the device seems to have spoken that much earlier, never later.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from core.contract.event import Micros
from ingest.liveness import DeviceNews, Sighted

News = tuple[int, DeviceNews]

# As many as a full batch may name, so that what is held does not grow; and not a whole large fleet's at once, for
# which the other lane would wait.
_AT_ONCE = 4000


@dataclass(frozen=True, slots=True)
class Plan:
    """`write` goes into this transaction, sorted by device; `hold` is for a later one. `released`: the devices of which
    what was held before is written. `anew`: the time of what is held begins again."""

    write: list[News]
    hold: tuple[Sighted, ...]
    released: Collection[int]
    anew: bool
    at: Micros


class Sightings:
    """Of one lane. `hold`: how long at most news of a device is held; 0: nothing is."""

    def __init__(self, hold: Micros) -> None:
        self._hold = hold
        self._held = Sighted()
        self._since: Micros = 0

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def plan(self, news: Iterable[News], seen: Sighted, now: Micros, *, busy: bool) -> Plan:
        """Changes nothing: the transaction may fail. Not `busy`: write everything, and what is held."""
        if not busy or not self._hold:
            late = Sighted()
            late.update(self._held)
            late.update(seen)
            return Plan(_all(news, late), (), self._held.spoke.keys(), True, now)
        write: list[News] = []
        hold = Sighted()
        for device_no, told in news:
            if told.plain:
                hold.add(device_no, told.last_seen, told.last_at)
            else:
                write.append((device_no, told))
        if 0 <= now - self._since < self._hold:
            return Plan(write, (seen, hold), (), False, now)
        due = self._held.first(_AT_ONCE)
        return Plan(_all(write, due), (seen, hold), due.spoke.keys(), len(due.spoke) == len(self._held.spoke), now)

    def done(self, plan: Plan) -> None:
        """The transaction is committed."""
        for device_no in list(plan.released):
            self._held.forget(device_no)
        for seen in plan.hold:
            self._held.update(seen)
        if plan.anew:
            self._since = plan.at


def _all(news: Iterable[News], seen: Sighted) -> list[News]:
    """One entry a device."""
    told = dict(news)
    for device_no, spoke in seen.spoke.items():
        known = told.get(device_no)
        if known is None:
            told[device_no] = DeviceNews(spoke, seen.said.get(device_no))
        else:
            known.last_seen = max(known.last_seen, spoke)
            known.last_at = max(known.last_at or 0, seen.said.get(device_no, 0)) or None
    return sorted(told.items())
