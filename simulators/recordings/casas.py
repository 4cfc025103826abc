"""CASAS smart homes (WSU): `date time sensor [place] value [activity]`, blank or tab separated, no time zone.

One sensor name may stand for two devices: an OutsideDoor that says OPEN/CLOSE is a contact, one that says ON/OFF is
a motion sensor beside it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from simulators.recordings.items import Format, Item, Reading, numbered_lines, parsed_number, unreadable

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_VALUES: dict[str, tuple[str, str, object]] = {
    "ON": ("motion", "pir", True),
    "OFF": ("motion", "pir", False),
    "OPEN": ("contact", "door-contact", {"open": True}),
    "CLOSE": ("contact", "door-contact", {"open": False}),
}
_ZONES = (
    ("bedroom", "bedroom"),
    ("bathroom", "bathroom"),
    ("toilet", "bathroom"),
    ("kitchen", "kitchen"),
    ("living", "living"),
    ("lounge", "living"),
    ("dining", "living"),
    ("office", "living"),
    ("workarea", "living"),
    ("door", "entrance"),
    ("entry", "entrance"),
)


def read(path: Path) -> Iterator[Item]:
    for number, text in numbered_lines(path):
        if text is None:
            yield unreadable(number, "not UTF-8")
        elif text.strip():
            yield _item(number, text.split())


def _item(number: int, words: list[str]) -> Item:
    if len(words) < 4:
        return unreadable(number, "fewer than four columns")
    at = _time(words[0], words[1])
    if at is None:
        return unreadable(number, f"{words[0]} {words[1]} is not a time")
    sensor = words[2]
    # Some exports put the sensor's place between its name and its value.
    values = [word for word in words[3:5] if word.upper() in _VALUES or parsed_number(word) is not None]
    value = values[0] if values else words[3]
    known = _VALUES.get(value.upper())
    if known is not None:
        type_, model, meaning = known
        return Reading(at, number, "", f"{_plain(sensor)}-{type_}", model, type_, meaning, _zone(sensor))
    degrees = parsed_number(value)
    if degrees is not None and sensor.upper().startswith("T"):
        return Reading(
            at, number, "", f"{_plain(sensor)}-temperature", "climate", "temperature", degrees, _zone(sensor)
        )
    return unreadable(number, f"the value {value[:20]!r} of {sensor[:20]!r} is not known")


def _time(day: str, clock: str) -> datetime | None:
    if _DATE.fullmatch(day) is None:
        return None
    whole, _, fraction = clock.partition(".")
    # Exports trim trailing zeros of the fraction, which Python 3.11 does not read.
    try:
        return datetime.strptime(f"{day} {whole}.{(fraction or '0')[:6]}", "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def _plain(sensor: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", sensor.lower()).strip("-")[:24] or "sensor"


def _zone(sensor: str) -> str | None:
    name = sensor.lower()
    return next((zone for word, zone in _ZONES if word in name), None)


def recognises(_path: Path, head: list[str]) -> bool:
    words = [line.split() for line in head if line.strip()]
    timed = [row for row in words if len(row) >= 4 and _time(row[0], row[1]) is not None]
    return bool(words) and 2 * len(timed) >= len(words)


FORMAT = Format("CASAS home", recognises, read)
