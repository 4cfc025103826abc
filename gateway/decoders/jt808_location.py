"""The location report of JT/T 808 (message 0x0200): alarms, status, place, time and the makers' additions.

Source: JT/T 808-2013, tables 23 to 27, for the fixed part; Traccar's decoder tests for what makers add. The standard
has no fall: collision (bit 29) and roll-over (bit 30) are the nearest, judged by a device without a countdown.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from gateway.decoders.heard import NonEvent
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, bcd_time, bit, type_length_values

_SOS, _FALLS, _LOW_BATTERY, _POWER_OFF = 0, (29, 30), (7, 18), 8
_TAMPER = (16, 17)
_OWN_RULES = (1, 2, 3, 13, 14, 15, 19, 20, 21, 22, 23, 26, 28)
_FIX, _SOUTH, _WEST = 1, 2, 3
_FIXED_PART = 28


def tell_location(notes: Notes, report: bytes, offset: timedelta, *, stored: bool = False) -> None:
    octets = Octets(report)
    alarms, status = octets.number(4), octets.number(4)
    lat, lng = octets.number(4) / 1e6, octets.number(4) / 1e6
    octets.take(6)  # height, speed, direction
    notes.at(bcd_time(octets.take(6), offset), stored=stored)
    battery, low, removed = _additions(octets.rest())
    _tell_alarms(notes, alarms, removed=removed)
    if low or any(bit(alarms, position) for position in _LOW_BATTERY):
        notes.low_battery(battery)
    elif battery is not None:
        notes.measured("battery", battery)
    south, west = bit(status, _SOUTH), bit(status, _WEST)
    notes.position(-lat if south else lat, -lng if west else lng, valid=bit(status, _FIX), source="gnss")


def _tell_alarms(notes: Notes, alarms: int, *, removed: bool) -> None:
    notes.stands("sos", set_=bit(alarms, _SOS))
    notes.stands("fall_suspected", set_=any(bit(alarms, position) for position in _FALLS))
    notes.stands("worn", False, set_=removed, clears=True)
    notes.stands("tamper", True, set_=any(bit(alarms, position) for position in _TAMPER), clears=True)
    notes.stands("mains", False, set_=bit(alarms, _POWER_OFF), clears=True)
    if any(bit(alarms, position) for position in _OWN_RULES):
        notes.named(NonEvent.OWN_RULE)


def plausible_cry(report: bytes) -> str | None:
    """What a report that arrived damaged most likely cries: its first word is alarms, and nearly all are zero."""
    alarms = int.from_bytes(report[:4], "big")
    if len(report) < _FIXED_PART or alarms.bit_count() > 4:
        return None
    return "sos" if bit(alarms, _SOS) else "fall_suspected" if any(bit(alarms, at) for at in _FALLS) else None


# -- what makers add --------------------------------------------------------------------------------------------

_EXTENDED = 0xEB
_E_ALARMS, _E_BATTERY_ALARM, _E_BATTERY = 0x0089, 0x00C6, (0x00A8, 0x00E1)
_REMOVED_BIT = 12  # a zero is the alarm
_BATTERY_LOW_WORDS = (3, 4)
# The battery in per cent, by the type and length of the addition.
_BATTERIES: Mapping[tuple[int, int], Callable[[bytes], float]] = {
    (0x06, 1): lambda value: value[0],
    (0x56, 2): lambda value: value[0] * 10,
    (0x68, 2): lambda value: int.from_bytes(value, "big") / 100,
    (0xD4, 1): lambda value: value[0],
    (0xE1, 1): lambda value: value[0],
    (0xE9, 1): lambda value: value[0],
    (0xFE, 1): lambda value: value[0],
    (0xE3, 6): lambda value: value[1],
    (0xE4, 2): lambda value: value[1],
}


def _additions(data: bytes) -> tuple[float | None, bool, bool]:
    """(battery in per cent, low, removed)."""
    battery, low, removed = None, False, False
    for kind, value in type_length_values(data):
        if (read := _BATTERIES.get((kind, len(value)))) is not None:
            battery = read(value)
        elif kind == _EXTENDED:
            said, low_too, removed_too = _extended(value)
            battery, low, removed = battery if said is None else said, low or low_too, removed or removed_too
    return (battery if battery is not None and battery <= 100 else None), low, removed


def _extended(data: bytes) -> tuple[float | None, bool, bool]:
    """Items of a length of two octets that counts the type after it."""
    battery, low, removed = None, False, False
    octets = Octets(data)
    while octets.left >= 4:
        length = octets.number(2)
        if length < 2 or length > octets.left:
            break
        kind, value = octets.number(2), octets.take(length - 2)
        if kind == _E_ALARMS and len(value) == 4:
            removed = not bit(int.from_bytes(value, "big"), _REMOVED_BIT)
        elif kind == _E_BATTERY_ALARM and value:
            low = value[0] in _BATTERY_LOW_WORDS
        elif kind in _E_BATTERY and value:
            battery = value[0]
    return battery, low, removed
