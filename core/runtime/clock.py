"""The one clock of a stack: a start instant and a rate, passed to whoever must know the time.

Two modes (design 7): free-running, also faster than real time, and a clock that a test or an oracle sets by hand.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Now = Callable[[], datetime]


class Clock:
    """Anxin time, UTC. `rate` 60 makes a minute pass in a second; 1 and no `start` is real time."""

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        if rate <= 0:
            raise ValueError("a clock's rate is above 0")
        self._real = start is None and rate == 1.0
        self._start = start or datetime.now(UTC)
        self._began = time.monotonic()
        self.rate = rate

    def now(self) -> datetime:
        if self._real:
            return datetime.now(UTC)
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self.rate)

    def real_seconds(self, anxin_seconds: float) -> float:
        """How long to sleep for `anxin_seconds` of this clock."""
        return anxin_seconds / self.rate


class HandClock(Clock):
    """Stands still until it is moved: for tests and lockstep."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._at = start

    def now(self) -> datetime:
        return self._at

    def advance(self, delta: timedelta) -> datetime:
        if delta < timedelta(0):
            raise ValueError("time goes forwards")
        self._at += delta
        return self._at
