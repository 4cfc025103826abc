"""The contract's table of event types (contract §1): one row here is the only place a type is defined.

The codec, the published JSON Schema, the simulators and the docs all read it.
"""

from dataclasses import dataclass
from enum import StrEnum

from core.domain.values import AnyOf, Boolean, Choice, Fields, Number, Shape, Text

_INT64 = 9.0e15  # counters: what a double still holds exactly


class Lane(StrEnum):
    """Transport, not severity: alarms have a topic of their own so that nothing queues before them."""

    ALARM = "alarm"
    TELEMETRY = "telemetry"


class Storage(StrEnum):
    """Which table a type ends in."""

    READING = "reading"
    EVENT = "event"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class EventType:
    """`metrics`: for readings, (metric name, member of the value or None for the value itself)."""

    name: str
    lane: Lane
    shape: Shape | None = None
    storage: Storage = Storage.EVENT
    metrics: tuple[tuple[str, str | None], ...] = ()
    unit: str = ""
    value_optional: bool = False


def _measured(name: str, unit: str, low: float, high: float, *, integer: bool = False) -> EventType:
    return EventType(name, Lane.TELEMETRY, Number(low, high, integer), Storage.READING, ((name, None),), unit)


def _said(name: str, shape: Shape | None = None, *, lane: Lane = Lane.TELEMETRY) -> EventType:
    return EventType(name, lane, shape)


_CONFIDENCE = Fields(optional=(("confidence", Number(0, 1)),))
_BLOOD_PRESSURE = Fields(
    required=(("systolic", Number(50, 280)), ("diastolic", Number(30, 180))),
    optional=(("pulse", Number(20, 250)),),
)
_FIX = Fields(
    required=(("lat", Number(-90, 90)), ("lng", Number(-180, 180))),
    optional=(("accuracy_m", Number(0, 1e6)), ("source", Text(32))),
)
_CODE = AnyOf((Boolean(), Fields(required=(("code", AnyOf((Text(64), Number(-_INT64, _INT64)))),))))

EVENT_TYPES: tuple[EventType, ...] = (
    _said("sos", lane=Lane.ALARM),
    _said("elder_ok"),
    _said("help_request"),
    EventType("fall", Lane.ALARM, _CONFIDENCE, value_optional=True),
    EventType("fall_suspected", Lane.TELEMETRY, _CONFIDENCE, value_optional=True),
    _said("smoke", Boolean(), lane=Lane.ALARM),
    _said("gas", Boolean(), lane=Lane.ALARM),
    _said("carbon_monoxide_alarm", Boolean(), lane=Lane.ALARM),
    _said("water_leak", Boolean(), lane=Lane.ALARM),
    _measured("carbon_monoxide", "ppm", 0, 2000),
    _measured("heart_rate", "bpm", 20, 250),
    _measured("spo2", "%", 51, 100),
    _measured("respiratory_rate", "/min", 2, 60),
    _measured("body_temperature", "°C", 25, 45),
    EventType(
        "blood_pressure",
        Lane.TELEMETRY,
        _BLOOD_PRESSURE,
        Storage.READING,
        (("systolic", "systolic"), ("diastolic", "diastolic"), ("pulse", "pulse")),
        "mmHg",
    ),
    _measured("glucose", "mmol/L", 0.5, 50),
    _measured("steps", "1", 0, 200_000, integer=True),
    _said("worn", Boolean()),
    EventType("position", Lane.TELEMETRY, _FIX, Storage.POSITION),
    _said("motion", Boolean()),
    _said("presence", AnyOf((Boolean(), Fields(required=(("count", Number(0, 100, integer=True)),))))),
    _said("contact", Fields(required=(("open", Boolean()),))),
    _said("bed", Fields(required=(("occupied", Boolean()),))),
    _said("posture", Choice(("lying", "sitting", "standing", "floor"))),
    _measured("temperature", "°C", -40, 85),
    _measured("humidity", "%", 0, 100),
    _measured("illuminance", "lx", 0, 200_000),
    _measured("water_meter", "m³", 0, _INT64),
    _measured("gas_meter", "m³", 0, _INT64),
    _measured("power_meter", "kWh", 0, _INT64),
    _said("medication", Fields(required=(("dose", Choice(("taken", "missed"))),), optional=(("slot", Text(32)),))),
    _measured("battery", "%", 0, 100),
    _said("mains", Boolean()),
    _said("tamper", _CODE),
    _said("fault", _CODE),
    _said("self_test", Fields(required=(("ok", Boolean()),))),
    _said("heartbeat"),
)

EVENT_TYPE_BY_NAME = {event_type.name: event_type for event_type in EVENT_TYPES}

# Types that must reach a person even when everything else about the event is wrong.
CRIES_FOR_HELP = frozenset({"sos", "fall"})
