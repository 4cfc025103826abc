"""Tasmota: `tele/<topic>/SENSOR`, `stat/<topic>/RESULT` and their kin, from one board that speaks for many sensors.

Source: the project's documentation ("MQTT", "Zigbee", "Bluetooth", "PIR motion sensors"). `Time` has no offset unless
somebody set one, so it is nobody's time. A wired `Switch1` may be anything; who wants it to be a movement or a door
publishes it by a rule as MOTION, PIR or DOOR, as the documentation shows.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from core.contract.event import Refused
from gateway.decoders.fields import tell_action
from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import available, boolean, leftover, number, one, opened, unreadable, when
from gateway.decoders.notes import Notes

_PREFIXES = ("tele", "stat", "cmnd")
_ONE_SHOT_HOLDS = timedelta(seconds=60)
# Children have the end of their address in their name; what is wired to the board has not.
_BLUETOOTH_NAME = re.compile(r".+-[0-9a-fA-F]{6}")
# Chips that report their own warmth.
_NOT_OF_THE_ROOM = frozenset({"ESP32", "MPU6050", "MPU9250"})
# A published topic's last level, by rules people copy from the documentation.
_RULE_TOPICS = (
    (re.compile(r"MOTI(ON)?\d*|PIR\d*"), "motion"),
    (re.compile(r"(DOOR|CONTACT|WINDOW)\d*"), "contact"),
)
_OUTPUT = re.compile(r"POWER\d*|Dimmer|Color|Channel\d*|ShutterRelay\d+")
_TEMPERATURE = "Temperature"


def _fahrenheit(value: float | None, unit: str) -> float | None:
    return round((value - 32) / 1.8, 2) if value is not None and unit == "F" else value


def _contact(notes: Notes, raw: Any) -> None:
    is_open = boolean(raw)
    if is_open is not None:
        notes.state("contact", {"open": is_open})


def _motion(notes: Notes, raw: Any) -> None:
    moved = boolean(raw)
    if moved is not None:
        notes.state("motion", moved, holds=_ONE_SHOT_HOLDS if moved else None)


def _alarm(kind: str) -> Callable[[Notes, Any], None]:
    def tell(notes: Notes, raw: Any) -> None:
        on = boolean(raw)
        if on is not None:
            notes.state(kind, on)

    return tell


def _cry(notes: Notes, raw: Any) -> None:
    notes.stands("sos", set_=boolean(raw) is True)


def _measured(kind: str) -> Callable[[Notes, Any], None]:
    return lambda notes, raw: notes.measured(kind, number(raw))


# Fields of one sensor. ZbReceived borrows them and adds its own.
_FIELDS: Mapping[str, Callable[[Notes, Any], None]] = {
    "Humidity": _measured("humidity"),
    "Illuminance": _measured("illuminance"),
    "BatteryPercentage": _measured("battery"),
    "CarbonMonoxide": _measured("carbon_monoxide"),
    "Total": _measured("power_meter"),
    "Occupancy": _motion,
    "Contact": _contact,
    "DoorOpen": _contact,
    "PIR": _motion,
    "Water": _alarm("water_leak"),
    "Fire": _alarm("smoke"),
    "CO": _alarm("carbon_monoxide_alarm"),
    "Tamper": _alarm("tamper"),
    "Emergency": _cry,
    "Panic": _cry,
    "AqaraVibrationMode": tell_action,
}


def source_of(topic: str) -> str:
    """The board's topic, with whatever stands between the prefix and the last level."""
    return "/".join(level for level in topic.split("/")[:-1] if level not in _PREFIXES)


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    board, last = source_of(message.topic), message.topic.rpartition("/")[2]
    notes = Notes(board, memory, now, cached=True)
    if last == "LWT":
        return available(notes)
    if message.retained:
        return leftover(board, memory)
    try:
        content = opened(message)
    except Refused as refused:
        unreadable(notes, message.payload, refused.detail)
        return one(notes)
    if not isinstance(content, dict):
        _word(notes, last, content)
        return one(notes)
    return _sensors(notes, board, last, content)


def _word(notes: Notes, last: str, word: Any) -> None:
    for pattern, kind in _RULE_TOPICS:
        if pattern.fullmatch(last):
            (_motion if kind == "motion" else _contact)(notes, word)
            return
    if _OUTPUT.fullmatch(last) or last.startswith("POWER"):
        notes.named(NonEvent.OUTPUT)
    else:
        notes.named(NonEvent.ACKNOWLEDGEMENT)


def _sensors(board: Notes, name: str, last: str, content: Mapping[str, Any]) -> Decoded:
    """The board's own part first, then each of its children; their memory is one, told apart by name."""
    answer = content.get("StatusSNS")
    content = answer if isinstance(answer, dict) else content
    unit = str(content.get("TempUnit", "C"))
    taken_at = when(content.get("Time"))
    board.at(taken_at)
    _of_the_board(board, last, content, unit)
    heard, memory = [], board.memory
    for child, fields in _children(content):
        notes = Notes(f"{name}/{child}", memory, board.now, cached=True)
        notes.part = f"{child}/"
        notes.at(taken_at)
        _tell(notes, child, fields, unit)
        heard.append(notes.heard())
        memory = notes.memory
    if heard and board.empty:
        return Decoded(tuple(heard), memory)
    return Decoded((board.heard(), *heard), memory)


def _of_the_board(notes: Notes, last: str, content: Mapping[str, Any], unit: str) -> None:
    for key, value in content.items():
        if isinstance(value, dict):
            if not _is_child(key):
                notes.part = f"{key}/"
                _tell(notes, key, value, unit)
                notes.part = ""
        elif last == "ENERGY" and key == "Total":
            notes.measured("power_meter", number(value))
        elif _OUTPUT.fullmatch(key):
            notes.named(NonEvent.OUTPUT)
        elif key.startswith("Switch"):
            notes.named(NonEvent.INPUT)
    if notes.empty and last in ("RESULT", "RESULTS"):
        notes.named(NonEvent.ACKNOWLEDGEMENT)


def _is_child(key: str) -> bool:
    return key in ("ZbReceived", "LwReceived", "IBEACON") or bool(_BLUETOOTH_NAME.fullmatch(key))


def _children(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in content.items():
        if not isinstance(value, dict):
            continue
        if key in ("ZbReceived", "LwReceived"):
            for address, fields in value.items():
                if isinstance(fields, dict):
                    yield str(fields.get("Name", fields.get("Device", address))), fields
        elif key == "IBEACON":
            yield str(value.get("MAC", "unknown")), value
        elif _BLUETOOTH_NAME.fullmatch(key):
            yield key, value


def _tell(notes: Notes, sensor: str, fields: Mapping[str, Any], unit: str) -> None:
    if sensor not in _NOT_OF_THE_ROOM and fields.get(_TEMPERATURE) is not None:
        notes.measured("temperature", _fahrenheit(number(fields[_TEMPERATURE]), unit))
    battery = number(fields.get("Battery"))
    if battery is not None and "LwReceived" not in sensor and "DoorOpen" not in fields:  # there it is in volts
        notes.measured("battery", battery)
    if "MAC" in fields and "STATE" in fields:
        present = boolean(fields["STATE"])
        if present is not None:
            notes.state("presence", present)
    for key, tell in _FIELDS.items():
        if fields.get(key) is not None:
            tell(notes, fields[key])
    if notes.empty and "Power" in fields:
        notes.named(NonEvent.OUTPUT)
