"""Reading binary frames: a cursor that never runs over the end, and the check sums of the families."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta


class Truncated(Exception):
    """The frame ends before what its type must hold."""


class Octets:
    """A cursor over bytes. Numbers are unsigned unless said; raises Truncated beyond the end."""

    def __init__(self, data: bytes, order: str = "big") -> None:
        self._data, self._order, self._next = data, order, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._next

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.left:
            raise Truncated
        start, self._next = self._next, self._next + count
        return self._data[start : self._next]

    def rest(self) -> bytes:
        return self.take(self.left)

    def number(self, count: int, *, signed: bool = False) -> int:
        data = self.take(count)
        return int.from_bytes(data, "little" if self._order == "little" else "big", signed=signed)


def bit(value: int, position: int) -> bool:
    return bool(value >> position & 1)


def bcd(data: bytes) -> str:
    """Two decimal digits an octet; hexadecimal letters where it is none."""
    return data.hex()


def calendar_time(parts: bytes, offset: timedelta = timedelta()) -> datetime | None:
    """Year since 2000, month, day, hour, minute, second as plain octets, local with this offset; None if impossible."""
    try:
        local = datetime(2000 + parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], tzinfo=UTC)
    except (ValueError, IndexError):
        return None
    return local - offset


def bcd_time(data: bytes, offset: timedelta) -> datetime | None:
    """The same in BCD."""
    digits = data.hex()
    return calendar_time(bytes(int(digits[i : i + 2]) for i in range(0, 12, 2)), offset) if digits.isdigit() else None


def _table(polynomial: int, *, reflected: bool) -> tuple[int, ...]:
    def entry(index: int) -> int:
        value = index if reflected else index << 8
        for _ in range(8):
            if reflected:
                value = value >> 1 ^ polynomial if value & 1 else value >> 1
            else:
                value = (value << 1 ^ polynomial if value & 0x8000 else value << 1) & 0xFFFF
        return value

    return tuple(map(entry, range(256)))


_X25 = _table(0x8408, reflected=True)
_XMODEM = _table(0x1021, reflected=False)


def crc_x25(data: bytes) -> int:
    """CRC-16/X-25, the "CRC-ITU" of GT06."""
    value = 0xFFFF
    for octet in data:
        value = value >> 8 ^ _X25[(value ^ octet) & 0xFF]
    return value ^ 0xFFFF


def crc_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM, of the EV-07B."""
    value = 0
    for octet in data:
        value = (value << 8 & 0xFFFF) ^ _XMODEM[value >> 8 ^ octet]
    return value


def xor(data: bytes) -> int:
    """The block check character of JT/T 808."""
    value = 0
    for octet in data:
        value ^= octet
    return value


def type_length_values(data: bytes, length_octets: int = 1) -> Iterator[tuple[int, bytes]]:
    """(type, value) pairs of type, length, value items; a last one that is cut off ends it."""
    octets = Octets(data)
    while octets.left > length_octets:
        kind, length = octets.number(1), octets.number(length_octets)
        if length > octets.left:
            return
        yield kind, octets.take(length)
