"""How much telemetry one device may send: a token bucket for each, and who overdoes it for long. Pure, time given.

A bucket is kept as the one moment at which it will be full again (the generic cell rate algorithm): each event moves
it on by 1/rate, and what would move it further ahead than the burst is in excess. A bucket that is full is forgotten,
so memory holds only the devices that spoke within the last burst's worth of time.

Telemetry is shared out to N workers, so each gives every device an Nth of rate and burst (`share_with`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.contract.event import Micros
from core.contract.event_time import SECOND
from ingest.reading import Reading

# A pause in the excess shorter than this does not end a flood: a device may flood in waves.
LULL: Micros = 10 * SECOND
# How often floods are looked through, and how often one that goes on is told again.
_LOOK: Micros = SECOND
_TELL_AGAIN: Micros = 60 * SECOND
_FORGET: Micros = 10 * SECOND
_NO_NEWS: Sequence["FloodNews"] = ()


@dataclass(frozen=True, slots=True)
class FloodNews:
    """A device is, or is no longer, over its limit. `first`: it was not told before."""

    device_id: str
    device_no: int
    flooding: bool
    at: Micros
    first: bool = False


@dataclass(slots=True)
class _Flood:
    device_id: str
    began: Micros
    newest: Micros
    told: Micros | None = None


class RateLimits:
    """One for each stream of messages in order of receipt. `flood_s`: excess of so long is a flood; so long without
    any ends it."""

    def __init__(self, *, events_per_s: float, burst_events: int, flood_s: float) -> None:
        self._rate, self._burst = events_per_s, burst_events
        self._flood: Micros = round(flood_s * SECOND)
        self._full_at: dict[int, Micros] = {}
        self._floods: dict[int, _Flood] = {}
        self._look_at: Micros = 0
        self._forget_at: Micros = 0
        self._grace_until: Micros = 0
        self._newest: Micros = 0
        self.share_with(1)

    def share_with(self, workers: int) -> None:
        """So many workers take from the same stream, this one among them."""
        self._step = round(SECOND * max(1, workers) / self._rate)
        self._ahead = round(SECOND * self._burst / self._rate)

    def catch_up(self, until: Micros) -> None:
        """The platform was away and devices' honest messages come all at once: until then, debts may be larger by the
        time that is left. Give the end of the absence plus its length."""
        self._grace_until = max(self._grace_until, until)

    def allows(self, device_no: int, device_id: str, now: Micros) -> bool:
        """Take a token for one event received `now`; False: there is none."""
        self._look_at_clock(now)
        full_at = self._full_at.get(device_no, now)
        if full_at < now:
            full_at = now
        full_at += self._step
        excess = full_at - now - self._ahead
        if excess > 0 and excess > self._grace_until - now:
            flood = self._floods.get(device_no)
            if flood is None:
                self._floods[device_no] = _Flood(device_id, now, now)
            else:
                flood.newest = now
            return False
        self._full_at[device_no] = full_at
        return True

    def refused(self, readings: Sequence[Reading], now: Micros) -> list[Reading]:
        """Take a token for each; answers those for which there is none. Ask for `news` of the same moment before."""
        over: list[Reading] = []
        step, ahead, all_full_at = self._step, self._ahead, self._full_at
        for reading in readings:
            full_at = all_full_at.get(reading[1], now)
            full_at = (full_at if full_at > now else now) + step
            if full_at - now <= ahead:
                all_full_at[reading[1]] = full_at
            elif not self.allows(reading[1], reading[2], now):
                over.append(reading)
        return over

    def news(self, now: Micros) -> Sequence[FloodNews]:
        """Floods that began, go on or ended since the last look; to be asked with each message."""
        if self._newest <= now < self._look_at:
            self._newest = now
            return _NO_NEWS
        self._look_at_clock(now)
        if now < self._look_at:
            return _NO_NEWS
        self._look_at = now + _LOOK
        if now >= self._forget_at:
            self._forget_at = now + _FORGET
            self._full_at = {no: full_at for no, full_at in self._full_at.items() if full_at > now}
        return [news for no in list(self._floods) if (news := self._look(no, now)) is not None]

    def _look_at_clock(self, now: Micros) -> None:
        """Messages come in order, so a time before the newest is a clock that was set back. All moments go back with
        it: else every device would be in debt by the difference, and refused for as long."""
        back, self._newest = self._newest - now, now
        if back < SECOND:
            return
        self._full_at = {no: full_at - back for no, full_at in self._full_at.items()}
        for flood in self._floods.values():
            flood.began, flood.newest = flood.began - back, flood.newest - back
            flood.told = None if flood.told is None else flood.told - back
        self._look_at, self._forget_at = self._look_at - back, self._forget_at - back
        self._grace_until -= back

    @property
    def flooding(self) -> int:
        """Devices that are in quarantine now."""
        return sum(1 for flood in self._floods.values() if flood.told is not None)

    def _look(self, device_no: int, now: Micros) -> FloodNews | None:
        flood = self._floods[device_no]
        quiet = now - flood.newest
        if flood.told is None:
            if quiet > LULL:
                del self._floods[device_no]
                return None
            if flood.newest - flood.began < self._flood:
                return None
        elif quiet >= self._flood:
            del self._floods[device_no]
            return FloodNews(flood.device_id, device_no, flooding=False, at=now)
        elif now - flood.told < _TELL_AGAIN or quiet > LULL:
            return None
        # Told again: another worker, of whose share less was sent, may have taken the alert back.
        first, flood.told = flood.told is None, now
        return FloodNews(flood.device_id, device_no, flooding=True, at=now, first=first)
