"""What devices, elders and the clock do to an alert: pure transitions. What people do is in lifecycle.py.

Each returns an AlertChange; the alert's version grows by one with every change, and nothing else changes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from alerts import catalogue
from alerts.model import Alert, AlertChange, AlertEvent, Evidence, rfc3339
from alerts.occurrence import Occurrence
from alerts.rules import boosted
from alerts.rules.fall import answers, confirm_due
from alerts.rules.finding import Finding
from alerts.sla import retarget, start_clocks
from alerts.vocabulary import ActorKind, CloseCode, EventKind, Severity, Status, SubjectKind
from core.domain.ids import new_id

# The first piece of evidence and the newest ones are kept; a stuck button must not grow the row without end.
EVIDENCE_KEPT = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an alert is about, and who may see it."""

    kind: SubjectKind
    id: str
    elder_id: UUID | None
    elder_ids: tuple[UUID, ...]
    centre_id: UUID
    region_code: str


def changed(alert: Alert, event: AlertEvent, **changes: Any) -> AlertChange:
    """The alert with `changes` and the next version, with the event that explains them."""
    return AlertChange(replace(alert, version=alert.version + 1, **changes), event)


def evidence_of(occurrence: Occurrence) -> Evidence:
    """The event as the alert keeps it; members that say nothing are left out."""
    told: dict[str, Any] = {
        "type": occurrence.type,
        "device_id": occurrence.device_id,
        # To the microsecond: which of two messages of a device is newer is decided by it.
        "at": occurrence.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "received_at": rfc3339(occurrence.received_at),
        "key": occurrence.key.hex(),
        "value": occurrence.value,
        "zone": occurrence.zone,
        "suspect": occurrence.suspect or None,
        "uncertain": occurrence.uncertain,
        "claimed_device": occurrence.claimed_device,
    }
    return {name: value for name, value in told.items() if value is not None}


def with_evidence(evidence: Sequence[Evidence], item: Evidence) -> tuple[Evidence, ...]:
    """Grown by `item`; beyond 20 the oldest goes that is neither the first nor the last word of its device."""
    grown = (*evidence, item)
    if len(grown) <= EVIDENCE_KEPT:
        return grown
    last_words = {each["device_id"]: n for n, each in enumerate(grown)}
    kept = {0, *last_words.values()}
    gone = next((n for n in range(len(grown)) if n not in kept), None)
    return tuple(each for n, each in enumerate(grown) if n != gone)


def open_(
    subject: Subject, finding: Finding, occurrence: Occurrence, *, parent: UUID | None, now: datetime
) -> AlertChange:
    """A new alert: open, or waiting for the elder's answer if the rule leaves time for one."""
    window = finding.confirm_window
    known = occurrence.known_at
    # The elder's answer may be in the next batch of the same spool: it gets its chance from now on.
    told = max(occurrence.told_at or known, known)
    pending = window is not None
    alert = Alert(
        id=new_id(now),
        subject_kind=subject.kind,
        subject_id=subject.id,
        elder_id=subject.elder_id,
        elder_ids=subject.elder_ids,
        centre_id=subject.centre_id,
        region_code=subject.region_code,
        rule=finding.rule,
        rule_version=finding.rule_version,
        severity=finding.severity,
        status=Status.PENDING_CONFIRM if pending else Status.OPEN,
        opened_at=known,
        event_at=occurrence.at,
        last_pressed_at=min(occurrence.at, occurrence.received_at),
        evidence=(evidence_of(occurrence),),
        delayed=occurrence.delayed,
        clock_suspect=occurrence.clock_suspect,
        location={"zone": occurrence.zone} if occurrence.zone else None,
        clocks=() if pending else start_clocks(finding.severity, known),
        parent_alert_id=parent,
        confirm_due_at=confirm_due(occurrence.at, told, window) if window is not None else None,
    )
    kind = EventKind.PENDING if pending else EventKind.OPENED
    return changed(alert, _from_device(kind, occurrence, now))


def press(alert: Alert, finding: Finding, occurrence: Occurrence, now: datetime) -> AlertChange:
    """The cry came again: it rings again, whoever holds the alert. A lowered severity comes back."""
    evidence = with_evidence(alert.evidence, evidence_of(occurrence))
    severity = finding.severity if finding.severity.is_more_urgent_than(alert.severity) else alert.severity
    clocks = alert.clocks
    if severity is not alert.severity:
        clocks = retarget(alert.clocks, severity, occurrence.known_at)
    return changed(
        alert,
        _from_device(EventKind.PRESSED, occurrence, now),
        presses=alert.presses + 1,
        last_pressed_at=max(alert.last_pressed_at, min(occurrence.at, occurrence.received_at)),
        evidence=evidence,
        severity=severity,
        clocks=clocks,
        boost=alert.boost or boosted(alert.rule, evidence),
        clock_suspect=alert.clock_suspect or occurrence.clock_suspect,
        note=None if severity is not alert.severity else alert.note,
        location={"zone": occurrence.zone} if occurrence.zone else alert.location,
    )


