"""The frames of GT06: heads of two kinds, serial number, check sum, and the answers made of the same (`gt06`)."""

from gateway.decoders.octets import crc_x25
from gateway.decoders.stream import whole_frames

MAX_FRAME = 64 * 1024
SHORT, LONG, END = b"xx", b"yy", b"\r\n"


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames and what is left of the stream. Octets before a start are dropped."""
    frames, rest, begun = whole_frames(buffer, _start, _end_of)
    if begun:
        return frames, rest if len(rest) <= MAX_FRAME else rest[2:]
    return frames, rest[-1:] if rest[-1:] in (b"x", b"y") else b""


def _start(buffer: bytes) -> int | None:
    found = [at for at in (buffer.find(SHORT), buffer.find(LONG)) if at >= 0]
    return min(found, default=None)


def _end_of(buffer: bytes) -> int | None:
    """By the length; where no end stands there, by the first CR LF. None: more must come."""
    if len(buffer) < 5:
        return None
    length = buffer[2] + 5 if buffer[:2] == SHORT else int.from_bytes(buffer[2:4], "big") + 6
    if buffer[length - 2 : length] == END:
        return length
    if len(buffer) < length:
        return _end_of_liar(buffer)
    ending = buffer.find(END, 4)
    return None if ending < 0 else ending + 2


def _end_of_liar(buffer: bytes) -> int | None:
    """Of a frame that promises more than there is: whole already by its check sum, or followed by the next one.

    An alarm must not wait behind a wrong length for octets that nobody will send.
    """
    if buffer.endswith(END) and sum_is_right(buffer):
        return len(buffer)
    next_ones = [at for at in (buffer.find(END + SHORT), buffer.find(END + LONG)) if at >= 0]
    return min(next_ones) + 2 if next_ones else None


def sum_is_right(frame: bytes) -> bool:
    return len(frame) >= 10 and crc_x25(frame[2:-4]) == int.from_bytes(frame[-4:-2], "big")


def opened(frame: bytes) -> tuple[bool, int, bytes]:
    """(long, type, what follows it up to the end)."""
    is_long = frame[:2] == LONG
    return is_long, frame[4 if is_long else 3], frame[5 if is_long else 4 : -2]


def answer(kind: int, serial: int, content: bytes = b"", *, is_long: bool = False) -> bytes:
    length = 5 + len(content)
    inner = length.to_bytes(2 if is_long else 1, "big") + bytes([kind]) + content + serial.to_bytes(2, "big")
    return (LONG if is_long else SHORT) + inner + crc_x25(inner).to_bytes(2, "big") + END
