"""When to try again, and when a silent link is dead. Pure rules, no clocks of their own."""

from collections.abc import Callable
from enum import Enum

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
STABLE_AFTER_S = 10.0


class Backoff:
    """Seconds to wait before the next attempt: 0.1, 0.2, 0.4 … 5, each cut by up to half at random.

    The jitter keeps a whole fleet of workers from coming back in step after a broker restart.
    `random` returns 0 ≤ x < 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def next_delay(self, lived_s: float) -> float:
        """`lived_s`: how long the last link was up, 0 if it never was.

        Only a link that lasted starts over: a broker that accepts and drops us at once (two processes
        with one client id do that to each other) must not be hammered.
        """
        if lived_s >= STABLE_AFTER_S:
            self._failures = 0
        delay = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return delay * (1.0 - self._random() / 2)


class Verdict(Enum):
    PING = "send a PINGREQ"
    DEAD = "give the link up"


class KeepAlive:
    """Asked every `interval_s` (half the keep-alive): one PINGREQ each time, dead when the last one met silence.

    Any byte counts as life, not only PINGRESP: behind a backlog the answer may come late while data flows.
    A half-open link is so found within one keep-alive.
    """

    def __init__(self, keep_alive_s: float) -> None:
        self.interval_s = keep_alive_s / 2
        self._pinged_at: float | None = None

    def tick(self, now: float, *, heard: bool) -> Verdict:
        """`now` in monotonic seconds; `heard`: something arrived since the previous tick."""
        # When we ourselves stood still, the answer may lie unread in the socket: ask once more.
        stalled = self._pinged_at is not None and now - self._pinged_at > 2 * self.interval_s
        if self._pinged_at is not None and not heard and not stalled:
            return Verdict.DEAD
        self._pinged_at = now
        return Verdict.PING
