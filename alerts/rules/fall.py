"""Falls (domain §6.3 B1, D1) and the elder's answer to them.

`fall` comes from a device whose own countdown is over: it rings at once. `fall_suspected` comes from a device without
a countdown: the platform waits 30 s for the answer. A low confidence lowers nothing: nobody has looked yet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.model import Evidence
from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import ELDER_OK_WINDOW, Severity

FALL_RULES = frozenset({"fall", "fall_suspected"})
# An answer that was buffered behind a late fall comes in the same flush: this much time is left for it.
LEAST_WAIT = timedelta(seconds=5)


def fall(occurrence: Occurrence) -> Finding | None:
    return Finding("fall", Effect.CRY, Severity.P0) if occurrence.type == "fall" else None


def fall_suspected(occurrence: Occurrence) -> Finding | None:
    if occurrence.type != "fall_suspected":
        return None
    return Finding("fall_suspected", Effect.CRY, Severity.P0, confirm_window=ELDER_OK_WINDOW)


def elder_ok(occurrence: Occurrence) -> Finding | None:
    """A doubtful or unreadable "I am fine" answers nothing."""
    if occurrence.type != "elder_ok" or occurrence.suspect or occurrence.uncertain:
        return None
    return Finding("elder_ok", Effect.ELDER_OK)


def confirm_due(event_at: datetime, received_at: datetime, window: timedelta) -> datetime:
    """When a fall that nobody answered rings: the window after the fall, but no later than the window after its
    receipt (a device's clock may run ahead) and not before a buffered answer had its chance."""
    return min(max(event_at + window, received_at + LEAST_WAIT), received_at + window)


def answers(evidence: Sequence[Evidence], ok_at: datetime) -> bool:
    """Whether "I am fine" of `ok_at` answers the newest fall: within 30 s after it, by the devices' times."""
    falls = [datetime.fromisoformat(item["at"]) for item in evidence if item["type"] in FALL_RULES]
    return bool(falls) and timedelta(0) <= ok_at - max(falls) <= ELDER_OK_WINDOW
