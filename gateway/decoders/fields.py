"""The field names that Zigbee2MQTT made common, and what each means in the contract.

Also for codecs of LoRaWAN servers and others that borrow the names. A field that is not in the table says nothing
of an elder: link quality, settings, firmware.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.decoders.heard import NonEvent
from gateway.decoders.loose import boolean, number
from gateway.decoders.notes import Notes

Tell = Callable[[Notes, Any], None]


def _state(kind: str, wrap: Callable[[bool], Any] = lambda value: value) -> Tell:
    def tell(notes: Notes, raw: Any) -> None:
        value = boolean(raw)
        if value is None:
            notes.refused(f"{kind} is neither true nor false")
        else:
            notes.state(kind, wrap(value))

    return tell


def _measured(kind: str) -> Tell:
    return lambda notes, raw: notes.measured(kind, number(raw))


def _carbon_monoxide(notes: Notes, raw: Any) -> None:
    """Some detectors say whether, others how much."""
    if isinstance(raw, bool) or (isinstance(raw, str) and boolean(raw) is not None):
        _state("carbon_monoxide_alarm")(notes, raw)
    else:
        notes.measured("carbon_monoxide", number(raw))


def _radar_fall(notes: Notes, raw: Any) -> None:
    """`fall_down_status` of Tuya radars: none, maybe_fall, fall. Falls are states here: told once until over."""
    notes.stands("fall", set_=raw == "fall")
    notes.stands("fall_suspected", set_=raw == "maybe_fall")


def _shaken(notes: Notes, raw: Any) -> None:
    """True as long as it shakes. The wardrobe or the bed moved; so does a washing machine's neighbour."""
    if boolean(raw) and not notes.recall("shaken"):
        notes.happened("motion", True, suspect=True)
    notes.remember("shaken", boolean(raw))


def _help(notes: Notes, raw: Any) -> None:
    notes.stands("sos", set_=boolean(raw) is True)


FIELDS: Mapping[str, Tell] = {
    "occupancy": _state("motion"),
    "motion": _state("motion"),
    "moving": _state("motion"),
    "presence": _state("presence"),
    "contact": _state("contact", lambda closed: {"open": not closed}),
    "smoke": _state("smoke"),
    "gas": _state("gas"),
    "water_leak": _state("water_leak"),
    "carbon_monoxide": _carbon_monoxide,
    "co": _carbon_monoxide,
    "tamper": _state("tamper"),
    "vibration": _shaken,
    "bed_occupancy": _state("bed", lambda occupied: {"occupied": occupied}),
    "temperature": _measured("temperature"),
    "humidity": _measured("humidity"),
    "illuminance": _measured("illuminance"),
    "illuminance_lux": _measured("illuminance"),
    "energy": _measured("power_meter"),
    "heart_rate": _measured("heart_rate"),
    "respiratory_rate": _measured("respiratory_rate"),
    "fall_down_status": _radar_fall,
    "sos": _help,
}


@dataclass(frozen=True, slots=True)
class Press:
    """`calls`: a button with this press is there to call for help unless the installer said otherwise."""

    calls: bool


_CALLS = Press(calls=True)
_SWITCHES = Press(calls=False)
_SENSOR_FELL = "drop"
_SHAKEN = frozenset({"vibration", "tilt", "shake", "slide", "flip90", "flip180"})
_LET_GO = ("release", "hold_release", "long_release")
_BUTTON_ONLY = frozenset(
    {"emergency", "sos", "panic", "help", "single", "double", "triple", "quadruple", "many", "hold", "long", "press"}
)


def press_of(action: str) -> Press | None:
    """What a press by this name is for; None for the end of a press. "1_single" is the first key of several."""
    name = action.lower().removeprefix("button_")
    if name.endswith(_LET_GO):
        return None
    return _CALLS if name in _BUTTON_ONLY else _SWITCHES


def tell_action(notes: Notes, raw: Any) -> None:
    """`action` (or `click`, as it was called): a press, a shake, or the sensor itself fallen off its door."""
    if not isinstance(raw, str) or not raw:
        return
    if raw == _SENSOR_FELL:
        notes.state("tamper", True)
    elif raw in _SHAKEN:
        # The wardrobe or the bed moved; so does a washing machine's neighbour.
        notes.happened("motion", True, suspect=True)
    elif (press := press_of(raw)) is not None:
        notes.pressed(raw, calls=press.calls)
    else:
        notes.named(NonEvent.REPEAT)


def tell_battery(notes: Notes, fields: Mapping[str, Any]) -> None:
    """`battery` in per cent and `battery_low`, which is believed when they disagree."""
    pct = number(fields.get("battery"))
    if boolean(fields.get("battery_low")) is True:
        notes.low_battery(pct if pct not in (-1, 255) else None)
    elif fields.get("battery") is not None:
        notes.measured("battery", pct)


def tell_fields(notes: Notes, fields: Mapping[str, Any]) -> None:
    """Every known field that is there and not null; missing and null ones were not measured, and change nothing."""
    for name, tell in FIELDS.items():
        if (raw := fields.get(name)) is not None:
            tell(notes, raw)
    tell_battery(notes, fields)
    for name in ("action", "click"):
        tell_action(notes, fields.get(name))
