"""How long a lane was away from its stream: what the broker kept meanwhile comes at once and is nobody's flood."""

from datetime import datetime

from core.contract.event_time import micros
from ingest.lane import Lane


class Absence:
    """Credit for a lane's rate limits. `longest_s`: for so long the broker keeps messages; a longer absence leaves no
    more of them."""

    def __init__(self, lane: Lane, *, longest_s: float) -> None:
        self._lane, self._longest_s = lane, longest_s
        self._since: datetime | None = None

    def began(self, since: datetime, now: datetime) -> None:
        """It was away from `since` until now, before this process was there."""
        self._credit(since, now)

    def look(self, now: datetime) -> None:
        """Called every few seconds."""
        if not self._lane.session.connected.is_set() or self._lane.trouble is not None:
            self._since = self._since or now
            self._credit(self._since, now)
        else:
            self._since = None

    def _credit(self, since: datetime, now: datetime) -> None:
        seconds = min(max(0.0, (now - since).total_seconds()), self._longest_s)
        self._lane.rates.catch_up(micros(now) + round(seconds * 1e6))
