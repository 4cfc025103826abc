"""Whether the database answers, told by the reads of the alert feed: no question of its own."""

from collections.abc import Callable
from datetime import datetime

from alerts.feed import AlertFeed

# Beside the feed's own pause: a restart of the database that nobody would notice is no outage.
_PATIENCE_S = 2.0


class DatabasePulse:
    """`look` is called several times a second; `away` is what it saw last. `since`: the last moment it was there."""

    def __init__(self) -> None:
        self.feed: AlertFeed | None = None
        self.away = False
        self.since: datetime | None = None
        self._looked: float | None = None

    def look(self, at: float, now: datetime, poll_s: float) -> bool:
        """True when the answer changed. `at` is the loop's clock."""
        slept = self._looked is not None and at - self._looked > _PATIENCE_S
        self._looked = at
        if slept:
            return False  # this process stood still, not the database: the feed has to read first
        answered = self.feed.answered_at if self.feed is not None else None
        # Before the first answer there is nothing to compare with: the process has only just started.
        away = answered is not None and at - answered > _PATIENCE_S + 2 * poll_s
        if not away:
            self.since = now
        changed, self.away = away != self.away, away
        return changed

    def token_time(self, now: Callable[[], datetime]) -> datetime:
        """When a token is judged. While the database is away nobody can renew one, so what was valid at its last sign
        of life stays valid."""
        return self.since if self.away and self.since is not None else now()
