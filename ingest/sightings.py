"""How often "this device spoke" is written down: at once, but under load once in a while.

A busy device has several messages in every batch and a row of device_state to lock, compare and rewrite for each batch:
a quarter of the database's work for a reading (docs/benchmarks.md). What says more than that it spoke is never held.
A worker that is killed loses what it held: the device seems to have spoken that much earlier, never later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.contract.event import Micros
from ingest.liveness import DeviceNews

News = tuple[int, DeviceNews]
_FORGET = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """`write` goes into this transaction, sorted by device; `hold` is for a later one."""

    write: list[News]
    hold: list[News]
    at: Micros


class Sightings:
    """Of one lane. `hold`: how long at most news of a device is held; 0: nothing is."""

    def __init__(self, hold: Micros) -> None:
        self._hold = hold
        self._written: dict[int, Micros] = {}
        self._held: dict[int, DeviceNews] = {}
        self._since: Micros = 0
        self._forget_at: Micros = 0

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def plan(self, news: Iterable[News], now: Micros, *, busy: bool) -> Plan:
        """Changes nothing: the transaction may fail. Not `busy`: write everything, and what is held."""
        if not self._hold:
            return Plan(list(news), [], now)
        write: list[News] = []
        hold: list[News] = []
        written, held = self._written, self._held
        for device_no, told in news:
            if told.plain and 0 <= told.last_seen - written.get(device_no, 0) < self._hold:
                hold.append((device_no, told))
            else:
                write.append((device_no, _merged(told, held.get(device_no))))
        if not busy or (held and not 0 <= now - self._since < self._hold):
            said = {device_no for device_no, _ in write}
            late = {device_no: _merged(told, held.get(device_no)) for device_no, told in hold}
            write += [each for each in {**held, **late}.items() if each[0] not in said]
            write.sort(key=lambda each: each[0])
            hold = []
        return Plan(write, hold, now)

    def done(self, plan: Plan) -> None:
        """The transaction is committed."""
        if not self._hold:
            return
        for device_no, told in plan.write:
            self._held.pop(device_no, None)
            self._written[device_no] = told.last_seen
        if not self._held:
            self._since = plan.at
        for device_no, told in plan.hold:
            self._held[device_no] = _merged(told, self._held.get(device_no))
        if not 0 <= self._forget_at - plan.at <= _FORGET * self._hold:
            self._forget_at = plan.at + _FORGET * self._hold
            self._written = {no: seen for no, seen in self._written.items() if plan.at - seen < self._hold}


def _merged(told: DeviceNews, held: DeviceNews | None) -> DeviceNews:
    """What is held says only when the device spoke."""
    if held is not None:
        told.last_seen = max(told.last_seen, held.last_seen)
        if held.last_at is not None:
            told.last_at = held.last_at if told.last_at is None else max(told.last_at, held.last_at)
    return told
