"""Home Assistant discovery: retained descriptions of entities, and through them the state topics of any bridge.

Source: the documentation of the MQTT integration ("MQTT discovery", device classes of sensors and binary sensors).
A description is configuration. Remembered, it tells how to read its state topic: which member, which word means on
(for a door of Zigbee2MQTT `payload_on` is false), what the device class is about. Only plain templates are read,
`{{ value }}` and `{{ value_json.member }}`; what computes is refused by name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.contract.event import Refused
from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import leftover, number, one, opened, unreadable
from gateway.decoders.notes import Notes

# One memory for all entities of a bus, for the owner bounds memories by source.
SOURCE = "homeassistant"
MOST_ENTITIES = 2000
_TEMPLATE = re.compile(r"\{\{\s*value(?:_json((?:\.\w+|\[['\"][\w ]+['\"]\])+))?\s*(?:\|\s*\w+\s*)?\}\}")
_MEMBER = re.compile(r"\.(\w+)|\[['\"]([\w ]+)['\"]\]")

_BINARY: Mapping[str, tuple[str, Callable[[bool], Any]]] = {
    "motion": ("motion", bool),
    "moving": ("motion", bool),
    "occupancy": ("motion", bool),
    "presence": ("presence", bool),
    "door": ("contact", lambda on: {"open": on}),
    "window": ("contact", lambda on: {"open": on}),
    "opening": ("contact", lambda on: {"open": on}),
    "garage_door": ("contact", lambda on: {"open": on}),
    "smoke": ("smoke", bool),
    "gas": ("gas", bool),
    "carbon_monoxide": ("carbon_monoxide_alarm", bool),
    "moisture": ("water_leak", bool),
    "tamper": ("tamper", bool),
    "problem": ("fault", bool),
}
_MEASURED = {
    "temperature": "temperature",
    "humidity": "humidity",
    "illuminance": "illuminance",
    "battery": "battery",
    "carbon_monoxide": "carbon_monoxide",
    "energy": "power_meter",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """One described entity; `on` and `off` as its bridge writes them."""

    device: str
    binary: bool
    device_class: str
    path: tuple[str, ...]
    on: Any
    off: Any


def source_of(topic: str) -> str:
    return SOURCE


def is_description(topic: str) -> bool:
    return topic.endswith("/config") and topic.startswith("homeassistant/")


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    """A description, retained or not; else the state of a topic that descriptions named."""
    if is_description(message.topic):
        return _described(message, memory, now)
    if message.retained:
        return leftover(None, memory)
    entities = [told.value for name, told in memory.told.items() if name.startswith(f"{message.topic}\n")]
    if not entities:
        notes = Notes(None, memory, now)
        notes.alive = False
        notes.named(NonEvent.UNRELATED)
        return one(notes)
    return _states(message, entities, memory, now)


def _described(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    notes = Notes(None, Memory(memory.told, memory.call_button, MOST_ENTITIES), now)
    notes.alive = False
    try:
        content = opened(message)
    except Refused as refused:
        notes.refused(f"the description cannot be read: {refused.detail}")
        return one(notes)
    notes.named(NonEvent.CONFIGURATION)
    if isinstance(content, dict):
        notes.device = _device(content)
        _remember(notes, message.topic, content)
    return one(notes)


def _remember(notes: Notes, topic: str, content: Mapping[str, Any]) -> None:
    state_topic = content.get("state_topic", content.get("stat_t"))
    device_class = content.get("device_class", content.get("dev_cla"))
    if not isinstance(state_topic, str) or not isinstance(device_class, str):
        return
    template = str(content.get("value_template", content.get("val_tpl", "{{ value }}")))
    match = _TEMPLATE.fullmatch(template.strip())
    if match is None:
        notes.refused("the description computes its value in a template; only a plain member is read")
        return
    path = tuple(dotted or quoted for dotted, quoted in _MEMBER.findall(match[1] or ""))
    binary = topic.split("/")[1] == "binary_sensor"
    on = content.get("payload_on", content.get("pl_on", "ON"))
    off = content.get("payload_off", content.get("pl_off", "OFF"))
    notes.remember(f"{state_topic}\n{topic}", Entity(notes.device or topic, binary, device_class, path, on, off))


def _device(content: Mapping[str, Any]) -> str | None:
    device = content.get("device", content.get("dev"))
    identifiers = device.get("identifiers", device.get("ids")) if isinstance(device, dict) else None
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    return first if isinstance(first, str) else None


def _states(message: BusMessage, entities: list[Entity], memory: Memory, now: datetime) -> Decoded:
    heard = []
    for device in dict.fromkeys(entity.device for entity in entities):
        notes = Notes(device, memory, now, cached=True)
        try:
            content = opened(message)
        except Refused as refused:
            unreadable(notes, message.payload, refused.detail)
        else:
            _told_of(notes, content, [entity for entity in entities if entity.device == device])
        heard.append(notes.heard())
        memory = notes.memory
    return Decoded(tuple(heard), memory)


def _told_of(notes: Notes, content: Any, entities: list[Entity]) -> None:
    for entity, raw in _values(content, entities):
        notes.part = f"{notes.device}/{'.'.join(entity.path)}/"
        if not entity.binary:
            if entity.device_class in _MEASURED:
                notes.measured(_MEASURED[entity.device_class], number(raw))
            continue
        on = _word(raw, entity)
        if on is None:
            notes.named(NonEvent.NO_READING)
        elif entity.device_class == "battery":
            if on:
                notes.low_battery()
        elif entity.device_class in _BINARY:
            kind, wrap = _BINARY[entity.device_class]
            notes.state(kind, wrap(on))


def _values(content: Any, entities: list[Entity]) -> Iterator[tuple[Entity, Any]]:
    """Each entity whose member is in the message and not null."""
    for entity in entities:
        raw = content
        for member in entity.path:
            raw = raw.get(member) if isinstance(raw, dict) else None
        if raw is not None:
            yield entity, raw


def _word(raw: Any, entity: Entity) -> bool | None:
    """Bridges write True, "True" and "true" for one thing."""
    if _same(raw, entity.on):
        return True
    return False if _same(raw, entity.off) else None


def _same(raw: Any, word: Any) -> bool:
    return str(raw).lower() == str(word).lower()
