"""Tampering (domain §6.3 F5, G3): a device that was opened, moved or removed may protect nobody: P2."""

from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity


def tamper(occurrence: Occurrence) -> Finding | None:
    """`false` is over; `true` or a code is tampering. Late reports say nothing about now."""
    if occurrence.type != "tamper" or occurrence.delayed or occurrence.uncertain:
        return None
    if occurrence.value is False:
        return None if occurrence.suspect else Finding("tamper", Effect.CLEAR, about_device=True)
    return Finding("tamper", Effect.STATE, Severity.P2, about_device=True)
