"""Something came on the alarm topic that cannot be read: P1, because it may have been a cry for help."""

from alerts.occurrence import Occurrence
from alerts.rules.finding import Effect, Finding
from alerts.vocabulary import Severity

UNREADABLE_ALARM = "unreadable_alarm"


def unreadable_alarm(occurrence: Occurrence) -> Finding | None:
    """The occurrence's type is `unreadable_alarm`, its `uncertain` the reason code of the rejection."""
    if occurrence.type != UNREADABLE_ALARM:
        return None
    return Finding(UNREADABLE_ALARM, Effect.CRY, Severity.P1, about_device=True)
