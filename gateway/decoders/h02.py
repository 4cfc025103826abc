"""H02 trackers: `*HQ,id,TYPE,…#` sentences, and the same in BCD behind a `$`, over TCP.

Sources: the makers' "H02 communication protocol"; field rules checked against Traccar's decoder tests. The status is
32 bits in which a zero is an alarm: 1 and 18 the call for help, 19 lost power; 0 and 2 are a vehicle's. It stands in
every report.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import number, one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import bit
from gateway.decoders.stream import whole_frames

MAX_FRAME = 4 * 1024
_BINARY_LENGTHS = (32, 45, 48)
_LEAST_BINARY = 32
_SOS, _POWER_CUT, _OWN_RULES = (1, 18), 19, (0, 2)
_BATTERY_STEPS = {1: 0, 2: 10, 3: 20, 4: 60, 5: 80, 6: 100}  # above, per cent; 0 is none
_HEMISPHERES = {"N": 1, "S": -1, "E": 1, "W": -1}
_DEGREES = re.compile(r"(\d*)(\d\d\.\d+)")
_DEGREES_APART = re.compile(r"-(\d+)-(\d+\.\d+)")
_STATUS_WORD = re.compile(r"[0-9A-Fa-f]{8}")
_SIX_DIGITS = re.compile(r"\d{6}")


# -- frames -------------------------------------------------------------------------------------------------------


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole sentences and binary reports and what is left of the stream."""
    frames, rest, begun = whole_frames(buffer, _start, _end_of)
    return frames, rest if begun and len(rest) <= MAX_FRAME else b""


def _start(buffer: bytes) -> int | None:
    found = [at for at in (buffer.find(b"*"), buffer.find(b"$")) if at >= 0]
    return min(found, default=None)


def _end_of(buffer: bytes) -> int | None:
    """A sentence ends with #. A binary report has no end: it is as long as it takes to stand before the next start."""
    if buffer[:1] == b"*":
        end = buffer.find(b"#")
        return None if end < 0 else end + 1
    whole = (length for length in _BINARY_LENGTHS if len(buffer) >= length and buffer[length : length + 1] in b"*$\r")
    return next(whole, _LEAST_BINARY if len(buffer) > max(_BINARY_LENGTHS) else None)


def device_of(frame: bytes, known: str | None) -> str | None:
    if frame[:1] == b"$" and len(frame) >= _LEAST_BINARY:
        return frame[1:6].hex()
    values = frame.decode("latin-1").split(",")
    return values[1] if frame[:1] == b"*" and len(values) > 2 and values[1].isdigit() else known


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    if frame[:1] == b"$" and len(frame) >= _LEAST_BINARY:
        _binary(notes, frame)
        return one(notes)
    values = frame.decode("latin-1").rstrip("#\r\n ").split(",")
    if frame[:1] != b"*" or len(values) < 3:
        notes.refused("this is no message of an H02")
        return one(notes)
    kind = values[2]
    tell = _KINDS.get(kind, _place if kind.startswith("V") else None)
    if tell is None:
        notes.refused(f"an H02's message {kind[:12]!r} is not known")
    else:
        tell(notes, values)
    return one(notes, _answer(values, kind, now))


def _answer(values: list[str], kind: str, now: datetime) -> bytes:
    if kind not in ("V1", "NBR"):
        return b""
    return f"*HQ,{values[1]},V4,{kind},{now:%Y%m%d%H%M%S}#".encode()


# -- sentences ----------------------------------------------------------------------------------------------------


