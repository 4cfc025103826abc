"""The result of a decoder: what one message says of one device, and what became of every part of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

# An event as the contract writes it: type, value?, at?, quality?, zone?. Neither id nor platform device id: the
# outbox gives the first, the binding the second.
Event = dict[str, Any]


class NonEvent(StrEnum):
    """Names for what is understood and is no event."""

    HEARTBEAT = "heartbeat"  # a sign of life without news
    LOGIN = "login"  # the device says who it is
    ACKNOWLEDGEMENT = "acknowledgement"  # the answer to something the device was told
    CONFIGURATION = "configuration"  # settings, versions, what entities there are
    AVAILABILITY = "availability"  # a bridge's opinion on who is there
    REPEAT = "repeat"  # told before: a cached value, the old state before the new, the second half of a press
    RESENT = "resent"  # the same alarm once more, because its answer was lost
    STANDING = "standing"  # an alarm told before still stands in the status
    RETAINED = "retained"  # a leftover the broker kept; nobody knows how old
    STALE_FIX = "stale fix"  # a position the device itself does not believe, or 0,0
    NETWORK = "network"  # radio cells and access points instead of a position
    NO_READING = "no reading"  # the device's word for "not measured"
    WRONG_CLOCK = "wrong clock"  # the device's time is impossible; what it says is taken as of now
    REQUEST = "request"  # the device asks for something: the time, its place
    MEDIA = "media"  # voice and pictures
    OUTPUT = "output"  # what a relay, valve or curtain does
    INPUT = "input"  # a wired input of which nobody said what is on it
    OWN_RULE = "own rule"  # the device's own fence or limit: the platform judges with its own
    UNRELATED = "unrelated"  # nothing the contract has a type for


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be used, and why, in words an installer understands.

    `cry`: it may have been a cry for help. Then an event of quality "suspect" stands beside it: it rings as doubtful.
    """

    reason: str
    cry: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """`device` is the device's own id (IMEI, MAC, topic); None when it never said who it is.

    `alive`: the device itself spoke just now. False for what a bridge keeps, repeats or says about it.
    """

    device: str | None
    events: tuple[Event, ...] = ()
    non_events: tuple[NonEvent, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """What was told onwards last, and when."""

    value: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What must be remembered of one source; its owner keeps one for each and bounds how many (see `most`).

    `call_button`: what the installer said of its button: True, it calls for help; False, it switches a lamp; None,
    nobody said, and a press of something that is only a button calls for help.
    """

    told: Mapping[str, Told] = field(default_factory=dict)
    call_button: bool | None = None
    most: int = 256

    def remembering(self, told: Mapping[str, Told]) -> "Memory":
        """The same with other contents, the oldest forgotten first beyond `most`."""
        if len(told) > self.most:
            newest = sorted(told.items(), key=lambda item: item[1].at)[-self.most :]
            told = dict(newest)
        return Memory(told, self.call_button, self.most)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything one message or frame came to. `reply` is what the device waits for, empty if for nothing."""

    heard: tuple[Heard, ...]
    memory: Memory
    reply: bytes = b""


@dataclass(frozen=True, slots=True)
class BusMessage:
    """One message of a local MQTT bus. `retained`: the broker had kept it and hands it to a new subscriber."""

    topic: str
    payload: bytes
    retained: bool = False
