"""Watches that speak `IWAP10…#` (makers' IW and TRV, Traccar's protocol trv) over TCP.

Sources: the makers' "watch communication protocol" for the kinds of message; field rules checked against Traccar's
decoder tests. Only the login AP00 names the device. An answer is the type with its first letter moved on: AP01, BP01.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.decoders.heard import Decoded, Memory, NonEvent
from gateway.decoders.loose import number, one
from gateway.decoders.notes import Notes

MAX_FRAME = 64 * 1024
_FRAME = re.compile(r"(TRV|[A-Z]{2})([A-Z]P[0-9A-Z]{2})(.*?)#?", re.DOTALL)
# date, validity, latitude, longitude, speed, time, course, signal, satellites, battery, state, then ",cell,…,alarm,…"
_PLACE = re.compile(
    r"(\d{6})([AV])(\d\d)(\d\d\.\d+)([NS])(\d{3})(\d\d\.\d+)([EW])\d{3}\.\d(\d{6})[\d.]{6}\d{3}\d{3}(\d{3})\d+,(.*)",
    re.DOTALL,
)
_STATE = re.compile(r",\d{3}\d{3}(\d{3})\d+(?:,(\d+),\d+)?.*", re.DOTALL)
_ALARM_FIELD = 4  # after country, network, area and cell
_SOS, _LOW, _REMOVED, _FALLS = 1, 2, 3, (5, 6)


@dataclass(frozen=True, slots=True)
class Message:
    maker: str
    kind: str
    rest: str

    @property
    def values(self) -> list[str]:
        return self.rest.split(",")


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages and what is left of the stream."""
    *whole, rest = buffer.split(b"#")
    frames = [one.strip(b"\r\n ") + b"#" for one in whole if one.strip(b"\r\n ")]
    return frames, rest if len(rest) <= MAX_FRAME else b""


def parse(frame: bytes) -> Message | None:
    match = _FRAME.fullmatch(frame.decode("latin-1").strip())
    return Message(match[1], match[2], match[3]) if match else None


def device_of(frame: bytes, known: str | None) -> str | None:
    """The IMEI of a login; else who logged in on this connection."""
    message = parse(frame)
    imei = message.values[0] if message and message.kind == "AP00" else ""
    return imei if imei.isdigit() and len(imei) == 15 else known


def decode(frame: bytes, device: str | None, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(device_of(frame, device), memory, now)
    message = parse(frame)
    if message is None:
        notes.refused("this is no message of an IW watch", cry="sos" if b"AP10" in frame[:12] else None)
        return one(notes)
    tell = _KINDS.get(message.kind)
    if tell is None:
        notes.refused(f"a watch's message {message.kind} is not known")
    else:
        tell(notes, message)
    return one(notes, _answer(message, now))


def _answer(message: Message, now: datetime) -> bytes:
    kind = chr(ord(message.kind[0]) + 1) + message.kind[1:]
    if message.kind in _ANSWERS:
        return b""
    more = f",{now:%Y%m%d%H%M%S},0" if message.kind == "AP00" and message.maker == "IW" else ""
    return f"{message.maker}{kind}{more}#".encode()


# -- one function a kind of message -------------------------------------------------------------------------------


def _place(notes: Notes, message: Message) -> None:
    match = _PLACE.fullmatch(message.rest)
    alarm = message.kind == "AP10"
    if match is None:
        notes.refused("the position report is cut off", cry="sos" if alarm else None)
        return
    day, valid, lat, lat_min, north, lng, lng_min, east, clock, battery, more = match.groups()
    notes.at(_time(day + clock))
    pct = number(battery)
    if alarm:
        _cry(notes, more.split(","), pct)
    else:
        notes.measured("battery", pct)
    latitude = (int(lat) + float(lat_min) / 60) * (1 if north == "N" else -1)
    longitude = (int(lng) + float(lng_min) / 60) * (1 if east == "E" else -1)
    notes.position(latitude, longitude, valid=valid == "A", source="gnss")


def _cry(notes: Notes, values: list[str], battery: float | None) -> None:
    """The alarm's code; with none it is a cry of which nobody knows the kind."""
    code = number(values[_ALARM_FIELD]) if len(values) > _ALARM_FIELD else None
    if code == _LOW:
        notes.low_battery(battery)
    else:
        notes.measured("battery", battery)
    if code == _SOS:
        notes.happened("sos")
    elif code in _FALLS:
        notes.happened("fall")
    elif code == _REMOVED:
        notes.happened("worn", False)
    elif not code:
        notes.happened("sos", suspect=True)
    elif code != _LOW:
        notes.refused("the alarm's code is not known")


def _state(notes: Notes, message: Message) -> None:
    """A heartbeat with the battery, and with steps where the watch counts them."""
    match = _STATE.fullmatch(message.rest)
    if match is None:
        notes.named(NonEvent.HEARTBEAT)
        return
    notes.measured("battery", number(match[1]))
    if match[2] is not None:
        notes.measured("steps", number(match[2]))


def _health(notes: Notes, message: Message) -> None:
    """Pulse, pressures, SpO2, sugar, warmth of the wrist: as many as the watch measures."""
    values = [number(value) for value in message.values[1:]] + [None] * 6
    pulse, systolic, diastolic, oxygen, _, warmth = values[:6]
    for kind, value in (("heart_rate", pulse), ("spo2", oxygen)):
        if value is not None:
            notes.measured(kind, value)
    if systolic and diastolic:
        notes.happened("blood_pressure", {"systolic": systolic, "diastolic": diastolic})
    if warmth is not None:
        notes.measured("body_temperature", warmth, suspect=True)


def _warmth(notes: Notes, message: Message) -> None:
    values = [number(value) for value in message.values[1:3]]
    notes.measured("body_temperature", values[0] if values else None, suspect=True)
    if len(values) > 1:
        notes.measured("battery", values[1])


def _is(what: NonEvent) -> Callable[[Notes, Message], None]:
    return lambda notes, message: notes.named(what)


# What the watch answers to a command of ours is not answered again.
_ANSWERS = frozenset({"AP12", "AP14", "AP33", "AP34", "AP40", "AP76", "AP77", "AP84", "AP85", "AP86", "AP87"})
_KINDS: Mapping[str, Callable[[Notes, Message], None]] = {
    "AP00": _is(NonEvent.LOGIN),
    **dict.fromkeys(("AP01", "AP10", "YP03", "YP14"), _place),
    **dict.fromkeys(("AP03", "CP01"), _state),
    **dict.fromkeys(("AP49", "APHT", "APHP"), _health),
    "AP50": _warmth,
    "AP02": _is(NonEvent.NETWORK),
    "AP07": _is(NonEvent.MEDIA),
    "AP42": _is(NonEvent.MEDIA),
    **dict.fromkeys(_ANSWERS, _is(NonEvent.ACKNOWLEDGEMENT)),
}


def _time(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
