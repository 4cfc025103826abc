"""EV-07B pendants and their relatives (Traccar calls the protocol minifinder2) over TCP.

Source: the maker's "EV07B communication protocol"; field rules checked against Traccar's decoder tests. A frame is
0xAB, flags, length, CRC-16/XMODEM, index, then a message of length, key, value items, all little-endian. One data
message holds many records; a key that comes again begins the next one. Heart rate and SpO2 of 0 or 1 mean none.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import epoch, one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import bit, crc_xmodem

MAX_FRAME = 8 * 1024
_START, _HEAD = 0xAB, 8
_WANTS_ANSWER = 4
_DATA, _CONFIGURATION, _SERVICES, _CONTROL, _FIRMWARE, _RESPONSE = 0x01, 0x02, 0x03, 0x04, 0x7E, 0x7F
_NAMED = {
    _CONFIGURATION: NonEvent.CONFIGURATION,
    _CONTROL: NonEvent.ACKNOWLEDGEMENT,
    _FIRMWARE: NonEvent.CONFIGURATION,
    _RESPONSE: NonEvent.ACKNOWLEDGEMENT,
}
Item = tuple[int, bytes]

_IMEI, _ALARM, _BATTERY, _GPS, _BEACON, _STATUS, _SMART = 0x01, 0x02, 0x14, 0x20, 0x23, 0x24, 0x27
_BEACON_2, _WIFI_PLACE, _STEPS, _PULSE, _OXYGEN = 0x26, 0x2A, 0x30, 0x40, 0x41
_CELLS_AND_WIFI = frozenset({0x19, 0x21, 0x22, 0x29, 0x2B})
_SEVERAL_IN_A_RECORD = frozenset({0x28, 0x2C})  # beacons
_ALARM_LOW, _ALARM_FALL, _ALARM_OFF, _ALARM_SOS, _ALARM_CALL_KEYS = 0, 2, 8, 12, (13, 14)
_ALARM_OWN_RULES = (1, 3, 4, 5, 6, 7, 10, 11)


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames and what is left of the stream. Octets before a start are dropped."""
    frames: list[bytes] = []
    while (start := buffer.find(_START)) >= 0:
        buffer = buffer[start:]
        if len(buffer) < _HEAD:
            return frames, buffer
        length = _HEAD + int.from_bytes(buffer[2:4], "little")
        if length > MAX_FRAME:
            buffer = buffer[1:]  # no start of a frame, only an octet that looks like one
            continue
        if len(buffer) < length:
            following = _whole_frame_inside(buffer)
            if following is None:
                return frames, buffer
            length = following  # what stands before it is refused, and rings if it was a cry
        frames.append(buffer[:length])
        buffer = buffer[length:]
    return frames, b""


def _whole_frame_inside(buffer: bytes) -> int | None:
    """Where a whole frame with a right check sum begins behind one that promises more than there is.

    An alarm must not wait behind a wrong length for octets that nobody will send.
    """
    at = buffer.find(_START, 1)
    while at >= 0:
        length = int.from_bytes(buffer[at + 2 : at + 4], "little")
        body = buffer[at + _HEAD : at + _HEAD + length]
        if length and len(body) == length and crc_xmodem(body) == int.from_bytes(buffer[at + 4 : at + 6], "little"):
            return at
        at = buffer.find(_START, at + 1)
    return None


def device_of(frame: bytes, known: str | None) -> str | None:
    imei = next((value for key, value in _items(frame[_HEAD + 1 :]) if key == _IMEI), None)
    return imei.decode("latin-1") if imei and imei.isdigit() and frame[8:9] in b"\x01\x03" else known


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    body = frame[_HEAD:]
    if len(body) < 1 or frame[0] != _START:
        notes.refused("this is no frame of an EV-07B")
        return one(notes)
    if crc_xmodem(body) != int.from_bytes(frame[4:6], "little"):
        # Not answered either: the pendant sends it again, whole.
        notes.refused("the check sum is wrong", cry=_plausible_cry(body))
        return one(notes)
    kind, items = body[0], list(_items(body[1:]))
    if kind == _DATA:
        for record in records(items):
            _tell(notes, dict(record))
    elif kind == _SERVICES:
        notes.named(NonEvent.REQUEST)
    elif kind in _NAMED:
        notes.named(_NAMED[kind])
    else:
        notes.refused(f"an EV-07B's message {kind:#04x} is not known")
    return one(notes, _answer(frame, kind, items, now) if bit(frame[1], _WANTS_ANSWER) else b"")


def records(items: list[Item]) -> Iterator[list[Item]]:
    """The items of a data message, cut where a key comes again."""
    seen: set[int] = set()
    number = 0
    numbered = []
    for key, value in items:
        if key in seen and key not in _SEVERAL_IN_A_RECORD:
            seen.clear()
            number += 1
        seen.add(key)
        numbered.append((number, (key, value)))
    for _, group in groupby(numbered, key=lambda pair: pair[0]):
        yield [item for _, item in group]


