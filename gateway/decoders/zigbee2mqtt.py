"""Zigbee2MQTT: `<base>/<friendly name>` with the device's whole cached state in every message.

Sources: the project's pages "MQTT topics and messages" and "Availability"; users' logs in its issues 189, 270, 391,
9846, 26639, 31727. Its habits: the old state is published before the new one, any report repeats all cached values,
one press comes as `action`, as `click` and on a topic of its own, old firmware writes numbers as text.
"""

from datetime import datetime
from functools import partial
from typing import Any

from gateway.decoders.fields import tell_action, tell_fields
from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import available, leftover, one, told, when
from gateway.decoders.notes import Notes

# What the bridge says about itself and its network, by the topic after `bridge/`.
_BRIDGE = {
    "state": NonEvent.AVAILABILITY,
    "event": NonEvent.AVAILABILITY,
    "logging": NonEvent.CONFIGURATION,
    "log": NonEvent.CONFIGURATION,
    "response": NonEvent.ACKNOWLEDGEMENT,
    "request": NonEvent.ACKNOWLEDGEMENT,
}
_TAILS = ("availability", "action", "click", "set", "get")


def source_of(topic: str) -> str:
    """The device's friendly name, which may hold spaces and slashes; the base topic is the first level."""
    _, _, rest = topic.partition("/")
    name, slash, tail = rest.rpartition("/")
    return name if slash and tail in _TAILS else rest


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    device = source_of(message.topic)
    notes = Notes(device, memory, now, cached=True)
    if device.split("/")[0] == "bridge":
        return _of_the_bridge(notes, device)
    tail = message.topic.rpartition("/")[2]
    if tail == "availability":
        return available(notes)
    if message.retained:
        return leftover(device, memory)
    if tail in ("set", "get"):
        notes.alive = False
        notes.named(NonEvent.ACKNOWLEDGEMENT)
        return one(notes)
    return told(notes, message, partial(_tell, tail))


def _tell(tail: str, notes: Notes, content: Any) -> None:
    if isinstance(content, dict):
        notes.at(when(content.get("last_seen")))
        tell_fields(notes, content)
    elif tail in ("action", "click"):
        tell_action(notes, content)
    elif content != "":
        notes.refused("a device's message is an object with its fields")


def _of_the_bridge(notes: Notes, topic: str) -> Decoded:
    notes.device, notes.alive = "bridge", False
    notes.named(_BRIDGE.get(topic.split("/")[1] if "/" in topic else "", NonEvent.CONFIGURATION))
    return one(notes)
