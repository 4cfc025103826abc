"""The single-event rules: which types they read, and one way to ask them all."""

from collections.abc import Callable, Mapping, Sequence

from alerts.model import Evidence
from alerts.occurrence import Occurrence
from alerts.rules.battery import battery
from alerts.rules.device_flood import DEVICE_FLOOD, device_flood
from alerts.rules.fall import elder_ok, fall, fall_suspected
from alerts.rules.finding import Finding, SingleEventRule, no_boost
from alerts.rules.hazards import hazard, several_devices
from alerts.rules.sos import pressed_often, sos
from alerts.rules.tamper import tamper
from alerts.rules.unreadable_alarm import UNREADABLE_ALARM, unreadable_alarm

RULES: Mapping[str, SingleEventRule] = {
    "sos": sos,
    "fall": fall,
    "fall_suspected": fall_suspected,
    "elder_ok": elder_ok,
    "smoke": hazard,
    "gas": hazard,
    "carbon_monoxide_alarm": hazard,
    "water_leak": hazard,
    "battery": battery,
    "tamper": tamper,
    DEVICE_FLOOD: device_flood,
    UNREADABLE_ALARM: unreadable_alarm,
}
RULED_TYPES = frozenset(RULES)

_BOOSTS: Mapping[str, Callable[[Sequence[Evidence]], bool]] = {
    "sos": pressed_often,
    "smoke": several_devices,
    "gas": several_devices,
    "carbon_monoxide_alarm": several_devices,
}


def find(occurrence: Occurrence) -> Finding | None:
    """What the rules say about one event. A type that no rule reads says nothing."""
    rule = RULES.get(occurrence.type)
    return None if rule is None else rule(occurrence)


def boosted(rule: str, evidence: Sequence[Evidence]) -> bool:
    """Whether this alert goes first among its equals."""
    return _BOOSTS.get(rule, no_boost)(evidence)
