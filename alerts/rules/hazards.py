"""Smoke, gas and carbon monoxide (domain §6.3 G, H, I) and water (J): the device has decided, the platform rings.

`false` means that the detector is back to normal. A fire has not gone out because smoke drifted off: people close P0.
"""

from collections.abc import Sequence

from alerts.model import Evidence
from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity

_SEVERITIES = {
    "smoke": Severity.P0,
    "gas": Severity.P0,
    "carbon_monoxide_alarm": Severity.P0,
    # P1 when somebody has been in that bathroom for 20 min (J1): needs history, so the engine's rules raise it.
    "water_leak": Severity.P2,
}


def hazard(occurrence: Occurrence) -> Finding | None:
    """Anything but a clean `false` is an alarm: one whose value cannot be read rings as well."""
    severity = _SEVERITIES.get(occurrence.type)
    if severity is None:
        return None
    if occurrence.value is False and not occurrence.uncertain:
        # Doubtful data never calms an emergency.
        return None if occurrence.suspect else Finding(occurrence.type, Effect.CLEAR)
    return Finding(occurrence.type, Effect.CRY, severity)


def several_devices(evidence: Sequence[Evidence]) -> bool:
    """Two detectors of one home agree (G2)."""
    return len({item["device_id"] for item in evidence if not item.get("cleared")}) > 1
