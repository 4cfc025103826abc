"""How a drain goes on: a line every 10 s for whoever waits for it, and a rate."""

import logging

log = logging.getLogger(__name__)

_TELL_EVERY_S = 10.0
_WINDOW_S = 5.0


class Progress:
    """Times are the event loop's, in seconds."""

    def __init__(self) -> None:
        self._window: list[tuple[float, int]] = []
        self._total = 0
        self._told: float | None = None

    def add(self, messages: int, now: float) -> None:
        self._total += messages
        self._window.append((now, messages))
        self._forget(now)

    def per_s(self, now: float) -> float:
        """Messages a second over the last five."""
        self._forget(now)
        return sum(messages for _, messages in self._window) / _WINDOW_S

    def tell(self, now: float, lane: str, left: int) -> None:
        if self._told is None:
            self._told = now
            log.info("draining the spool: %d messages left", left, extra={"action": "ingest.draining", "lane": lane})
        elif now - self._told >= _TELL_EVERY_S:
            self._told = now
            rate = self.per_s(now)
            log.info(
                "draining the spool: %d messages left, %d a second, about %d s to go",
                left,
                rate,
                left / rate if rate else 0,
                extra={"action": "ingest.draining", "lane": lane},
            )

    def end(self) -> None:
        if self._told is not None:
            log.info("the spool is drained: %d messages", self._total, extra={"action": "ingest.drained"})
        self._told, self._total = None, 0

    def _forget(self, now: float) -> None:
        while self._window and self._window[0][0] < now - _WINDOW_S:
            del self._window[0]
