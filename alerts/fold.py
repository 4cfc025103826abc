"""Findings applied one after the other to the alerts of their subjects: pure, testable without a database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from alerts import signals
from alerts.model import Alert, AlertChange
from alerts.occurrence import Occurrence
from alerts.rules.fall import FALL_RULES
from alerts.rules.finding import Effect, Finding
from alerts.signals import Subject
from alerts.vocabulary import Status


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding, the event it came from and whom it is about. `answer` is a stored "I am fine" for this fall."""

    finding: Finding
    occurrence: Occurrence
    subject: Subject
    answer: Occurrence | None = None


class Book:
    """The unclosed alerts of some subjects, kept current while hits are applied; `changes` in order."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._alerts: dict[UUID, Alert] = {}
        self._by_key: dict[tuple[str, str, str], list[UUID]] = {}
        self.changes: list[AlertChange] = []
        for alert in alerts:
            self._put(alert)

    def live(self, subject: Subject, rule: str) -> Alert | None:
        return next((alert for alert in self._of(subject, rule) if alert.live), None)

    def newest_resolved(self, subject: Subject, rule: str) -> UUID | None:
        resolved = [alert for alert in self._of(subject, rule) if alert.status is Status.RESOLVED]
        return max(resolved, key=lambda alert: alert.opened_at).id if resolved else None

    def falls_answered_by(self, subject: Subject) -> list[Alert]:
        """Live falls that somebody at `subject` may answer: its own, and those of the very same elder."""
        own = [alert for rule in sorted(FALL_RULES) for alert in self._of(subject, rule)]
        elder = subject.elder_id
        same_elder = [a for a in self._alerts.values() if a.rule in FALL_RULES and elder and a.elder_id == elder]
        return [alert for alert in {alert.id: alert for alert in own + same_elder}.values() if alert.live]

    def note(self, change: AlertChange | None) -> None:
        if change is not None:
            self._put(change.alert)
            self.changes.append(change)

    def _put(self, alert: Alert) -> None:
        if alert.id not in self._alerts:
            self._by_key.setdefault((alert.subject_kind, alert.subject_id, alert.rule), []).append(alert.id)
        self._alerts[alert.id] = alert

    def _of(self, subject: Subject, rule: str) -> list[Alert]:
        return [self._alerts[id] for id in self._by_key.get((subject.kind, subject.id, rule), ())]


def apply(book: Book, hits: Sequence[Hit], now: datetime) -> list[AlertChange]:
    """Apply `hits` in event order, answers of elders last: an answer counts whichever of the two was stored first."""
    for hit in sorted(hits, key=lambda hit: (hit.finding.effect is Effect.ELDER_OK, hit.occurrence.at)):
        _apply_one(book, hit, now)
    return book.changes


def _apply_one(book: Book, hit: Hit, now: datetime) -> None:
    finding, occurrence = hit.finding, hit.occurrence
    if finding.effect is Effect.ELDER_OK:
        for fall in book.falls_answered_by(hit.subject):
            book.note(signals.elder_is_ok(fall, occurrence, now))
        return
    alert: Alert | None = book.live(hit.subject, finding.rule)
    if finding.effect is Effect.CLEAR:
        if alert is not None:
            book.note(signals.clear(alert, occurrence, now))
    elif alert is None:
        parent = book.newest_resolved(hit.subject, finding.rule)
        book.note(signals.open_(hit.subject, finding, occurrence, parent=parent, now=now))
    elif finding.effect is Effect.CRY:
        book.note(signals.press(alert, finding, occurrence, now))
    elif finding.severity.is_more_urgent_than(alert.severity):
        book.note(signals.upgrade(alert, finding, occurrence, now))
    if hit.answer is not None and (raised := book.live(hit.subject, finding.rule)) is not None:
        book.note(signals.elder_is_ok(raised, hit.answer, now))