def _place(notes: Notes, values: list[str]) -> None:
    """Somewhere in it: time, validity, latitude, N or S, longitude, E or W, speed, course, …, date, …, status."""
    at = next((i for i in range(3, len(values) - 3) if values[i + 2] in ("N", "S") and values[i] in "ABV0"), None)
    if at is None:
        _status(notes, values[3:])
        notes.named(NonEvent.NETWORK if values[2] == "VP1" else NonEvent.STALE_FIX)
        return
    after = values[at + 6 :]
    day = next((value for value in after if _SIX_DIGITS.fullmatch(value)), "")
    notes.at(_time(day, values[at - 1]))
    _status(notes, after)
    lat, lng = _angle(values[at + 1], values[at + 2]), _angle(values[at + 3], values[at + 4])
    if lat is None or lng is None:
        notes.named(NonEvent.STALE_FIX)
    else:
        notes.position(lat, lng, valid=values[at] not in ("V", ""), source="gnss")


def _cells(notes: Notes, values: list[str]) -> None:
    notes.named(NonEvent.NETWORK)
    _status(notes, values[3:])


def _link(notes: Notes, values: list[str]) -> None:
    """time, signal, satellites, battery, steps, rolls, date, status"""
    if len(values) < 9:
        notes.named(NonEvent.HEARTBEAT)
        return
    notes.at(_time(values[9] if len(values) > 9 else "", values[3]))
    notes.measured("battery", number(values[6]))
    notes.measured("steps", number(values[7]))
    _status(notes, values[9:])


def _heartbeat(notes: Notes, values: list[str]) -> None:
    if len(values) > 3:
        notes.measured("battery", number(values[3]))


def _named(what: NonEvent) -> Callable[[Notes, list[str]], None]:
    return lambda notes, values: notes.named(what)


_KINDS: Mapping[str, Callable[[Notes, list[str]], None]] = {
    "LINK": _link,
    "HTBT": _heartbeat,
    "XT": _heartbeat,
    "NBR": _cells,
    "V3": _cells,
    "VP1": _place,
    "BASE": _named(NonEvent.REQUEST),
    "SMS": _named(NonEvent.ACKNOWLEDGEMENT),
}


def _status(notes: Notes, values: list[str]) -> None:
    word = next((value for value in values if _STATUS_WORD.fullmatch(value)), None)
    if word is not None:
        _tell_status(notes, int(word, 16))


def _tell_status(notes: Notes, status: int) -> None:
    """A zero is an alarm. All zeros are no status."""
    if not status:
        return
    notes.stands("sos", set_=not all(bit(status, position) for position in _SOS))
    notes.stands("mains", False, set_=not bit(status, _POWER_CUT), clears=True)
    if not all(bit(status, position) for position in _OWN_RULES):
        notes.named(NonEvent.OWN_RULE)


def _time(day: str, clock: str) -> datetime | None:
    try:
        return datetime.strptime(day + clock, "%d%m%y%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _angle(text: str, hemisphere: str) -> float | None:
    match = _DEGREES.fullmatch(text) or _DEGREES_APART.fullmatch(text)
    if match is None or hemisphere not in _HEMISPHERES:
        return None
    return (int(match[1] or 0) + float(match[2]) / 60) * _HEMISPHERES[hemisphere]


# -- binary -------------------------------------------------------------------------------------------------------


def _binary(notes: Notes, frame: bytes) -> None:
    """$, id, time, date, latitude, battery, longitude and flags in a nibble, speed and course, status."""
    digits = frame.hex()
    notes.at(_time(digits[18:24], digits[12:18]))
    battery, flags = frame[16], int(digits[43], 16)
    pct = _BATTERY_STEPS.get(battery, battery)
    if battery and pct <= 100:
        notes.measured("battery", pct)
    _tell_status(notes, int.from_bytes(frame[25:29], "big"))
    lat, lng = _bcd_angle(digits[24:32], 2), _bcd_angle(digits[34:43], 3)
    if lat is None or lng is None:
        notes.named(NonEvent.STALE_FIX)
    else:
        north, east = bit(flags, 2), bit(flags, 3)
        notes.position(lat if north else -lat, lng if east else -lng, valid=bit(flags, 1), source="gnss")


def _bcd_angle(digits: str, degrees: int) -> float | None:
    if not digits.isdigit():
        return None
    return int(digits[:degrees]) + int(digits[degrees:]) / 10.0 ** (len(digits) - degrees - 2) / 60
