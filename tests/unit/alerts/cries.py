"""Events and subjects for the unit tests of alerts."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from alerts.fold import Book, Hit, apply
from alerts.model import Alert, AlertChange
from alerts.occurrence import Occurrence
from alerts.rules import find
from alerts.signals import Subject
from alerts.vocabulary import SubjectKind

NOON = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
CENTRE, ELDER, OTHER_ELDER = UUID(int=1), UUID(int=2), UUID(int=3)
MRS_LI = Subject(SubjectKind.ELDER, str(ELDER), ELDER, (ELDER,), CENTRE, "310101001001")
MR_LI = Subject(SubjectKind.ELDER, str(OTHER_ELDER), OTHER_ELDER, (OTHER_ELDER,), CENTRE, "310101001001")
HOME = Subject(SubjectKind.DWELLING, str(UUID(int=9)), None, (ELDER, OTHER_ELDER), CENTRE, "310101001001")
LONELY_HOME = Subject(SubjectKind.DWELLING, str(UUID(int=8)), ELDER, (ELDER,), CENTRE, "310101001001")


def event(
    kind: str, value: Any = None, *, at_s: float = 0, late_s: float = 0, device: str = "pendant-1", **more: Any
) -> Occurrence:
    """An event of `kind` at noon + at_s, received late_s after that."""
    at = NOON + timedelta(seconds=at_s)
    received = at + timedelta(seconds=late_s)
    return Occurrence(device, 1, kind, value, at, received, more.pop("zone", None), secrets.token_bytes(16), **more)


def told(occurrence: Occurrence, *, after_s: float) -> Occurrence:
    """Received in time, but told to the rules so much later: it was in a spool."""
    return replace(occurrence, told_at=occurrence.received_at + timedelta(seconds=after_s))


def hit(occurrence: Occurrence, subject: Subject = MRS_LI, answer: Occurrence | None = None) -> Hit:
    finding = find(occurrence)
    assert finding is not None
    return Hit(finding, occurrence, subject, answer)


class Home:
    """Alerts as they grow while things happen, one transaction a call."""

    def __init__(self) -> None:
        self.alerts: dict[UUID, Alert] = {}

    def happen(self, *hits: Hit) -> list[AlertChange]:
        now = max(each.occurrence.received_at for each in hits)
        changes = apply(Book(self.alerts.values()), hits, now)
        for change in changes:
            self.put(change.alert)
        return changes

    def put(self, alert: Alert) -> None:
        self.alerts[alert.id] = alert

    def hear(self, *occurrences: Occurrence, subject: Subject = MRS_LI) -> list[str]:
        """The kinds of event that these brought about; an event that no rule minds brings none."""
        return kinds(self.happen(*hits)) if (hits := [hit(o, subject) for o in occurrences if find(o)]) else []

    @property
    def only(self) -> Alert:
        [alert] = self.alerts.values()
        return alert


def kinds(changes: Sequence[AlertChange]) -> list[str]:
    return [change.event.type.value.removeprefix("alert.") for change in changes]
