"""How often "this device spoke" is written down: at once, but under load once in a while.

A busy device has several messages in every batch and a row of device_state to lock, compare and rewrite for each batch:
a quarter of the database's work for a reading (docs/benchmarks.md). What says more than that it spoke is never held.
A worker that is killed loses what it held: the device seems to have spoken that much earlier, never later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.contract.event import Micros
from ingest.liveness import DeviceNews, Seen

News = tuple[int, DeviceNews]


@dataclass(frozen=True, slots=True)
class Plan:
    """`write` goes into this transaction, sorted by device; `hold` is for a later one. `everything`: nothing that was
    held before stays held."""

    write: list[News]
    hold: tuple[Seen, ...]
    everything: bool
    at: Micros


class Sightings:
    """Of one lane. `hold`: how long at most news of a device is held; 0: nothing is."""

    def __init__(self, hold: Micros) -> None:
        self._hold = hold
        self._held = Seen()
        self._since: Micros = 0

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def plan(self, news: Iterable[News], seen: Seen, now: Micros, *, busy: bool) -> Plan:
        """Changes nothing: the transaction may fail. Not `busy`: write everything, and what is held."""
        if not busy or not self._hold or not 0 <= now - self._since < self._hold:
            late = Seen()
            late.update(self._held)
            late.update(seen)
            return Plan(_all(news, late), (), True, now)
        write: list[News] = []
        hold = Seen()
        for device_no, told in news:
            if told.plain:
                hold.add(device_no, told.last_seen, told.last_at)
            else:
                write.append((device_no, told))
        return Plan(write, (seen, hold), False, now)

    def done(self, plan: Plan) -> None:
        """The transaction is committed."""
        if plan.everything:
            self._held, self._since = Seen(), plan.at
        for seen in plan.hold:
            self._held.update(seen)


def _all(news: Iterable[News], seen: Seen) -> list[News]:
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
