"""What a simulated device still owes the platform: two lanes, telemetry bounded, alarms never dropped. Pure."""

from collections import deque
from collections.abc import Sequence

from core.domain.event_types import Lane
from simulators.receipts import Event


class Outbox:
    """Oldest telemetry goes when more than `telemetry_limit` events wait; `dropped` counts it."""

    def __init__(self, telemetry_limit: int = 2000) -> None:
        self._limit = telemetry_limit
        self._lanes: dict[Lane, deque[Event]] = {Lane.ALARM: deque(), Lane.TELEMETRY: deque()}
        self.dropped = 0

    def add(self, lane: Lane, event: Event) -> None:
        waiting = self._lanes[lane]
        waiting.append(event)
        if lane is Lane.TELEMETRY and len(waiting) > self._limit:
            waiting.popleft()
            self.dropped += 1

    def first(self, lane: Lane, most: int) -> list[Event]:
        """Up to `most` of the oldest events; they stay until `settle`."""
        waiting = self._lanes[lane]
        return [waiting[index] for index in range(min(most, len(waiting)))]

    def settle(self, lane: Lane, events: Sequence[Event]) -> None:
        """Forget these, in the order `first` gave them; some may have been dropped meanwhile."""
        waiting = self._lanes[lane]
        settled = {id(event) for event in events}
        while waiting and id(waiting[0]) in settled:
            waiting.popleft()

    def waiting(self, lane: Lane) -> int:
        return len(self._lanes[lane])
