"""Alarms that came and were not read yet: bounded, and nothing of it dropped. Pure."""

from collections import deque
from collections.abc import Iterable

from core.runtime.mqtt import Message

_Held = tuple[Message, float]


class Inbox:
    """QoS 1 is bounded by what is not acknowledged, QoS 0 by nothing: a flood of it would take the process's memory and
    with it everybody's console. What does not fit is handed back, the oldest first, to be read at once; who reads it
    there lets the broker wait, and the broker is who may say that it is too much."""

    def __init__(self, messages: int = 20_000, bytes: int = 16 * 1024 * 1024) -> None:
        self._most, self._most_bytes = messages, bytes
        self._held: deque[_Held] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def put(self, messages: Iterable[Message], at: float) -> list[_Held]:
        """Keep these; what must be read now, with the time each came at."""
        for message in messages:
            self._held.append((message, at))
            self._bytes += len(message.payload)
        over = []
        while len(self._held) > self._most or self._bytes > self._most_bytes:
            over += self.take(1)
        return over

    def take(self, most: int) -> list[_Held]:
        """The oldest, at most so many."""
        taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
        self._bytes -= sum(len(message.payload) for message, _ in taken)
        return taken
