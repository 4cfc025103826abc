"""A device that keeps sending more than its rate (domain §6.3 F5): P2. What it measures is refused meanwhile, so it may
protect nobody. Ingest says so itself; no device can, because the contract knows no such event."""

from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity

DEVICE_FLOOD = "device_flood"


def device_flood(occurrence: Occurrence) -> Finding | None:
    """True: it floods; false: it kept to its rate for a while."""
    if occurrence.type != DEVICE_FLOOD:
        return None
    effect = Effect.STATE if occurrence.value else Effect.CLEAR
    return Finding(DEVICE_FLOOD, effect, Severity.P2, about_device=True)
