"""Theengs Gateway: Bluetooth advertisements, decoded, on `home/<gateway>/BTtoMQTT/<MAC>`.

Source: the project's decoder (its device pages and property names). An advertisement is repeated many times a second
and heard by several gateways: a press is one press by its packet number or within two seconds, a movement that is
never said to be over holds for a minute.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.contract.event import Refused
from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import boolean, leftover, number, one, opened, unreadable
from gateway.decoders.notes import Notes

# Kinds (`type`) whose `tempc` and `hum` are those of the room; others measure meat, tyres, showers and laundry.
_ROOM = frozenset({"THB", "THBX", "AIR", "ACEL", "CTMO", "BCON", "PLANT"})
# Kinds in which `open` and `motion` are about a door and a person, not about a curtain's motor.
_SENSORS = frozenset({"CTMO"})
_IN_RANGE = frozenset({"TRACK", "RMAC", "BCON", "BODY", "BTN", "CTMO"})
_MOTION_HOLDS = timedelta(seconds=60)
_BUTTONS = ("button", "button1", "button2", "button3", "button4")
_CONTACT = {"open": True, "closed": False, "timeout not closed": True}


def source_of(topic: str) -> str:
    """The MAC address without colons."""
    return topic.rpartition("/")[2]


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    device = source_of(message.topic)
    if message.retained:
        return leftover(device, memory)
    notes = Notes(device, memory, now, cached=True)
    try:
        content = opened(message)
    except Refused as refused:
        unreadable(notes, message.payload, refused.detail)
        return one(notes)
    if not isinstance(content, dict):
        notes.named(NonEvent.AVAILABILITY)
    elif "encr" in content:
        notes.refused("the device encrypts its advertisements: give the Theengs gateway its bind key")
    else:
        _tell(notes, content)
    return one(notes)


def _tell(notes: Notes, content: Mapping[str, Any]) -> None:
    kind = str(content.get("type"))
    if kind in _ROOM:
        _each(notes, content, (("tempc", "temperature"), ("hum", "humidity"), ("lux", "illuminance")))
    if kind in _SENSORS:
        _door_and_motion(notes, content)
    _each(notes, content, (("batt", "battery"), ("bpm", "heart_rate"), ("act_bpm", "heart_rate"), ("steps", "steps")))
    if boolean(content.get("lowbatt")):
        notes.low_battery(number(content.get("batt")))
    if content.get("sumu") == "kWh":
        notes.measured("power_meter", number(content.get("sum")))
    if kind == "BTN":
        _buttons(notes, content)
    if notes.empty:
        notes.named(_nothing_said(kind))


def _each(notes: Notes, content: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> None:
    for name, metric in names:
        if content.get(name) is not None and not (name == "batt" and content.get("lowbatt")):
            notes.measured(metric, number(content[name]))


def _door_and_motion(notes: Notes, content: Mapping[str, Any]) -> None:
    is_open = boolean(content.get("open"))
    if is_open is None:
        is_open = _CONTACT.get(str(content.get("contact")))
    if is_open is not None:
        notes.state("contact", {"open": is_open})
    moved = boolean(content.get("motion"))
    if moved is not None:
        notes.state("motion", moved, holds=_MOTION_HOLDS if moved else None)


def _buttons(notes: Notes, content: Mapping[str, Any]) -> None:
    """A key with 0 is not pressed. With several keys on it, it is a switch, unless the installer said otherwise."""
    packet = content.get("packet")
    if packet is not None and notes.recall("packet") == packet:
        notes.named(NonEvent.REPEAT)
        return
    notes.remember("packet", packet)
    for name in _BUTTONS:
        if number(content.get(name)):
            notes.pressed(name, calls=name == "button")


def _nothing_said(kind: str) -> NonEvent:
    """A tag that is in range says so; a toothbrush says what no rule asks for."""
    return NonEvent.HEARTBEAT if kind in _IN_RANGE else NonEvent.UNRELATED
