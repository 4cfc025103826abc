"""ChirpStack: a LoRaWAN server's events on `application/<id>/device/<EUI>/event/<kind>`.

Source: the project's documentation, "Event types" (version 4, JSON). Payloads on Milesight's port are read here; for
other makers' devices the server's own codec fills `object`, whose field names are those of `fields.py` or refused.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from gateway.decoders import milesight
from gateway.decoders.fields import tell_fields
from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import leftover, number, told, when
from gateway.decoders.notes import Notes

_KINDS = {
    "join": NonEvent.LOGIN,
    "ack": NonEvent.ACKNOWLEDGEMENT,
    "txack": NonEvent.ACKNOWLEDGEMENT,
    "log": NonEvent.AVAILABILITY,
    "integration": NonEvent.UNRELATED,
}
# The server speaks of the device; the device itself said nothing.
_NOT_OF_THE_DEVICE = frozenset({"txack", "log", "integration", "location"})
_FRACTION = re.compile(r"(\.\d{6})\d+")


def source_of(topic: str) -> str:
    """The device's EUI."""
    levels = topic.split("/")
    return levels[3] if len(levels) > 3 else topic


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    device, kind = source_of(message.topic), message.topic.rpartition("/")[2]
    if message.retained:
        return leftover(device, memory)
    notes = Notes(device, memory, now, seldom=True)
    notes.alive = kind not in _NOT_OF_THE_DEVICE
    return told(notes, message, partial(_tell, kind))


def _tell(kind: str, notes: Notes, content: Any) -> None:
    if not isinstance(content, dict):
        notes.refused("a ChirpStack event is an object")
        return
    handed_over = content.get("deduplicationId")
    if handed_over is not None and notes.recall(f"id of {kind}") == handed_over:
        notes.named(NonEvent.RESENT)
        return
    notes.remember(f"id of {kind}", handed_over)
    notes.at(when(_FRACTION.sub(r"\1", str(content.get("time")))))
    if kind in _KINDS:
        notes.named(_KINDS[kind])
    elif kind == "up":
        _uplink(notes, content)
    elif kind == "status":
        known = not content.get("batteryLevelUnavailable") and not content.get("externalPowerSource")
        notes.measured("battery", number(content.get("batteryLevel")) if known else None)
    elif kind == "location":
        _location(notes, content.get("location"))
    else:
        notes.refused("ChirpStack has no event of this kind")


def _uplink(notes: Notes, content: Mapping[str, Any]) -> None:
    port, decoded = content.get("fPort"), content.get("object")
    try:
        payload = base64.b64decode(content.get("data") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        notes.refused("the uplink's data is not base64")
        return
    if port == milesight.PORT and payload:
        milesight.tell_payload(notes, model_of(content.get("deviceInfo")), payload)
    elif isinstance(decoded, dict) and decoded:
        tell_fields(notes, decoded)
    elif payload:
        notes.named(NonEvent.HEARTBEAT)
        notes.refused("no decoder reads this device's payload: give its profile in ChirpStack a codec")


def _location(notes: Notes, place: Any) -> None:
    """Where the server reckons the device to be, by its gateways."""
    place = place if isinstance(place, dict) else {}
    lat, lng = number(place.get("latitude")), number(place.get("longitude"))
    if lat is None or lng is None:
        notes.named(NonEvent.STALE_FIX)
    else:
        accuracy = number(place.get("accuracy"))
        notes.position(lat, lng, valid=True, accuracy_m=accuracy or None, source="lorawan")


def model_of(info: Any) -> str | None:
    """The Milesight model named in the device profile, the device's tags or its name."""
    if not isinstance(info, dict):
        return None
    tags = info.get("tags")
    texts = [info.get("deviceProfileName"), *(tags.values() if isinstance(tags, dict) else ()), info.get("deviceName")]
    names = " ".join(text.lower() for text in texts if isinstance(text, str))
    return next((model for model in milesight.MODELS if model in names), None)
