"""OwnTracks: phones that report where they are, `owntracks/<user>/<device>`, JSON with `_type`.

Source: the project's booklet, "JSON payloads". `tst` is the time of the fix, which may be hours old when a phone
catches up; `batt` is absent or negative where the phone does not know.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import leftover, number, told, when
from gateway.decoders.notes import Notes

_TYPES = {
    "transition": NonEvent.OWN_RULE,
    "waypoint": NonEvent.CONFIGURATION,
    "waypoints": NonEvent.CONFIGURATION,
    "configuration": NonEvent.CONFIGURATION,
    "card": NonEvent.CONFIGURATION,
    "status": NonEvent.CONFIGURATION,
    "cmd": NonEvent.ACKNOWLEDGEMENT,
    "request": NonEvent.ACKNOWLEDGEMENT,
    "lwt": NonEvent.AVAILABILITY,
    "beacon": NonEvent.NETWORK,
    "steps": NonEvent.UNRELATED,  # a count between two times, not since midnight
}


def source_of(topic: str) -> str:
    """user/device"""
    return "/".join(topic.split("/")[1:3])


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    device = source_of(message.topic)
    if message.retained:
        return leftover(device, memory)
    notes = Notes(device, memory, now)
    return told(notes, message, _tell)


def _tell(notes: Notes, content: Any) -> None:
    if not isinstance(content, dict):
        notes.refused("an OwnTracks message is an object with _type")
        return
    kind = content.get("_type")
    if kind == "location":
        _location(notes, content)
    elif kind == "encrypted":
        notes.refused("the phone encrypts its messages: give it no secret for this bus, the line is encrypted already")
    elif isinstance(kind, str) and kind in _TYPES:
        notes.alive = kind not in ("lwt", "cmd", "request")
        notes.named(_TYPES[kind])
    else:
        notes.refused("there is no OwnTracks message of this _type")


def _location(notes: Notes, content: Mapping[str, Any]) -> None:
    lat, lng = number(content.get("lat")), number(content.get("lon"))
    notes.at(when(content.get("tst")), stored=True)  # a phone knows the time; an old fix stays old
    if lat is None or lng is None:
        notes.named(NonEvent.STALE_FIX)
    else:
        accuracy = number(content.get("acc"))
        notes.position(lat, lng, valid=True, accuracy_m=accuracy if accuracy and accuracy > 0 else None)
    if content.get("batt") is not None:
        notes.measured("battery", number(content["batt"]))
