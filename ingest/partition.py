"""Which of several workers takes a device's telemetry: one always the same, by the device's id.

Every worker reads everything by a plain subscription and acknowledges what is another's as soon as the older ones of
its own are. A shared subscription would spare that copy, but Mosquitto forgets it at a restart, and what devices
publish until the worker is back is acknowledged and gone (docs/adr/0011-partitioned-telemetry.md).
"""

from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

from core.contract.topics import PREFIX
from core.runtime.mqtt import Message

Messages = list[Message]


class Partition:
    """Give `take` to the session as its handler. `worker` counts from 1 to `workers`.

    `ours` gets what this worker stores, `others` what is acknowledged unseen: the worker whose device it is has a copy.
    """

    def __init__(
        self, worker: int, workers: int, *, ours: Callable[[Messages], None], others: Callable[[Messages], None]
    ) -> None:
        self._part, self._workers = worker - 1, workers
        self._ours, self._others = ours, others

    def take(self, messages: Messages) -> None:
        mine: Messages = []
        foreign: Messages = []
        for message in messages:
            (mine if part_of(message.topic, self._workers) == self._part else foreign).append(message)
        if foreign:
            self._others(foreign)
        if mine:
            self._ours(mine)


@lru_cache(maxsize=65_536)
def part_of(topic: str, workers: int) -> int:
    """0 to workers − 1. All topics of a device have one answer, so its messages stay in order."""
    return crc32(topic[len(PREFIX) :].partition("/")[0].encode("utf-8", "surrogatepass")) % workers
