"""Reading the loose values of bridges: numbers as text, booleans as words, times in three notations."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from core.contract.event import Refused
from core.contract.event_time import instant, parse_time
from core.contract.json_text import parse_json
from gateway.decoders.heard import BusMessage, Decoded, Heard, Memory, NonEvent
from gateway.decoders.notes import Notes

_WORDS = {
    "true": True, "on": True, "yes": True, "1": True, "open": True, "alarm": True, "detected": True,
    "false": False, "off": False, "no": False, "0": False, "closed": False, "none": False, "clear": False,
}  # fmt: skip
_WORD = re.compile(r"[\w .:,%+/-]{1,64}", re.ASCII)
# What a payload that cannot be read may have been: a cut-off alarm must still reach a person.
_CRIES = (
    (re.compile(rb"emergen|\bsos\b|\bpanic\b", re.I), "sos"),
    (re.compile(rb'"fall"|fall_(down|detected)', re.I), "fall"),
    (re.compile(rb'"smoke"\s*:\s*(t|1)', re.I), "smoke"),
    (re.compile(rb'"gas"\s*:\s*(t|1)', re.I), "gas"),
    (re.compile(rb'"carbon_monoxide"\s*:\s*t', re.I), "carbon_monoxide_alarm"),
    (re.compile(rb'"water_leak"\s*:\s*(t|1)', re.I), "water_leak"),
)
_SECONDS_UNTIL = 1e11  # an epoch number above this counts milliseconds


def number(value: Any) -> float | None:
    """A finite number, also from "100.00"; None for null, booleans and words."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def boolean(value: Any) -> bool | None:
    """True and False, also from "ON", "true", 1; None for null and anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def when(value: Any) -> datetime | None:
    """RFC 3339 with an offset, or seconds or milliseconds since 1970. A time without an offset is nobody's time."""
    if isinstance(value, str) and (micros := parse_time(value)) is not None:
        return instant(micros)
    counted = number(value)
    return None if counted is None else epoch(counted / 1000 if counted > _SECONDS_UNTIL else counted)


def epoch(seconds: float) -> datetime | None:
    """Seconds since 1970; None for what is no year a device can live in."""
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 4e9 else None


def text_of(payload: bytes) -> str:
    return payload.decode("utf-8", "replace").strip()


def opened(message: BusMessage) -> Any:
    """The payload as JSON, or as the bare word it is. Raises Refused for what is neither."""
    if message.payload[:1] in (b"{", b"["):
        return parse_json(message.payload)
    word = text_of(message.payload)
    try:
        return parse_json(message.payload) if word else ""
    except Refused:
        if not _WORD.fullmatch(word):
            raise
        return word


def unreadable(notes: Notes, payload: bytes, why: str) -> None:
    """Refuses a payload; rings as doubtful where it may have been an alarm."""
    cry = next((kind for pattern, kind in _CRIES if pattern.search(payload)), None)
    notes.refused(f"the payload cannot be read: {why}", cry=cry)


def leftover(device: str | None, memory: Memory) -> Decoded:
    """A retained message is no event and no sign of life, and is not remembered: the next live one is news."""
    return Decoded((Heard(device, non_events=(NonEvent.RETAINED,), alive=False),), memory)


def one(notes: Notes, reply: bytes = b"") -> Decoded:
    """The result of a message that speaks of one device."""
    return Decoded((notes.heard(),), notes.memory, reply)


def told(notes: Notes, message: BusMessage, tell: Callable[[Notes, Any], None]) -> Decoded:
    """The result of a message of one device: `tell` gets what is in it, unless it cannot be read."""
    try:
        content = opened(message)
    except Refused as refused:
        unreadable(notes, message.payload, refused.detail)
    else:
        tell(notes, content)
    return one(notes)


def available(notes: Notes) -> Decoded:
    """The result of a word of a bridge about whether it reaches the device: the device itself said nothing."""
    notes.alive = False
    notes.named(NonEvent.AVAILABILITY)
    return one(notes)
