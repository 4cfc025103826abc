"""SOS watches that speak `[3G*id*length*TYPE,…]` (makers 3G, SG, CS, ZJ and others) over TCP.

Sources: the makers' "GPS watch communication protocol" as its sellers publish it; field rules checked against
Traccar's decoder tests. Status is 32 bits: the low half is the state, the high half alarms. `tumbles` counts rolls in
bed and is no fall. A watch repeats an alarm until it is answered.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import number, one
from gateway.decoders.notes import Notes
from gateway.decoders.octets import bit
from gateway.decoders.watch_frame import Frame, parse


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    parsed = parse(frame)
    notes = Notes(parsed.device if parsed else device, memory, now)
    if parsed is None:
        cry = "sos" if b"*AL" in frame else None
        notes.refused("this is no frame of a watch", cry=cry)
        return one(notes)
    kind = parsed.kind.lower()
    tell = _KINDS.get(kind) or next(
        (tell for beginning, tell in _BEGINNINGS.items() if kind.startswith(beginning)), None
    )
    if tell is None:
        notes.refused(f"a watch's message {parsed.kind[:20]!r} is not known")
        return one(notes)
    return one(notes, tell(notes, parsed) or b"")


# -- one function a kind of message; the answer the watch waits for is returned -----------------------------------


def _link(notes: Notes, frame: Frame) -> bytes:
    """Steps, rolls, battery; or nothing but "I am there"."""
    values = frame.rest.split(",")
    if len(values) >= 3:
        _steps(notes, values[0])
        notes.measured("battery", number(values[2]))
    return frame.answer("LK")


def _alarm(notes: Notes, frame: Frame) -> bytes:
    _place(notes, frame, alarm=True)
    return frame.answer("AL")


def _place_report(notes: Notes, frame: Frame) -> None:
    """UD2 and UD3 are what was kept without a line; UD, UD_LTE and WT are of now. A bare WT asks for the weather."""
    if frame.rest:
        _place(notes, frame, alarm=False)
    else:
        notes.named(NonEvent.REQUEST)


def _heart(notes: Notes, frame: Frame) -> None:
    notes.measured("heart_rate", _at(frame, 0))


def _pressure(notes: Notes, frame: Frame) -> None:
    systolic, diastolic, pulse = _at(frame, 0), _at(frame, 1), _at(frame, 2)
    if not systolic or not diastolic:
        notes.named(NonEvent.NO_READING)
        return
    value = {"systolic": systolic, "diastolic": diastolic}
    notes.happened("blood_pressure", {**value, "pulse": pulse} if pulse and pulse > 1 else value)


def _warmth(notes: Notes, frame: Frame) -> None:
    """Of the wrist, not of the body: suspect, for a cool hand is no hypothermia (domain §6.2)."""
    notes.measured("body_temperature", _at(frame, 0), suspect=True)


def _warmth_2(notes: Notes, frame: Frame) -> None:
    """A mode comes first; mode 0 is what the bare sensor measured."""
    notes.measured("body_temperature", _at(frame, 1) if _at(frame, 0) else None, suspect=True)


def _oxygen(notes: Notes, frame: Frame) -> None:
    notes.measured("spo2", _at(frame, 1))


def _named(what: NonEvent, answer: str = "") -> Callable[[Notes, Frame], bytes]:
    def tell(notes: Notes, frame: Frame) -> bytes:
        notes.named(what)
        return frame.answer(answer.format(kind=frame.kind)) if answer else b""

    return tell


_ACKNOWLEDGED = (
    "upload", "center", "slave", "sos", "sos1", "sos2", "sos3", "monitor", "ip", "factory", "lz", "url", "lowbat",
    "fall", "lssset", "flower", "remind", "message", "find", "reset", "poweroff", "cr", "walktime", "sleeptime",
    "silencetime", "phb", "phb2", "profile", "removesms", "remove", "pedo", "makefriend", "rcapture", "dnd", "hrtstart",
    "bodytemp", "bldstart",
)  # fmt: skip
# By the type in small letters.
_KINDS: Mapping[str, Callable[[Notes, Frame], bytes | None]] = {
    "lk": _link,
    "init": _named(NonEvent.LOGIN, "INIT,1"),
    "pulse": _heart,
    "heart": _heart,
    "bphrt": _pressure,
    "blood": _pressure,
    "temp": _warmth,
    "btemp2": _warmth_2,
    "oxygen": _oxygen,
    "tk": _named(NonEvent.MEDIA),
    "tk2": _named(NonEvent.MEDIA),
    "jxtk": _named(NonEvent.MEDIA, "JXTKR,1"),
    "img": _named(NonEvent.MEDIA),
    **dict.fromkeys(_ACKNOWLEDGED, _named(NonEvent.ACKNOWLEDGEMENT)),
    **dict.fromkeys(("ts", "verno", "ccid", "iccid", "config", "ryimei", "param"), _named(NonEvent.CONFIGURATION)),
}
# And by its beginning, where the maker goes on with a number or the kind of network.
_BEGINNINGS: Mapping[str, Callable[[Notes, Frame], bytes | None]] = {
    "al": _alarm,
    "ud": _place_report,
    "wt": _place_report,
    "tkq": _named(NonEvent.REQUEST, "{kind}"),
}


def _at(frame: Frame, index: int) -> float | None:
    values = frame.rest.split(",")
    return number(values[index]) if index < len(values) else None


def _steps(notes: Notes, text: str) -> None:
    notes.measured("steps", number(text))


# -- where it is and how it is --------------------------------------------------------------------------------------

# date, time, validity, lat, N/S, lng, E/W, speed, course, altitude, satellites, signal, battery, steps, rolls, status
_FIELDS = 16
_BATTERY, _STEPS, _STATUS = 12, 13, 15
_LOW, _POWER_CUT, _SOS, _LOW_ALARM, _REMOVED, _FALLS = 0, 14, 16, 17, 20, (21, 22)
_FENCES = (1, 2, 18, 19)


def _place(notes: Notes, frame: Frame, *, alarm: bool) -> None:
    values = [value.strip() for value in frame.rest.split(",")]
    status = _status(values)
    if len(values) < _FIELDS or status is None:
        notes.refused("the position report is cut off", cry="sos" if alarm else None)
        return
    notes.at(_time(values), stored=frame.kind.startswith(("UD2", "UD3")))
    (_cries if alarm else _standing)(notes, status)
    if any(bit(status, position) for position in _FENCES):
        notes.named(NonEvent.OWN_RULE)
    _battery(notes, number(values[_BATTERY]), low=bit(status, _LOW) or bit(status, _LOW_ALARM))
    _steps(notes, values[_STEPS])
    lat, lng = _degrees(values[3], values[4] == "S"), _degrees(values[5], values[6] == "W")
    if lat is None or lng is None:
        notes.named(NonEvent.STALE_FIX)
    else:
        notes.position(lat, lng, valid=values[2] == "A", source="gnss")


def _cries(notes: Notes, status: int) -> None:
    """Of an alarm report: each alarm that is set; with none it is a cry of which nobody knows the kind."""
    explained = bit(status, _LOW) or bit(status, _LOW_ALARM) or bit(status, _POWER_CUT)
    explained = explained or any(bit(status, position) for position in _FENCES)
    if bit(status, _SOS):
        notes.happened("sos")
    if any(bit(status, position) for position in _FALLS):
        notes.happened("fall")
    if bit(status, _REMOVED):
        notes.happened("worn", False)
    if bit(status, _POWER_CUT):
        notes.happened("mains", False)
    if not explained and not any(bit(status, position) for position in (_SOS, _REMOVED, *_FALLS)):
        notes.happened("sos", suspect=True)


def _standing(notes: Notes, status: int) -> None:
    """Of a plain report: the alarm halves repeat what an alarm report said, or say what got lost."""
    notes.stands("sos", set_=bit(status, _SOS))
    notes.stands("fall", set_=any(bit(status, position) for position in _FALLS))
    notes.stands("worn", False, set_=bit(status, _REMOVED))
    notes.stands("mains", False, set_=bit(status, _POWER_CUT), clears=True)


def _battery(notes: Notes, pct: float | None, *, low: bool) -> None:
    if low:
        notes.low_battery(pct)
    else:
        notes.measured("battery", pct)


def _status(values: list[str]) -> int | None:
    try:
        return int(values[_STATUS], 16)
    except (IndexError, ValueError):
        return None


def _time(values: list[str]) -> datetime | None:
    try:
        return datetime.strptime(values[0] + values[1], "%d%m%y%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _degrees(text: str, negative: bool) -> float | None:
    degrees = number(text)
    return None if degrees is None else -abs(degrees) if negative else degrees