def upgrade(alert: Alert, finding: Finding, occurrence: Occurrence, now: datetime) -> AlertChange:
    """The state got worse: the alert rises to the finding's severity."""
    return changed(
        alert,
        _from_device(EventKind.UPGRADED, occurrence, now, {"from": alert.severity.value}),
        severity=finding.severity,
        clocks=retarget(alert.clocks, finding.severity, occurrence.known_at),
        evidence=with_evidence(alert.evidence, evidence_of(occurrence)),
    )


def clear(alert: Alert, occurrence: Occurrence, now: datetime) -> AlertChange | None:
    """The detector is back to normal. P2 and P3 that nobody holds close by themselves; everything else stays live and
    only says so. None when it is no news: the device never raised this alert, cleared before, or the message is not
    newer than its last word."""
    before = next((e for e in reversed(alert.evidence) if e["device_id"] == occurrence.device_id), None)
    if before is None or before.get("cleared") or occurrence.at <= datetime.fromisoformat(before["at"]):
        return None
    evidence = with_evidence(alert.evidence, {**evidence_of(occurrence), "cleared": True})
    if not (_all_cleared(evidence) and alert.status is Status.OPEN and alert.severity in _CLOSE_THEMSELVES):
        return changed(alert, _from_device(EventKind.CONDITION_CLEARED, occurrence, now), evidence=evidence)
    code = CloseCode.AUTO_CLEARED.value
    event = _from_device(EventKind.CLOSED, occurrence, now, {"code": code})
    return changed(alert, event, evidence=evidence, status=Status.CLOSED, close_code=code, closed_at=now)


def elder_is_ok(alert: Alert, occurrence: Occurrence, now: datetime) -> AlertChange | None:
    """The elder answered a fall. While nobody was called yet, that ends it; a fall that rings becomes a P2 that a
    person still calls back about and closes. None when it answers nothing new."""
    item = {**evidence_of(occurrence), "type": "elder_ok"}
    if not answers(alert.evidence, occurrence.at) or alert.evidence[-1].get("key") == item["key"]:
        return None
    evidence = with_evidence(alert.evidence, item)
    if alert.status is Status.PENDING_CONFIRM:
        code = CloseCode.CANCELLED_BY_ELDER.value
        event = _from_elder(EventKind.CLOSED, occurrence, now, {"code": code})
        ended = {"status": Status.CLOSED, "close_code": code, "closed_at": now, "confirm_due_at": None}
        return changed(alert, event, evidence=evidence, **ended)
    if alert.severity.is_more_urgent_than(Severity.P2):
        event = _from_elder(EventKind.DOWNGRADED, occurrence, now, {"from": alert.severity.value})
        return changed(
            alert,
            event,
            evidence=evidence,
            severity=Severity.P2,
            clocks=retarget(alert.clocks, Severity.P2, occurrence.known_at),
            note=catalogue.CALL_BACK_NOTE["zh-CN"],
        )
    return None


def unanswered(alert: Alert, now: datetime) -> AlertChange:
    """The time for the elder's answer ran out: the alert opens and rings."""
    assert alert.status is Status.PENDING_CONFIRM and alert.confirm_due_at is not None
    clocks = start_clocks(alert.severity, alert.confirm_due_at)
    event = AlertEvent(EventKind.OPENED, now, ActorKind.SYSTEM, detail={"unanswered": True})
    return changed(alert, event, status=Status.OPEN, clocks=clocks, confirm_due_at=None)


_CLOSE_THEMSELVES = frozenset({Severity.P2, Severity.P3})


def _all_cleared(evidence: Sequence[Evidence]) -> bool:
    """Whether the last word of every device is that all is normal."""
    last_words = {item["device_id"]: item for item in evidence}
    return all(item.get("cleared") for item in last_words.values())


def _told(occurrence: Occurrence) -> dict[str, Any]:
    """Which event it was, for the timeline and for whoever waits for this key."""
    return {
        "type": occurrence.type,
        "device_id": occurrence.device_id,
        "key": occurrence.key.hex(),
        "event_at": rfc3339(occurrence.at),
        "received_at": rfc3339(occurrence.received_at),
    }


def _from_device(
    kind: EventKind, occurrence: Occurrence, now: datetime, more: Mapping[str, Any] | None = None
) -> AlertEvent:
    detail = {**_told(occurrence), **(more or {})}
    return AlertEvent(kind, now, ActorKind.DEVICE, occurrence.device_id, detail)


def _from_elder(kind: EventKind, occurrence: Occurrence, now: datetime, more: Mapping[str, Any]) -> AlertEvent:
    return AlertEvent(kind, now, ActorKind.ELDER, occurrence.device_id, {**_told(occurrence), **more})
