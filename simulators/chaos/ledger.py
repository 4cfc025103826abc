"""What was published, message by message, as the publishers know it.

    [[number, "tag", "device", "way", sos, at, puback, receipted, "rejected"|null], …]

`at` is the event's time in microseconds of the epoch and no two messages of a run share one: a reading's row is found
by it. The event id is `<tag>-<number>`, so the event key can be worked out without asking the platform.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Literal

from core.contract.keys import key_of_id

PUBLISHERS = 2  # processes that give out times: the load and the gateway's feeder


class Moments:
    """Event times in microseconds, growing, none given twice; nor by the other publisher, whose `share` differs: one
    of two messages with the same time would be taken for the other's second row."""

    def __init__(self, share: int) -> None:
        self._share, self._last = share, 0

    def next(self, now_us: int) -> int:
        step = now_us - now_us % PUBLISHERS + self._share
        self._last = max(step, self._last + PUBLISHERS)
        return self._last


Way = Literal["plain", "receipt", "gateway"]
"""plain: trusts the PUBACK. receipt: sends until the receipt. gateway: `anxin gateway`, fed again after a kill."""


@dataclass(slots=True)
class Published:
    number: int
    tag: str
    device: str
    way: Way
    sos: bool
    at: int
    puback: bool = False
    receipted: bool = False
    rejected: str | None = None

    @property
    def id(self) -> str:
        return f"{self.tag}-{self.number}"

    @property
    def key(self) -> str:
        """The platform's key of this event, as hexadecimal."""
        return key_of_id(self.id).hex()


def write(path: Path, messages: Iterable[Published]) -> None:
    path.write_text(json.dumps([astuple(message) for message in messages]), encoding="utf-8")


def read(path: Path) -> list[Published]:
    return [Published(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def as_lines(messages: Iterable[Published]) -> str:
    """For a person who looks for one message in the logs."""
    return "\n".join(json.dumps({**asdict(message), "id": message.id, "key": message.key}) for message in messages)
