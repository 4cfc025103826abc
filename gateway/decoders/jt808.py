"""JT/T 808, the Chinese ministry of transport's protocol, as personal trackers borrow it, over TCP.

Source: JT/T 808-2011, -2013 and -2019 (general answer, registration, location report and its batch). A frame stands
between two 0x7E; inside, 0x7E is written 7D 02 and 0x7D is 7D 01; the last octet is the exclusive or of the others.
Every location report repeats the alarm bits, so an alarm is told when its bit appears, not while it stands. Times
are Beijing's.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.jt808_frame import Frame, parse
from gateway.decoders.jt808_location import plausible_cry, tell_location
from gateway.decoders.loose import one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, Truncated, bcd_time

BEIJING = timedelta(hours=8)
_REGISTER, _LOCATION, _BATCH, _BATCH_2, _HEARTBEAT, _TIME = 0x0100, 0x0200, 0x0704, 0x0210, 0x0002, 0x0109


def device_of(frame: bytes, known: str | None) -> str | None:
    if frame[:1] == b"(":
        return known
    parsed, right = parse(frame)
    return parsed.device if parsed and right else known


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    if frame[:1] == b"(":
        notes.named(NonEvent.REQUEST if b",TIME" in frame else NonEvent.ACKNOWLEDGEMENT)
        return one(notes, frame.replace(b"TIME", f"{now:%Y%m%d%H%M%S}".encode()) if b",TIME" in frame else b"")
    parsed, right = parse(frame)
    if parsed is None:
        notes.refused("this is no frame of JT/T 808")
    elif not right:
        # Not answered: the terminal sends it again, whole.
        notes.refused("the check sum is wrong", cry=plausible_cry(parsed.body) if parsed.kind == _LOCATION else None)
    elif parsed.encrypted:
        notes.refused("the body is encrypted", cry=None)
    else:
        _tell(notes, parsed)
        return one(notes, _reply(parsed, now))
    return one(notes)


def _tell(notes: Notes, frame: Frame) -> None:
    if frame.in_parts:
        notes.named(NonEvent.MEDIA)
        return
    tell = _KINDS.get(frame.kind)
    if tell is None:
        notes.refused(f"a terminal's message {frame.kind:#06x} is not known")
        return
    try:
        tell(notes, frame.body)
    except Truncated:
        notes.refused(f"the message {frame.kind:#06x} is too short")


def _reply(frame: Frame, now: datetime) -> bytes:
    """Each message is answered; a terminal repeats an alarm until it is."""
    if frame.kind == _REGISTER:
        return frame.answer(0x8100, frame.serial.to_bytes(2, "big") + b"\0" + frame.device.encode())
    if frame.kind == _TIME:
        moment = now.year.to_bytes(2, "big") + bytes([now.month, now.day, now.hour, now.minute, now.second, 0])
        return frame.answer(0x8109, moment)
    if frame.kind in _UNANSWERED:
        return b""
    return frame.answer(0x8001, frame.serial.to_bytes(2, "big") + frame.kind.to_bytes(2, "big") + b"\0")


# -- bodies -------------------------------------------------------------------------------------------------------


def _location(notes: Notes, body: bytes) -> None:
    tell_location(notes, body, BEIJING)


def _batch(notes: Notes, body: bytes) -> None:
    """Count, kind (1: kept while there was no line), then reports behind their lengths."""
    octets = Octets(body)
    octets.take(2)
    stored = octets.number(1) == 1
    while octets.left > 2:
        tell_location(notes, octets.take(octets.number(2)), BEIJING, stored=stored)


def _batch_2(notes: Notes, body: bytes) -> None:
    """Battery and time alone, or reports behind a length of one octet."""
    octets = Octets(body)
    if len(body) == 7:
        notes.at(bcd_time(body[1:], BEIJING))
        notes.measured("battery", body[0])
        return
    while octets.left > 2:
        tell_location(notes, octets.take(octets.number(1)), BEIJING)


def _heartbeat(notes: Notes, body: bytes) -> None:
    """Empty by the standard; three octets of battery, signal and status by some makers."""
    if len(body) >= 3:
        notes.measured("battery", body[0])
    else:
        notes.named(NonEvent.HEARTBEAT)


def _is(what: NonEvent) -> Callable[[Notes, bytes], None]:
    return lambda notes, body: notes.named(what)


_KINDS: Mapping[int, Callable[[Notes, bytes], None]] = {
    _LOCATION: _location,
    _BATCH: _batch,
    _BATCH_2: _batch_2,
    _HEARTBEAT: _heartbeat,
    0x0506: _is(NonEvent.HEARTBEAT),
    _REGISTER: _is(NonEvent.LOGIN),
    0x0102: _is(NonEvent.LOGIN),
    0x0003: _is(NonEvent.LOGIN),
    _TIME: _is(NonEvent.REQUEST),
    0x1007: _is(NonEvent.REQUEST),
    0x0107: _is(NonEvent.CONFIGURATION),
    0x0104: _is(NonEvent.CONFIGURATION),
    **dict.fromkeys((0x0001, 0x0201, 0x0701, 0x1300, 0x6006), _is(NonEvent.ACKNOWLEDGEMENT)),
    **dict.fromkeys((0x0800, 0x0801, 0x8888), _is(NonEvent.MEDIA)),
    # Driver cards, passed-through vehicle data, acceleration, padlocks of containers.
    **dict.fromkeys((0x0702, 0x0900, 0x2070, 0x5501, 0x5502), _is(NonEvent.UNRELATED)),
}
_UNANSWERED = frozenset({0x0001, 0x0701, 0x1300, 0x5501, 0x5502})
