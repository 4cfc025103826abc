"""The bodies of GT06: a place, what the radio sees, a status with its alarm. Reads only; `gt06` decides.

Source: "GPS Tracker Communication Protocol (GT06)", versions 1.02 to 1.8, and the differences between models that
Traccar's decoder tests show. A status holds an alarm in three bits, an alarm report in a code of its own beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.decoders.heard import NonEvent
from gateway.decoders.notes import Notes
from gateway.decoders.octets import Octets, bit, calendar_time

_MINUTES = 30000 * 60.0  # a degree in the unit of a coordinate
_STATUS_ALARMS: Mapping[int, int] = {2: 0x02, 3: 0x0E, 4: 0x01, 7: 0x18}  # the three bits, as codes
SOS, FALL, POWER_CUT, REMOVED, OFF, COLLISIONS = 0x01, 0x23, 0x02, 0x18, 0x11, frozenset({0x2C, 0xF2})
LOW_BATTERY = frozenset({0x0E, 0x0F, 0x19})
TAMPER = frozenset({0x0C, 0x13, 0x25, 0x32})
# Vibration, fences, speed, driving: the device's own opinion of a vehicle.
OWN_RULES = frozenset({0x03, 0x04, 0x05, 0x06, 0x09, 0x14, 0xC9, 0x0107, 0x010B, *range(0x26, 0x2C), 0x2E, 0x30,
                       0x33, 0x34, 0x53, 0x5B, 0x5C, 0xF0, 0xF1, 0x1A, 0x1B})  # fmt: skip
_NO_ALARM = frozenset({0x00, 0xFE, 0xFF})  # normal, engine off, engine on
_LEVELS = 6  # a battery in steps of a sixth


@dataclass(frozen=True, slots=True)
class Report:
    """A status: the codes of its alarms and its battery in per cent, None where it has none."""

    codes: frozenset[int]
    battery_pct: float | None


def tell_place(notes: Notes, octets: Octets, offset: timedelta, *, stored: bool = False) -> None:
    """Time, satellites, latitude, longitude, speed, course and flags: 18 octets; `offset` of the device's clock."""
    notes.at(calendar_time(octets.take(6), offset), stored=stored)
    octets.take(1)
    lat, lng = octets.number(4) / _MINUTES, octets.number(4) / _MINUTES
    octets.take(1)
    flags = octets.number(2)
    north, west, valid = bit(flags, 10), bit(flags, 11), bit(flags, 12)
    notes.position(lat if north else -lat, -lng if west else lng, valid=valid, source="gnss")


def skip_cell(octets: Octets, *, more: int = 0) -> None:
    """The cell of a report with a length, which counts itself only where it is above 9; `more`: a model's habit."""
    length = octets.number(1)
    octets.take((length - 1 if length > 9 else 8) + more)


def skip_wide_cell(octets: Octets) -> None:
    """A 4G cell: country, network (two octets if the country says so), area of 4, cell of 8."""
    country = octets.number(2)
    octets.take((2 if bit(country, 15) else 1) + 12)


def report(octets: Octets, *, coded: bool = True, extended: bool = False) -> Report:
    """Status, battery, signal, then the alarm's code and its language, whose high half extends the code."""
    codes = {_STATUS_ALARMS.get(octets.number(1) >> 3 & 7, 0)}
    battery = octets.number(1)
    octets.take(1)
    if coded:
        code = octets.number(1)
        if extended and octets.left:
            code |= octets.number(1) >> 4 << 8
        codes.add(code)
    return Report(frozenset(codes - _NO_ALARM), _per_cent(battery))


def short_status(octets: Octets) -> Report:
    """A heartbeat of the models that put the signal first: status, signal, code, language, battery in per cent."""
    codes = {_STATUS_ALARMS.get(octets.number(1) >> 3 & 7, 0)}
    octets.take(2)
    codes.add(octets.number(1))
    octets.take(1)
    battery = octets.number(1)
    return Report(frozenset(codes - _NO_ALARM), battery if battery <= 100 else None)


def _per_cent(battery: int) -> float | None:
    if battery <= _LEVELS:
        return battery * 100 // _LEVELS
    return battery if battery <= 100 else None


def tell_alarms(notes: Notes, told: Report, serial: int) -> None:
    """Of an alarm report: each is news, except the same report sent again."""
    _tell_battery(notes, told)
    for code in sorted(told.codes):
        if code == SOS:
            notes.happened("sos", mark=serial)
        elif code == FALL:
            notes.happened("fall", mark=serial)
        elif code in COLLISIONS:
            notes.happened("fall_suspected", mark=serial)
        elif code == REMOVED:
            notes.happened("worn", False, mark=serial)
        elif code in TAMPER:
            notes.happened("tamper", True, mark=serial)
        elif code == OFF:
            notes.happened("fault", {"code": "switched_off"}, mark=serial)
        elif code == POWER_CUT:
            notes.happened("mains", False, mark=serial)
        elif code in OWN_RULES:
            notes.named(NonEvent.OWN_RULE)
        elif code not in LOW_BATTERY:
            notes.refused(f"the alarm code {code:#04x} is not known")


def tell_status(notes: Notes, told: Report) -> None:
    """Of a heartbeat: an alarm in it stands until it is cleared."""
    _tell_battery(notes, told)
    notes.stands("sos", set_=SOS in told.codes)
    notes.stands("fall", set_=FALL in told.codes)
    notes.stands("worn", False, set_=REMOVED in told.codes)
    notes.stands("mains", False, set_=POWER_CUT in told.codes, clears=True)


def _tell_battery(notes: Notes, told: Report) -> None:
    if told.codes & LOW_BATTERY:
        notes.low_battery(told.battery_pct)
    elif told.battery_pct is not None:
        notes.measured("battery", told.battery_pct)
