"""GT06 trackers and their many relatives (Concox, Jimi, pendants that borrow the protocol) over TCP.

Source: as in `gt06_report`. A frame is 0x7878 (or 0x7979 with a long length), length, type, body, serial number,
CRC-16/X-25, CR LF. Only the login names the device, so whoever keeps the connection keeps the name. Two kinds of
frame have neither serial number nor check sum: Wi-Fi lists of some models, and their heartbeat.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from gateway.decoders import gt06_report as report
from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, Truncated, crc_x25

MAX_FRAME = 64 * 1024
_SHORT, _LONG, _END = b"xx", b"yy", b"\r\n"
_LOGIN, _TIME, _ADDRESS = 0x01, 0x8A, 0x2A
_BARE = frozenset({0x17, 0x69})  # Wi-Fi lists
_BARE_HEARTBEAT = b"\x01\x08"
Body = Callable[[Notes, Octets, int], None]


# -- frames -------------------------------------------------------------------------------------------------------


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames and what is left of the stream. Octets before a start are dropped."""
    frames = []
    while (start := _start(buffer)) is not None:
        buffer = buffer[start:]
        end = _end_of(buffer)
        if end is None:
            return frames, buffer if len(buffer) <= MAX_FRAME else buffer[2:]
        frames.append(buffer[:end])
        buffer = buffer[end:]
    return frames, buffer[-1:] if buffer[-1:] in (b"x", b"y") else b""


def _start(buffer: bytes) -> int | None:
    found = [at for at in (buffer.find(_SHORT), buffer.find(_LONG)) if at >= 0]
    return min(found, default=None)


def _end_of(buffer: bytes) -> int | None:
    """By the length; where no end stands there, by the first CR LF. None: more must come."""
    if len(buffer) < 5:
        return None
    length = buffer[2] + 5 if buffer[:2] == _SHORT else int.from_bytes(buffer[2:4], "big") + 6
    if buffer[length - 2 : length] == _END:
        return length
    if len(buffer) < length:
        return len(buffer) if buffer.endswith(_END) and _sum_is_right(buffer) else None
    ending = buffer.find(_END, 4)
    return None if ending < 0 else ending + 2


def _sum_is_right(frame: bytes) -> bool:
    return len(frame) >= 10 and crc_x25(frame[2:-4]) == int.from_bytes(frame[-4:-2], "big")


def _opened(frame: bytes) -> tuple[bool, int, bytes]:
    """(long, type, what follows it up to the end)."""
    is_long = frame[:2] == _LONG
    return is_long, frame[4 if is_long else 3], frame[5 if is_long else 4 : -2]


def answer(kind: int, serial: int, content: bytes = b"", *, is_long: bool = False) -> bytes:
    length = 5 + len(content)
    inner = length.to_bytes(2 if is_long else 1, "big") + bytes([kind]) + content + serial.to_bytes(2, "big")
    return (_LONG if is_long else _SHORT) + inner + crc_x25(inner).to_bytes(2, "big") + _END


def device_of(frame: bytes, known: str | None) -> str | None:
    """The IMEI of a login; else who logged in on this connection."""
    if len(frame) >= 18 and frame[3] == _LOGIN and frame[:2] == _SHORT and _sum_is_right(frame):
        return frame[4:12].hex()[1:]
    return known


# -- messages -----------------------------------------------------------------------------------------------------


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    if len(frame) < 6 or frame[:2] not in (_SHORT, _LONG) or not frame.endswith(_END):
        notes.refused("this is no frame of a GT06")
        return one(notes)
    is_long, kind, content = _opened(frame)
    if not _sum_is_right(frame):
        return one(notes, _without_sum(notes, frame, kind, content))
    body, serial = content[:-4], int.from_bytes(content[-4:-2], "big")
    tell = _LONG_KINDS.get(kind, _KINDS.get(kind)) if is_long else _OF_LENGTH.get((kind, frame[2]), _KINDS.get(kind))
    if tell is None:
        notes.refused(f"a GT06's message {kind:#04x} is not known")
    else:
        try:
            tell(notes, Octets(body), serial)
        except Truncated:
            notes.refused(f"the message {kind:#04x} is too short", cry="sos" if kind in _ALARM_KINDS else None)
    return one(notes, _reply(kind, serial, now, is_long=is_long))


