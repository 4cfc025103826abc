"""GT06 trackers and their many relatives (Concox, Jimi, pendants that borrow the protocol) over TCP.

Source: as in `gt06_report`. A frame is 0x7878 (or 0x7979 with a long length), length, type, body, serial number,
CRC-16/X-25, CR LF. Only the login names the device, so whoever keeps the connection keeps the name. Two kinds of
frame have neither serial number nor check sum: Wi-Fi lists of some models, and their heartbeat.
"""

from datetime import datetime

from gateway.decoders.gt06_bodies import ADDRESS, ALARM_KINDS, LOGIN, TIME, body_of, plausible_cry
from gateway.decoders.gt06_frame import END, LONG, SHORT, answer, opened, sum_is_right
from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, Truncated

_BARE = frozenset({0x17, 0x69})  # Wi-Fi lists
_BARE_HEARTBEAT = b"\x01\x08"
_UNANSWERED = frozenset({0x15, 0x21, 0x80, 0x81, 0x82, 0x94, 0x9B, 0x8C, 0x34, 0x35})
_LONG_ANSWERED = frozenset({0x32, 0x33, 0x41})


def device_of(frame: bytes, known: str | None) -> str | None:
    """The IMEI of a login; else who logged in on this connection."""
    if len(frame) >= 18 and frame[3] == LOGIN and frame[:2] == SHORT and sum_is_right(frame):
        return frame[4:12].hex()[1:]
    return known


# -- messages -----------------------------------------------------------------------------------------------------


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    if len(frame) < 6 or frame[:2] not in (SHORT, LONG) or not frame.endswith(END):
        notes.refused("this is no frame of a GT06")
        return one(notes)
    is_long, kind, content = opened(frame)
    if not sum_is_right(frame):
        return one(notes, _without_sum(notes, frame, kind, content))
    body, serial = content[:-4], int.from_bytes(content[-4:-2], "big")
    tell = body_of(kind, frame[2], is_long=is_long)
    if tell is None:
        notes.refused(f"a GT06's message {kind:#04x} is not known")
    else:
        try:
            tell(notes, Octets(body), serial)
        except Truncated:
            notes.refused(f"the message {kind:#04x} is too short", cry="sos" if kind in ALARM_KINDS else None)
    return one(notes, _reply(kind, serial, now, is_long=is_long))


def _without_sum(notes: Notes, frame: bytes, kind: int, content: bytes) -> bytes:
    if frame[2:4] == _BARE_HEARTBEAT:
        return b""
    if frame[:2] == SHORT and kind in _BARE:
        notes.named(NonEvent.NETWORK)
        return SHORT + bytes([0, kind]) + content[:6] + END
    # Not answered: the device sends it again, whole.
    notes.refused("the check sum is wrong", cry=plausible_cry(kind, content[:-4]))
    return b""


def _reply(kind: int, serial: int, now: datetime, *, is_long: bool) -> bytes:
    if kind == TIME:
        return answer(kind, serial, bytes([now.year - 2000, now.month, now.day, now.hour, now.minute, now.second]))
    if kind == ADDRESS:
        text = b"NA&&NA&&0##"
        return answer(0x97, serial, bytes([len(text)]) + bytes(4) + text, is_long=True)
    if kind in _UNANSWERED:
        return b""
    return answer(kind, serial, is_long=is_long and kind in _LONG_ANSWERED)
