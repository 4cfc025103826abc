"""Shelly: first generation on `shellies/<id>/…`, later ones on `<id>/status/<component>`, `<id>/events/rpc`.

Source: the maker's API documentation ("Gen1 device API", "Gen2+ components and services", MQTT chapters). A status
holds components (`flood:0`, `devicepower:0`); `NotifyStatus` only what changed. A gas sensor measures methane: its
ppm are no carbon monoxide.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from gateway.decoders.heard import BusMessage, Decoded, Memory, NonEvent
from gateway.decoders.loose import available, boolean, leftover, number, told, when
from gateway.decoders.notes import Notes

Tell = Callable[[Notes, Any], None]
_GAS = {"mild": True, "heavy": True, "none": False}


def _flag(kind: str) -> Tell:
    def tell(notes: Notes, raw: Any) -> None:
        value = boolean(raw)
        if value is not None:
            notes.state(kind, {"open": value} if kind == "contact" else value)

    return tell


def _measured(kind: str) -> Tell:
    return lambda notes, raw: notes.measured(kind, number(raw))


def _gas(notes: Notes, raw: Any) -> None:
    alarm = _GAS.get(str(raw))
    if alarm is not None:
        notes.state("gas", alarm)
    elif raw == "test":
        notes.happened("self_test", {"ok": True})
    else:
        notes.named(NonEvent.NO_READING)


def _watt_hours(notes: Notes, raw: Any) -> None:
    total = number(raw)
    notes.measured("power_meter", None if total is None else round(total / 1000, 3))


def _inputs(notes: Notes, raw: Any) -> None:
    """`{"event": "S", "event_cnt": 3}`: the count is the same when the bridge repeats itself."""
    if not isinstance(raw, dict) or not raw.get("event"):
        return
    count = raw.get("event_cnt")
    if count is not None and notes.recall("event_cnt") == count:
        notes.named(NonEvent.REPEAT)
        return
    notes.remember("event_cnt", count)
    notes.pressed(str(raw["event"]), calls=str(notes.device).startswith("shellybutton"))


# First generation: the topic's levels after the id.
_GEN1: Mapping[str, Tell] = {
    "sensor/gas": _gas,
    "sensor/flood": _flag("water_leak"),
    "sensor/smoke": _flag("smoke"),
    "sensor/motion": _flag("motion"),
    "sensor/state": _flag("contact"),
    "sensor/vibration": lambda notes, raw: notes.happened("motion", True, suspect=True) if boolean(raw) else None,
    "sensor/battery": _measured("battery"),
    "sensor/temperature": _measured("temperature"),
    "sensor/humidity": _measured("humidity"),
    "sensor/lux": _measured("illuminance"),
    "input_event/0": _inputs,
}
# A component's kind and member, in any generation's status.
_MEMBERS: Mapping[tuple[str, str], Tell] = {
    ("gas_sensor", "alarm_state"): _gas,
    ("flood", "alarm"): _flag("water_leak"),
    ("smoke", "alarm"): _flag("smoke"),
    ("bthome_presence", "value"): _flag("presence"),
    ("temperature", "tC"): _measured("temperature"),
    ("humidity", "rh"): _measured("humidity"),
    ("illuminance", "lux"): _measured("illuminance"),
    ("bat", "value"): _measured("battery"),
    ("lux", "value"): _measured("illuminance"),
    # Shelly Motion has no components: an empty kind.
    ("", "motion"): _flag("motion"),
    ("", "lux"): _measured("illuminance"),
    ("", "bat"): _measured("battery"),
    ("sensor", "motion"): _flag("motion"),
    ("sensor", "state"): _flag("contact"),
}


def source_of(topic: str) -> str:
    """The device's id; for the first generation the level after `shellies`."""
    levels = topic.split("/")
    return levels[1] if levels[0] == "shellies" and len(levels) > 1 else levels[0]


def decode(message: BusMessage, memory: Memory, now: datetime) -> Decoded:
    device = source_of(message.topic)
    rest = message.topic.partition(f"{device}/")[2]
    notes = Notes(device, memory, now, cached=True)
    if rest == "online":
        return available(notes)
    if message.retained:
        return leftover(device, memory)
    return told(notes, message, partial(_tell, rest))


def _tell(rest: str, notes: Notes, content: Any) -> None:
    if rest in _GEN1:
        _GEN1[rest](notes, content)
    elif rest.startswith("status/") and isinstance(content, dict):
        _component(notes, rest.removeprefix("status/"), content)
    elif rest == "events/rpc" and isinstance(content, dict):
        _notification(notes, content)
    elif rest in ("status", "info", "rpc") and isinstance(content, dict):
        answer = content.get("result")
        _status(notes, answer if isinstance(answer, dict) else content)
    elif rest.startswith(("relay/", "roller/", "light/", "command")):
        notes.named(NonEvent.OUTPUT)
    elif rest == "announce":
        notes.named(NonEvent.CONFIGURATION)
    elif rest.startswith(("input", "longpush")):
        notes.named(NonEvent.INPUT)
    else:
        notes.named(NonEvent.UNRELATED)


def _notification(notes: Notes, content: Mapping[str, Any]) -> None:
    parameters = content.get("params")
    if not isinstance(parameters, dict):
        return
    notes.at(when(parameters.get("ts")))
    if content.get("method") == "NotifyEvent":
        events = parameters.get("events")
        for event in events if isinstance(events, list) else ():
            if isinstance(event, dict) and str(event.get("component", "")).startswith(("input", "bthomedevice")):
                _push(notes, event, calls=_is_button(str(notes.device), str(event["component"])))
    else:
        _status(notes, parameters)


def _is_button(device: str, component: str) -> bool:
    """A button of its own, or one that a gateway hears by Bluetooth; not a wall switch on an input."""
    return device.startswith("shellybutton") or component.startswith("bthomedevice")


def _push(notes: Notes, event: Mapping[str, Any], *, calls: bool) -> None:
    if str(event.get("event", "")).endswith("push"):
        notes.pressed(str(event["event"]), calls=calls)
    else:
        notes.named(NonEvent.REPEAT)


def _status(notes: Notes, status: Mapping[str, Any]) -> None:
    _component(notes, "", status)
    for name, component in status.items():
        if isinstance(component, dict):
            _component(notes, name, component)


def _component(notes: Notes, name: str, component: Mapping[str, Any]) -> None:
    kind, notes.part = name.partition(":")[0], f"{name}/"
    for member, value in component.items():
        tell = _MEMBERS.get((kind, member))
        if tell is not None and value is not None:
            tell(notes, value)
    energy, battery = component.get("aenergy"), component.get("battery")
    if isinstance(energy, dict):
        _watt_hours(notes, energy.get("total"))
    if isinstance(battery, dict):
        notes.measured("battery", number(battery.get("percent")))
    if kind in ("switch", "relay", "cover", "light") and notes.empty:
        notes.named(NonEvent.OUTPUT)
    notes.part = ""