def _without_sum(notes: Notes, frame: bytes, kind: int, content: bytes) -> bytes:
    if frame[2:4] == _BARE_HEARTBEAT:
        return b""
    if frame[:2] == _SHORT and kind in _BARE:
        notes.named(NonEvent.NETWORK)
        return _SHORT + bytes([0, kind]) + content[:6] + _END
    # Not answered: the device sends it again, whole.
    notes.refused("the check sum is wrong", cry=_plausible_cry(kind, content[:-4]))
    return b""


def _plausible_cry(kind: int, body: bytes) -> str | None:
    """What an alarm report that arrived damaged most likely says, by its code where that stands."""
    where = _CODE_FROM_THE_END.get(kind)
    if where is None:
        return None
    codes = report.codes_at(body, max(len(body) - where, 0))
    return "fall" if report.FALL in codes else "sos" if report.SOS in codes else None


def _reply(kind: int, serial: int, now: datetime, *, is_long: bool) -> bytes:
    if kind == _TIME:
        return answer(kind, serial, bytes([now.year - 2000, now.month, now.day, now.hour, now.minute, now.second]))
    if kind == _ADDRESS:
        text = b"NA&&NA&&0##"
        return answer(0x97, serial, bytes([len(text)]) + bytes(4) + text, is_long=True)
    if kind in _UNANSWERED:
        return b""
    return answer(kind, serial, is_long=is_long and kind in _LONG_ANSWERED)


# -- bodies -------------------------------------------------------------------------------------------------------


def _offset(notes: Notes) -> timedelta:
    return timedelta(minutes=notes.recall("offset_min") or 0)


def _login(notes: Notes, octets: Octets, _: int) -> None:
    """Some say the offset of their clock: hours and minutes as a decimal number above four bits, bit 3 for west."""
    octets.take(10)
    if octets.left >= 2:
        zone = octets.number(2)
        minutes = (zone >> 4) // 100 * 60 + (zone >> 4) % 100
        if minutes <= 14 * 60:
            notes.remember("offset_min", -minutes if zone & 8 else minutes)
    notes.named(NonEvent.LOGIN)


def _place(notes: Notes, octets: Octets, _: int) -> None:
    report.tell_place(notes, octets, _offset(notes))


def _place_after(skipped: int) -> Body:
    def tell(notes: Notes, octets: Octets, serial: int) -> None:
        octets.take(skipped)
        _place(notes, octets, serial)

    return tell


def _alarm(*, more: int = 0, extended: bool = False, cell: bool = True, coded: bool = True) -> Body:
    """A place, a cell with its length, a status with its alarm."""

    def tell(notes: Notes, octets: Octets, serial: int) -> None:
        _place(notes, octets, serial)
        if cell:
            report.skip_cell(octets, more=more)
        else:
            octets.take(8)
        report.tell_alarms(notes, report.report(octets, coded=coded, extended=extended), serial)

    return tell


def _cell_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    octets.take(8)
    report.tell_alarms(notes, report.report(octets), serial)


def _wide_cell_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    report.skip_wide_cell(octets)
    report.tell_alarms(notes, report.report(octets), serial)


def _wide_place_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    """A place, a 4G cell, the kind of network, then a status with the supply's voltage inside."""
    _place(notes, octets, serial)
    report.skip_wide_cell(octets)
    octets.take(1)
    status = octets.take(1)
    octets.take(2)
    report.tell_alarms(notes, report.report(Octets(status + octets.rest())), serial)


def _wifi_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    """Cells and access points, then the code and its language at the very end."""
    code, language = octets.rest()[-2:] if octets.left >= 2 else b"\0\0"
    notes.named(NonEvent.NETWORK)
    report.tell_alarms(notes, report.Report(frozenset({code | language >> 4 << 8} - {0}), None), serial)


def _camera_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    """A dash camera's event: behind a time, behind a short place, or behind a marker, a place and a voltage."""
    data = octets.rest()
    where = 24 if data[:2] == b"\xff\xff" else 16 if len(data) > 8 else 6
    code = data[where] if where < len(data) else 0
    if code == report.SOS:
        notes.happened("sos", mark=serial)
    else:
        notes.named(NonEvent.OWN_RULE)


