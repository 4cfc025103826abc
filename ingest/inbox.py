"""Messages received and not yet taken in hand. While one batch commits, the next collects here."""

import asyncio
import contextlib
from collections import Counter, deque

from core.runtime.mqtt import Message

# What a message takes beside its payload: the smallest ones must not be unbounded.
_MESSAGE_BYTES = 500


class Inbox:
    """Filled by the MQTT session, emptied by the lane. QoS 1 is bounded by the session's receive maximum; QoS 0,
    which nothing bounds, is dropped above `overflow_bytes` (a chunk as the session reads it may pass) and counted."""

    def __init__(self, *, size: int, age_s: float, overflow_bytes: int) -> None:
        self._size, self._age_s, self._overflow = size, age_s, overflow_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._since = 0.0  # when the first of the waiting messages came, by the loop's clock
        self._filled = asyncio.Event()
        self._ripe = asyncio.Event()
        self._closed = False
        self.dropped: Counter[str] = Counter()
        self.accepted = 0
        """Messages that were ever put here and not dropped."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def oldest(self) -> float | None:
        """Receive time of the oldest waiting message."""
        return self._messages[0].received_at if self._messages else None

    def put(self, messages: list[Message]) -> None:
        """Called by the session with each chunk. After `close` nothing is taken: what is unacknowledged comes again."""
        if self._closed:
            return
        if not self._messages:
            self._since = asyncio.get_running_loop().time()
        taken = messages
        if self._bytes >= self._overflow:
            taken = [message for message in messages if message.packet_id is not None]
            self.dropped.update(message.topic for message in messages if message.packet_id is None)
        self._messages += taken
        self._bytes += sum([len(message.payload) + _MESSAGE_BYTES for message in taken])
        self.accepted += len(taken)
        if self._messages:
            self._filled.set()
        if len(self._messages) >= self._size:
            self._ripe.set()

    async def take(self) -> list[Message]:
        """The next messages, at most `size`: at once when so many wait, else when the first waited `age_s`.

        Empty only when the inbox is closed and everything was taken.
        """
        await self._filled.wait()
        if len(self._messages) < self._size and self._age_s and not self._closed:
            await self._ripen()
        taken = [self._messages.popleft() for _ in range(min(self._size, len(self._messages)))]
        self._bytes -= sum([len(message.payload) + _MESSAGE_BYTES for message in taken])
        if not self._closed:
            if len(self._messages) < self._size:
                self._ripe.clear()
            if not self._messages:
                self._filled.clear()
        return taken

    async def _ripen(self) -> None:
        """Messages that waited for an earlier batch have waited enough."""
        left = self._since + self._age_s - asyncio.get_running_loop().time()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ripe.wait(), left)

    def take_dropped(self) -> Counter[str]:
        """How many of each topic."""
        dropped, self.dropped = self.dropped, Counter()
        return dropped

    def close(self) -> None:
        """Take nothing more; whoever waits for messages gets what is there."""
        self._closed = True
        self._filled.set()
        self._ripe.set()
