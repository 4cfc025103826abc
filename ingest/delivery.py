"""A message on its way through ingest, and the pieces of it that each end in exactly one outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.contract.control import LinkWord, ResultWord
from core.contract.event import Event, Micros, Rejection, Stated
from core.contract.topics import Kind
from core.runtime.mqtt import Message
from ingest.limits import FloodNews
from ingest.reading import Reading
from registry.directory import DeviceEntry


class Outcome(StrEnum):
    """What became of a piece. `echo`: the copy of an alarm that another worker stored."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    ECHO = "echo"
    REJECTED = "rejected"
    IGNORED = "ignored"


RECEIVED = "received"

Content = Event | Rejection | LinkWord | ResultWord | None


@dataclass(slots=True, eq=False)
class Piece:
    """One unit of the accounting. `content` None: nothing to store, ignored.

    `device_no`, `device_id`: whose rows it becomes (the child's, if it names one). `key` None: no election, it is
    always the first. `insist`: on losing to a key of this very worker it is stored under a unique one instead.
    """

    delivery: "Delivery"
    content: Content
    device_no: int | None = None
    device_id: str = ""
    key: bytes | None = None
    insist: bool = False
    outcome: Outcome | None = None


@dataclass(slots=True, eq=False)
class Delivery:
    """One received message. `entry` is the publishing device; None when the registry does not know it.

    Each of its events is one of the `readings` or one of the `pieces`. `repeated`: how many of the readings were stored
    before. `sent_at`: the message's own time. `floods`: what became known of devices above their rate when it came.
    `stranger`: it comes from, or speaks of, a device that the directory at hand does not hold.
    """

    message: Message
    device_id: str
    kind: Kind | None
    received: Micros
    entry: DeviceEntry | None = None
    sent_at: Stated = None
    pieces: list[Piece] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    repeated: int = 0
    stranger: bool = False
    floods: Sequence[FloodNews] = ()

    @property
    def key_scope(self) -> int:
        """Keys are per publishing device; 0, no device's number, for unknown ones (their keys hold the id)."""
        return self.entry.device_no if self.entry is not None else 0