def _personal_alarm(notes: Notes, octets: Octets, _: int) -> None:
    """AZ735: place, cell, more cells and access points, each behind its length, then what happened."""
    octets.take(6)
    octets.take(octets.number(1))
    cell = octets.number(1)
    octets.take(cell if cell else 0)
    octets.take(octets.number(1))
    octets.take(octets.number(1))
    what = octets.number(1)
    if what == 0xA4:
        notes.happened("sos", suspect=True)
    elif what in (0xA2, 0xA3):
        notes.low_battery()
    else:
        notes.named(NonEvent.OWN_RULE)


def _heartbeat(notes: Notes, octets: Octets, _: int) -> None:
    report.tell_status(notes, report.report(octets, coded=octets.left >= 4))


def _heartbeat_of_signals(notes: Notes, octets: Octets, _: int) -> None:
    report.tell_status(notes, report.short_status(octets))


def _pedometer(notes: Notes, octets: Octets, _: int) -> None:
    """A pendant's status: steps, battery, charging, moving."""
    octets.take(9)
    notes.measured("steps", octets.number(4))
    notes.measured("battery", octets.number(1))
    octets.take(1)
    notes.state("motion", octets.number(1) == 1)


def _is(what: NonEvent) -> Body:
    return lambda notes, octets, serial: notes.named(what)


_NETWORK, _UNRELATED = _is(NonEvent.NETWORK), _is(NonEvent.UNRELATED)
_KINDS: Mapping[int, Body] = {
    _LOGIN: _login,
    0x13: _heartbeat,
    0x23: _is(NonEvent.HEARTBEAT),
    0x16: _alarm(),
    0x26: _alarm(),
    0x27: _alarm(extended=True),
    0x32: _alarm(),
    0xA3: _alarm(),
    0xA4: _alarm(extended=True),
    0x19: _cell_alarm,
    0xA5: _wide_cell_alarm,
    0xA9: _wifi_alarm,
    0x95: _camera_alarm,
    0x34: _place_after(4),
    0x61: _place_after(8),
    _TIME: _is(NonEvent.REQUEST),
    _ADDRESS: _is(NonEvent.REQUEST),
    0x1F: _is(NonEvent.REQUEST),
    0x35: _is(NonEvent.MEDIA),
    0x41: _is(NonEvent.MEDIA),
    0x94: _is(NonEvent.CONFIGURATION),
    **dict.fromkeys((0x10, 0x11, 0x12, 0x22, 0x25, 0x31, 0x2D, 0x37, 0x36, 0x38, 0x1A, 0x1E, 0xA0), _place),
    **dict.fromkeys((0x17, 0x69, 0xF3, 0x18, 0x24, 0x28, 0x2C, 0x2E, 0x33, 0xA1, 0xA2), _NETWORK),
    **dict.fromkeys((0x15, 0x21, 0x80, 0x81, 0x82), _is(NonEvent.ACKNOWLEDGEMENT)),
    **dict.fromkeys((0x40, 0x65, 0x66, 0x70, 0x84, 0x8C, 0x9B, 0xB0, 0xB2, 0xF1, 0xF2), _UNRELATED),
}
# Where a model gave a type another body, its length tells.
_OF_LENGTH: Mapping[tuple[int, int], Body] = {
    (0x12, 0x27): _place_after(8),
    (0x13, 0x13): _heartbeat_of_signals,
    (0x13, 0x15): _heartbeat_of_signals,
    (0x16, 0x24): _alarm(cell=False, coded=False),
    (0x16, 0x26): _alarm(more=1),
    (0x17, 0x28): _place,
    (0x19, 0x17): _NETWORK,
    (0x22, 0x3C): _place_after(15),
    (0x34, 0x37): _NETWORK,
    (0xA2, 0x40): _wide_place_alarm,
    (0xA3, 0x0C): _UNRELATED,
    (0xA3, 0x18): _pedometer,
}
_LONG_KINDS: Mapping[int, Body] = {0x32: _UNRELATED, 0x33: _personal_alarm}
_ALARM_KINDS = frozenset({0x16, 0x26, 0x27, 0x19, 0xA4, 0xA5, 0xA9, 0x95})
# How far before the end of the body (without serial number) the alarm's code stands.
_CODE_FROM_THE_END: Mapping[int, int] = {0x16: 2, 0x26: 2, 0x27: 3, 0x19: 2, 0xA4: 3, 0xA5: 2, 0xA9: 2}
_UNANSWERED = frozenset({0x15, 0x21, 0x80, 0x81, 0x82, 0x94, 0x9B, 0x8C, 0x34, 0x35})
_LONG_ANSWERED = frozenset({0x32, 0x33, 0x41})
