"""One message in the spool, as bytes and back. Pure.

A frame is `mark (4), length (4), crc32 (4), body`; the checksum covers length and body. The mark is what a reader
looks for after damage: a broken length must not cost the records behind it.
"""

import sys
from dataclasses import dataclass
from struct import Struct, error
from typing import NamedTuple
from zlib import crc32

VERSION = 1
MARK = b"\xa5AX\x5a"
# Above the largest packet the MQTT session takes (4 MiB) with everything around it: a longer one is a broken length.
MAX_BODY = 8 * 1024 * 1024

_FRAME = Struct(">4sII")
# version, flags, received_at, bytes of topic, response topic and correlation data, number of keys
_FIXED = Struct(">BBdHHHH")
_KEY = Struct(">i16s")
_QOS, _RETAIN, _RESPONSE, _CORRELATION = 1, 2, 4, 8
_WHOLE = -1


class Record(NamedTuple):
    """What is kept of a message: all that its drain needs, and nothing that the link it came by would mean.

    `received_at`: Unix seconds. `keys`: (index of the event, None for the whole message; event key) of an alarm, as
    they were counted on receipt: another worker has counted its copy in the same way, and one of the two must win.
    """

    topic: str
    payload: bytes
    received_at: float
    qos: int = 1
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None
    keys: tuple[tuple[int | None, bytes], ...] = ()


class Placed(NamedTuple):
    """A record and where the one after it begins, in bytes from the start of what was read."""

    record: Record
    end: int


@dataclass(slots=True)
class Split:
    """`used`: bytes that are done with. `damaged`: stretches, before the last good record, that hold no record.

    `tail`: where the bytes after the last good record begin; short of `used` only if they can hold none any more.
    """

    records: list[Placed]
    used: int
    damaged: int
    tail: int


def frame(record: Record) -> bytes:
    topic, response = record.topic.encode(), (record.response_topic or "").encode()
    correlation = record.correlation_data or b""
    flags = (
        (_QOS if record.qos else 0)
        | (_RETAIN if record.retain else 0)
        | (_RESPONSE if record.response_topic is not None else 0)
        | (_CORRELATION if record.correlation_data is not None else 0)
    )
    lengths = (len(topic), len(response), len(correlation), len(record.keys))
    fixed = _FIXED.pack(VERSION, flags, record.received_at, *lengths)
    keys = [_KEY.pack(_WHOLE if index is None else index, key) for index, key in record.keys]
    body = b"".join((fixed, topic, response, correlation, *keys, record.payload))
    return _FRAME.pack(MARK, len(body), crc32(body, len(body))) + body


def split(data: bytes, *, whole: bool, limit: int = sys.maxsize) -> Split:
    """The records in `data`, at most `limit`. With `whole` nothing comes after it; else an unfinished record at its end
    is left."""
    found = Split([], 0, 0, 0)
    at, lost = 0, False
    while at < len(data) and len(found.records) < limit:
        record, end = _at(data, at)
        if record is not None:
            found.records.append(Placed(record, end))
            found.damaged += lost
            lost, at = False, end
            found.tail = at
            continue
        if end > len(data) and not whole:
            break  # it may go on behind what was read
        lost = True
        mark = data.find(MARK, at + 1)
        at = mark if mark >= 0 else len(data) if whole else max(at + 1, len(data) - len(MARK) + 1)
        if mark < 0:
            break
    found.used = at
    return found


def _at(data: bytes, at: int) -> tuple[Record | None, int]:
    """The record that begins here, and its end. None: there is none, or `data` is too short for it."""
    begin = at + _FRAME.size
    if begin > len(data):
        return None, begin
    mark, length, checksum = _FRAME.unpack_from(data, at)
    if mark != MARK or length > MAX_BODY:
        return None, at
    end = begin + length
    if end > len(data):
        return None, end
    body = data[begin:end]
    if crc32(body, length) != checksum:
        return None, at
    try:
        return _record(body), end
    except (error, ValueError):
        return None, at


def _record(body: bytes) -> Record:
    version, flags, received_at, topic, response, correlation, keys = _FIXED.unpack_from(body)
    if version != VERSION:
        raise ValueError("a record of another version")
    topic_end = _FIXED.size + topic
    response_end = topic_end + response
    keys_begin = response_end + correlation
    payload_begin = keys_begin + keys * _KEY.size
    if payload_begin > len(body):
        raise ValueError("lengths beyond the record")
    counted = _KEY.iter_unpack(body[keys_begin:payload_begin])
    return Record(
        topic=body[_FIXED.size : topic_end].decode(),
        payload=body[payload_begin:],
        received_at=received_at,
        qos=flags & _QOS,
        retain=bool(flags & _RETAIN),
        response_topic=body[topic_end:response_end].decode() if flags & _RESPONSE else None,
        correlation_data=body[response_end:keys_begin] if flags & _CORRELATION else None,
        keys=tuple((None if index == _WHOLE else index, key) for index, key in counted) if keys else (),
    )
