"""Where and when a recorded reading is played: its shifted time, its moment on the wall, its batch. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# The platform takes events of the last 30 days; an hour less, because the play itself takes time.
OLDEST = timedelta(days=30) - timedelta(hours=1)
TOO_OLD = "older than 30 days"
TOO_NEW = "would lie in the future"

# The contract allows 50 events/s for each device after a burst of 3,000; what exceeds it is rejected for good.
RATE_PER_S = 45.0
BURST = 2500.0


@dataclass(frozen=True, slots=True)
class Timing:
    """`began`: when the play begins. `speed` None is as fast as the platform takes it.

    Without `start`, the recording is moved so that its end falls on the end of the play: nothing lies in the
    future, everything is as fresh as it can be, and speed 1 plays live. `start` puts its beginning at an instant.
    """

    began: datetime
    span: timedelta
    speed: float | None = None
    start: datetime | None = None

    @property
    def first_at(self) -> datetime:
        if self.start is not None:
            return self.start
        return self.began + timedelta(seconds=self.wall_s(self.span)) - self.span

    def at(self, offset: timedelta) -> datetime:
        """The shifted time of a reading."""
        return self.first_at + offset

    def wall_s(self, offset: timedelta) -> float:
        """Seconds after the beginning of the play at which it is due."""
        return offset.total_seconds() / self.speed if self.speed else 0.0

    def skipped(self, offset: timedelta) -> str | None:
        """Why it cannot be played, None if it can."""
        at = self.at(offset)
        if at < self.began - OLDEST:
            return TOO_OLD
        return TOO_NEW if at > self.began + timedelta(seconds=self.wall_s(offset)) else None


class Allowance:
    """A bucket for each device, a little below the contract's rate; `wait_s` takes one event out."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}

    def wait_s(self, device: str, now: float) -> float:
        """How long this event must wait; `now` in monotonic seconds."""
        earliest = max(self._full_at.get(device, now), now)
        wait = earliest - now - BURST / RATE_PER_S
        self._full_at[device] = earliest + 1 / RATE_PER_S
        return max(0.0, wait)
