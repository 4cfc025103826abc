"""JT/T 808, the Chinese ministry of transport's protocol, as personal trackers borrow it, over TCP.

Source: JT/T 808-2011, -2013 and -2019 (general answer, registration, location report and its batch). A frame stands
between two 0x7E; inside, 0x7E is written 7D 02 and 0x7D is 7D 01; the last octet is the exclusive or of the others.
Every location report repeats the alarm bits, so an alarm is told when its bit appears, not while it stands. Times
are Beijing's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.jt808_location import plausible_cry, tell_location
from gateway.decoders.loose import one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, Truncated, bcd_time, bit, xor

MAX_FRAME = 64 * 1024
BEIJING = timedelta(hours=8)
_MARK = 0x7E
_LENGTH_MASK, _ENCRYPTION, _PARTS, _VERSION_BIT = 0x3FF, 0x1C00, 13, 14
_REGISTER, _LOCATION, _BATCH, _BATCH_2, _HEARTBEAT, _TIME = 0x0100, 0x0200, 0x0704, 0x0210, 0x0002, 0x0109
_ONE_OCTET_SERIAL = frozenset({0x5501, 0x5502})


@dataclass(frozen=True, slots=True)
class Frame:
    """`head` is what an answer repeats: version, if there is one, and the terminal's number as it was sent."""

    kind: int
    head: bytes
    versioned: bool
    device: str
    serial: int
    body: bytes
    encrypted: bool
    in_parts: bool

    def answer(self, kind: int, body: bytes) -> bytes:
        attributes = len(body) | (1 << _VERSION_BIT if self.versioned else 0)
        inner = kind.to_bytes(2, "big") + attributes.to_bytes(2, "big") + self.head + bytes(2) + body
        return bytes([_MARK]) + _escaped(inner + bytes([xor(inner)])) + bytes([_MARK])


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames, and lock sentences in round brackets, and what is left of the stream."""
    frames = []
    while (start := _start(buffer)) is not None:
        buffer = buffer[start:]
        end = buffer.find(b")" if buffer[0] == ord("(") else bytes([_MARK]), 1)
        if end == 1 and buffer[0] == _MARK:
            buffer = buffer[1:]  # the end of one frame and the start of the next
            continue
        if end < 0:
            return frames, buffer if len(buffer) <= MAX_FRAME else b""
        frames.append(buffer[: end + 1])
        buffer = buffer[end + 1 :]
    return frames, b""


def _start(buffer: bytes) -> int | None:
    found = [at for at in (buffer.find(bytes([_MARK])), buffer.find(b"(")) if at >= 0]
    return min(found, default=None)


def _escaped(data: bytes) -> bytes:
    return data.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def _unescaped(data: bytes) -> bytes:
    return data.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def parse(frame: bytes) -> tuple[Frame | None, bool]:
    """(the frame, whether its check sum is right). None for what is too short to have a head."""
    inner = _unescaped(frame[1:-1])
    octets = Octets(inner[:-1])
    try:
        kind, attributes = octets.number(2), octets.number(2)
        versioned = bit(attributes, _VERSION_BIT)
        head = octets.take(11 if versioned else 6)
        serial = octets.number(1 if kind in _ONE_OCTET_SERIAL else 2)
        in_parts = bit(attributes, _PARTS) and kind not in _ONE_OCTET_SERIAL
        if in_parts:
            octets.take(4)
        encrypted = bool(attributes & _ENCRYPTION) and kind not in _ONE_OCTET_SERIAL
        parsed = Frame(
            kind,
            head,
            versioned,
            terminal(head[-10:] if versioned else head),
            serial,
            octets.rest(),
            encrypted,
            in_parts,
        )
    except Truncated:
        return None, False
    return parsed, xor(inner[:-1]) == inner[-1]


def terminal(number: bytes) -> str:
    """A telephone number in decimal digits; some put an IMEI there as a binary number without its check digit."""
    digits = number.hex()
    if digits.isdigit():
        return digits.lstrip("0") or "0"
    imei = str(int.from_bytes(number, "big"))
    return imei + _luhn(imei)


def _luhn(digits: str) -> str:
    doubled = [int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits))]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


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
