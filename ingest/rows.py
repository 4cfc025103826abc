"""Rows in PostgreSQL's binary COPY form, packed by hand: a batch is one buffer, and neither side parses text."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from struct import Struct
from typing import Any
from uuid import UUID

from core.contract.event import Micros
from core.contract.event_time import micros

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# The server counts microseconds from here.
PG_EPOCH: Micros = micros(datetime(2000, 1, 1, tzinfo=UTC))

_NULL = b"\xff\xff\xff\xff"
_SEVEN_NULLS = 7 * _NULL
_COUNT = Struct(">h").pack
_SIZE = Struct(">i").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_FLOAT4 = Struct(">if").pack
_FLOAT8 = Struct(">id").pack
_READING = Struct(">hiiihiqidi?").pack
_SPOT = Struct(">i4xh").unpack_from
_LATE = Struct(">hiiihiq").pack
_TWO_FIELDS_AND_FOUR_BYTES = b"\0\2\0\0\0\4"
_SIXTEEN_BYTES = b"\0\0\0\x10"
_SEEN = Struct(">hiiiqiq").pack


def copy_buffer(rows: Iterable[bytes]) -> bytes:
    return b"".join((HEADER, *rows, TRAILER))


def reading_row(device_no: int, metric: int, at: Micros, value: float, suspect: bool) -> bytes:
    return _READING(5, 4, device_no, 2, metric, 8, at - PG_EPOCH, 8, value, 1, suspect)


def spot_of(reading_row: bytes) -> tuple[int, int]:
    """(device_no, metric)"""
    device_no, metric = _SPOT(reading_row, 6)
    return device_no, metric


def late_row(device_no: int, metric: int, hour: Micros) -> bytes:
    return _LATE(3, 4, device_no, 2, metric, 8, hour - PG_EPOCH)


def key_opening(scope: int) -> bytes:
    """A row of key_stage up to the 16 bytes of the key. Numbers are never negative, so rows sort as the server sorts
    (device_no, key)."""
    return _TWO_FIELDS_AND_FOUR_BYTES + scope.to_bytes(4, "big") + _SIXTEEN_BYTES


def key_row(scoped_key: bytes) -> bytes:
    """`scoped_key`: 4 bytes of the device's number, 16 of the key."""
    return _TWO_FIELDS_AND_FOUR_BYTES + scoped_key[:4] + _SIXTEEN_BYTES + scoped_key[4:]


def key_in(key_row: bytes) -> bytes:
    return key_row[-16:]


def seen_row(device_no: int, last_seen: Micros, last_at: Micros) -> bytes:
    """A row of state_stage that says nothing but the two times: seven of its ten columns are NULL."""
    return _SEEN(10, 4, device_no, 8, last_seen - PG_EPOCH, 8, last_at - PG_EPOCH) + _SEVEN_NULLS


def row(*fields: bytes) -> bytes:
    """Any other row, of fields packed by the functions below."""
    return _COUNT(len(fields)) + b"".join(fields)


def int4(value: int) -> bytes:
    return _INT4(4, value)


def time(value: Micros) -> bytes:
    return _INT8(8, value - PG_EPOCH)


def float4(value: float) -> bytes:
    return _FLOAT4(4, value)


def float8(value: float) -> bytes:
    return _FLOAT8(8, value)


def boolean(value: bool) -> bytes:
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def raw(value: bytes) -> bytes:
    return _SIZE(len(value)) + value


def text(value: str) -> bytes:
    return raw(value.encode())


def jsonb(value: bytes) -> bytes:
    """`value` is JSON text; 1 is the version of the binary form."""
    return raw(b"\1" + value)


def uuid(value: UUID) -> bytes:
    return raw(value.bytes)


def maybe(pack: Callable[[Any], bytes], value: Any) -> bytes:
    """NULL for None."""
    return _NULL if value is None else pack(value)
