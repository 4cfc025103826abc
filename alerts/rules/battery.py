"""Battery (domain §6.3 B7, M3): at most 20 % P3, at most 10 % P2, over again from 25 % on.

Between 20 and 25 % nothing changes (hysteresis), late and doubtful readings say nothing. The subject is the device:
an elder's watch must not be cleared by her freshly charged pendant.
"""

from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity

LOW_PCT = 20
VERY_LOW_PCT = 10
CLEAR_PCT = 25


def battery(occurrence: Occurrence) -> Finding | None:
    if occurrence.type != "battery" or occurrence.delayed or occurrence.suspect or occurrence.uncertain:
        return None
    charge = occurrence.value
    if charge <= VERY_LOW_PCT:
        return Finding("battery", Effect.STATE, Severity.P2, about_device=True)
    if charge <= LOW_PCT:
        return Finding("battery", Effect.STATE, Severity.P3, about_device=True)
    return Finding("battery", Effect.CLEAR, about_device=True) if charge >= CLEAR_PCT else None