def _tell(notes: Notes, record: Mapping[int, bytes]) -> None:
    status = _long(record.get(_STATUS), 4)
    taken_at, stored = epoch(_long(record.get(_STATUS), 0)), bit(status, 7)
    notes.at(taken_at, stored=stored)
    alarms = _tell_alarm(notes, record[_ALARM]) if _ALARM in record else 0
    notes.at(taken_at, stored=stored)
    _tell_battery(notes, record, low=bit(alarms, _ALARM_LOW))
    if _STATUS in record:
        notes.state("motion", bit(status, 9))
    _tell_place(notes, record)
    for key, kind, length in ((_STEPS, "steps", 4), (_PULSE, "heart_rate", 1), (_OXYGEN, "spo2", 1)):
        if key in record and len(record[key]) >= 4 + length:
            notes.at(epoch(_long(record[key], 0)), stored=stored)
            notes.measured(kind, int.from_bytes(record[key][4 : 4 + length], "little"))


def _tell_battery(notes: Notes, record: Mapping[int, bytes], *, low: bool) -> None:
    """In the status, or by itself."""
    pct = _long(record[_STATUS], 4) >> 24 if _STATUS in record else None
    if pct is None and record.get(_BATTERY):
        pct = record[_BATTERY][0]
    if low:
        notes.low_battery(pct)
    elif pct is not None:
        notes.measured("battery", pct)


def _tell_alarm(notes: Notes, value: bytes) -> int:
    """Bits, which are returned, and when it was where the firmware says so; else the record's time holds."""
    alarms = _long(value, 0)
    if len(value) >= 8 and (stated := epoch(_long(value, 4))) is not None:
        notes.at(stated)
    if bit(alarms, _ALARM_SOS):
        notes.happened("sos")
    if bit(alarms, _ALARM_FALL):
        notes.happened("fall")
    if any(bit(alarms, position) for position in _ALARM_CALL_KEYS):
        notes.happened("help_request")
    if bit(alarms, _ALARM_OFF):
        notes.happened("fault", {"code": "switched_off"})
    if any(bit(alarms, position) for position in _ALARM_OWN_RULES):
        notes.named(NonEvent.OWN_RULE)
    return alarms


def _tell_place(notes: Notes, record: Mapping[int, bytes]) -> None:
    """Satellites where they were seen; else a beacon or access point that knows where it hangs; else only names."""
    gps = record.get(_GPS, b"")
    if len(gps) >= 16:
        precision = int.from_bytes(gps[14:16], "little")
        notes.position(_degrees(gps, 0), _degrees(gps, 4), valid=precision > 0, source="gnss")
        return
    for key, start, source in ((_SMART, 0, "assisted"), (_BEACON, 6, "beacon"), (_BEACON_2, 6, "beacon")):
        if len(record.get(key, b"")) >= start + 8:
            place = record[key]
            notes.position(_degrees(place, start), _degrees(place, start + 4), valid=True, source=source)
            return
    wifi = record.get(_WIFI_PLACE, b"")
    if len(wifi) >= 16 and bit(wifi[0], 7):
        notes.position(_degrees(wifi, 8), _degrees(wifi, 12), valid=True, source="wifi")
    elif _CELLS_AND_WIFI & record.keys():
        notes.named(NonEvent.NETWORK)


def _plausible_cry(body: bytes) -> str | None:
    """What alarm a frame with a wrong check sum most likely carries."""
    alarms = next((_long(value, 0) for key, value in _items(body[1:]) if key == _ALARM), 0)
    if body[0] != _DATA or not alarms:
        return None
    return "sos" if bit(alarms, _ALARM_SOS) else "fall" if bit(alarms, _ALARM_FALL) else None


def _answer(frame: bytes, kind: int, items: list[Item], now: datetime) -> bytes:
    asked = {key for key, _ in items}
    if kind == _SERVICES and asked & {0x11, 0x12}:
        body = bytes([_SERVICES])
        if 0x11 in asked:
            body += bytes([10, 0x11]) + bytes(9)  # where it is: we do not know
        if 0x12 in asked:
            body += bytes([5, 0x12]) + int(now.timestamp()).to_bytes(4, "little")
    else:
        body = bytes([_RESPONSE, 1, 0])
    head = bytes([_START, 0]) + len(body).to_bytes(2, "little") + crc_xmodem(body).to_bytes(2, "little")
    return head + frame[6:8] + body


def _items(data: bytes) -> Iterator[Item]:
    """(key, value) of length, key, value items; a last one that is cut off ends it."""
    position = 0
    while position + 2 <= len(data):
        length = data[position]
        if length < 1 or position + 1 + length > len(data):
            return
        yield data[position + 1], data[position + 2 : position + 1 + length]
        position += 1 + length


def _long(value: bytes | None, start: int) -> int:
    return int.from_bytes((value or b"")[start : start + 4], "little")


def _degrees(value: bytes, start: int) -> float:
    return int.from_bytes(value[start : start + 4], "little", signed=True) / 1e7
