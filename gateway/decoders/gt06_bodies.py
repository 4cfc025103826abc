"""What each type of GT06 message holds, as tables from type (and length, where models differ) to its reader.

Source: as in `gt06_report`.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from gateway.decoders import gt06_report as report
from gateway.decoders.heard import NonEvent
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets

LOGIN, TIME, ADDRESS, CAMERA = 0x01, 0x8A, 0x2A, 0x95
_CRIES = {report.SOS: "sos", report.FALL: "fall"}
Body = Callable[[Notes, Octets, int], None]


def _offset(notes: Notes) -> timedelta:
    return timedelta(minutes=notes.recall("offset_min") or 0)


def _login(notes: Notes, octets: Octets, _: int) -> None:
    """Some say the offset of their clock: hours and minutes as a decimal number above four bits, bit 3 for west."""
    octets.take(8)
    if octets.left >= 4:
        octets.take(2)  # the model
        zone = octets.number(2)
        minutes = (zone >> 4) // 100 * 60 + (zone >> 4) % 100
        if minutes <= 14 * 60:
            notes.remember("offset_min", -minutes if zone & 8 else minutes)
    notes.named(NonEvent.LOGIN)


def _place(notes: Notes, octets: Octets, _: int) -> None:
    if octets.left:
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
    if data[_camera_code(data) :][:1] == bytes([report.SOS]):
        notes.happened("sos", mark=serial)
    else:
        notes.named(NonEvent.OWN_RULE)


def _camera_code(data: bytes) -> int:
    """Where the event's code stands."""
    return 24 if data[:2] == b"\xff\xff" else 16 if len(data) > 8 else 6


def _personal_place(notes: Notes, octets: Octets, serial: int) -> None:
    """AZ735: a time, then the place behind its length, which is none without a fix."""
    when = octets.take(6)
    place = octets.take(octets.number(1))
    if place:
        _place(notes, Octets(when + place), serial)
    else:
        notes.named(NonEvent.STALE_FIX)


def _personal_alarm(notes: Notes, octets: Octets, serial: int) -> None:
    """AZ735: a place, cell, more cells and access points, each behind its length, then what happened."""
    _personal_place(notes, octets, serial)
    for _ in range(3):
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


def _named(what: NonEvent) -> Body:
    return lambda notes, octets, serial: notes.named(what)


_NETWORK, _UNRELATED = _named(NonEvent.NETWORK), _named(NonEvent.UNRELATED)
_OF_TYPE: Mapping[int, Body] = {
    LOGIN: _login,
    0x13: _heartbeat,
    0x23: _named(NonEvent.HEARTBEAT),
    0x16: _alarm(),
    0x26: _alarm(),
    0x27: _alarm(extended=True),
    0x32: _alarm(),
    0xA3: _place,  # a fence; the cell after it differs by model
    0xA4: _alarm(extended=True),
    0x19: _cell_alarm,
    0xA5: _wide_cell_alarm,
    0xA9: _wifi_alarm,
    CAMERA: _camera_alarm,
    0x34: _place_after(4),
    0x61: _place_after(8),
    TIME: _named(NonEvent.REQUEST),
    ADDRESS: _named(NonEvent.REQUEST),
    0x1F: _named(NonEvent.REQUEST),
    0x35: _named(NonEvent.MEDIA),
    0x41: _named(NonEvent.MEDIA),
    0x94: _named(NonEvent.CONFIGURATION),
    **dict.fromkeys((0x10, 0x11, 0x12, 0x22, 0x25, 0x31, 0x2D, 0x37, 0x36, 0x38, 0x1A, 0x1E, 0xA0), _place),
    **dict.fromkeys((0x17, 0x69, 0xF3, 0x18, 0x24, 0x28, 0x2C, 0x2E, 0x33, 0xA1, 0xA2), _NETWORK),
    **dict.fromkeys((0x15, 0x21, 0x80, 0x81, 0x82), _named(NonEvent.ACKNOWLEDGEMENT)),
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
_OF_LONG: Mapping[int, Body] = {0x32: _personal_place, 0x33: _personal_alarm}
ALARM_KINDS = frozenset({0x16, 0x26, 0x27, 0x19, 0xA4, 0xA5, 0xA9, CAMERA})
# How far before the end of the body (without serial number) the alarm's code stands.
_CODE_FROM_THE_END: Mapping[int, int] = {0x16: 2, 0x26: 2, 0x27: 3, 0x19: 2, 0xA4: 3, 0xA5: 2, 0xA9: 2}


def plausible_cry(kind: int, body: bytes) -> str | None:
    """What an alarm report that arrived damaged most likely says, by its code where that stands."""
    if kind == CAMERA:
        code = body[_camera_code(body) :][:1]
    else:
        where = _CODE_FROM_THE_END.get(kind, 0)
        code = body[-where:][:1] if where <= len(body) else b""
    return _CRIES.get(int.from_bytes(code, "big")) if kind in ALARM_KINDS else None


def body_of(kind: int, length: int, *, is_long: bool) -> Body | None:
    """The reader of a message; None for a type nobody knows."""
    if is_long and kind in _OF_LONG:
        return _OF_LONG[kind]
    of_length = None if is_long else _OF_LENGTH.get((kind, length))
    return of_length or _OF_TYPE.get(kind)
