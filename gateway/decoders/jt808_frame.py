"""The frames of JT/T 808: marks, escapes, check sum, head, and the answers made of the same (`jt808`)."""

from dataclasses import dataclass

from gateway.decoders.octets import Octets, Truncated, bit, xor

MAX_FRAME = 64 * 1024
_MARK = 0x7E
_LENGTH_MASK, _ENCRYPTION, _PARTS, _VERSION_BIT = 0x3FF, 0x1C00, 13, 14
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
    frames: list[bytes] = []
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
        device = terminal(head[1:] if versioned else head)
        parsed = Frame(kind, head, versioned, device, serial, octets.rest(), encrypted, in_parts)
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
