"""An alert as it stands, what happened to it, and the form in which the contract shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from alerts import catalogue
from alerts.sla import Clocks, LegClock
from alerts.vocabulary import HOLDER_LOST_AFTER, LIVE, ActorKind, EventKind, Severity, Status, SubjectKind

Evidence = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the alert. `last_seen_at` is the newest sign of life of that account's consoles, if it ever had one."""

    id: UUID
    name: str
    since: datetime
    last_seen_at: datetime | None = None

    def connected(self, now: datetime) -> bool:
        """Whoever just took an alert is there: the others' consoles must not show them as lost the same second."""
        return not self.lost(now)

    def lost(self, now: datetime) -> bool:
        """No console of the holder for 45 s; a holder who never had one is given 45 s to open it."""
        return now - max(self.since, self.last_seen_at or self.since) >= HOLDER_LOST_AFTER


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A responder (an account) or an external service (120, 119, 110) that was called out."""

    requested_at: datetime
    by: str
    responder_id: UUID | None = None
    service: str | None = None
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`seq` and `alert_no` are 0 until the database has numbered them."""

    id: UUID
    subject_kind: SubjectKind
    subject_id: str
    elder_id: UUID | None
    elder_ids: tuple[UUID, ...]
    centre_id: UUID
    region_code: str
    rule: str
    rule_version: int
    severity: Severity
    status: Status
    opened_at: datetime
    event_at: datetime
    last_pressed_at: datetime
    evidence: tuple[Evidence, ...]
    alert_no: int = 0
    version: int = 0
    seq: int = 0
    boost: bool = False
    presses: int = 1
    delayed: bool = False
    clock_suspect: bool = False
    test: bool = False
    location: Mapping[str, Any] | None = None
    owner: Owner | None = None
    escalation_level: int = 0
    clocks: Clocks = ()
    dispatches: tuple[Dispatch, ...] = ()
    parent_alert_id: UUID | None = None
    verified: str | None = None
    outcome: str | None = None
    close_code: str | None = None
    note: str | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    confirm_due_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def title(self) -> str:
        return catalogue.title(self.rule, "zh-CN")

    @property
    def uncertain(self) -> str | None:
        """Why the newest cry could not be read or attributed in full; None when it could."""
        cries = (item for item in reversed(self.evidence) if item["type"] != "elder_ok" and not item.get("cleared"))
        return next((item.get("uncertain") for item in cries), None)

    @property
    def delayed_s(self) -> int | None:
        return round((self.opened_at - self.event_at).total_seconds()) if self.delayed else None

    def reason(self, locale: str = "zh-CN") -> str:
        """One full sentence or more, for a person, without anybody's name."""
        facts = catalogue.Facts(
            rule=self.rule,
            status=self.status.value,
            severity=self.severity.value,
            presses=self.presses,
            boost=self.boost,
            delayed_s=self.delayed_s,
            clock_suspect=self.clock_suspect,
            evidence=self.evidence,
        )
        return catalogue.reason(facts, locale)


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What happened, who did it, and particulars for the timeline. `seq` is 0 until it is written."""

    type: EventKind
    at: datetime
    actor_kind: ActorKind
    actor_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An event and the alert as it stood right after it."""

    alert: Alert
    event: AlertEvent


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _when(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def clock_as_contract(clock: LegClock) -> dict[str, Any]:
    return {
        "leg": clock.leg.value,
        "target_s": clock.target_s,
        "due_at": rfc3339(clock.due_at),
        "done_at": _when(clock.done_at),
        "by": clock.by,
        "late": clock.late,
    }


def dispatch_as_contract(dispatch: Dispatch) -> dict[str, Any]:
    return {
        "responder_id": None if dispatch.responder_id is None else str(dispatch.responder_id),
        "service": dispatch.service,
        "requested_at": rfc3339(dispatch.requested_at),
        "by": dispatch.by,
        "arrived_at": _when(dispatch.arrived_at),
    }


def _owner_as_contract(owner: Owner | None, now: datetime) -> dict[str, Any] | None:
    if owner is None:
        return None
    since = rfc3339(owner.since)
    return {"id": str(owner.id), "name": owner.name, "since": since, "connected": owner.connected(now)}


def as_contract(alert: Alert, now: datetime) -> dict[str, Any]:
    """The contract's alert object (contract §2), JSON-ready, times RFC 3339 UTC. `now` decides `owner.connected`.

    More than the contract asks: title_en, reason_en, delayed_s, uncertain, dispatches, verified, outcome, resolved_at,
    closed_at, confirm_due_at.
    """
    return {
        "id": str(alert.id),
        "alert_no": alert.alert_no,
        "version": alert.version,
        "seq": alert.seq,
        "subject": {"kind": alert.subject_kind.value, "id": alert.subject_id},
        "elder_id": None if alert.elder_id is None else str(alert.elder_id),
        "centre_id": str(alert.centre_id),
        "rule": alert.rule,
        "rule_version": alert.rule_version,
        "severity": alert.severity.value,
        "boost": alert.boost,
        "status": alert.status.value,
        "title": alert.title,
        "reason": alert.reason(),
        "presses": alert.presses,
        "opened_at": rfc3339(alert.opened_at),
        "event_at": rfc3339(alert.event_at),
        "last_pressed_at": rfc3339(alert.last_pressed_at),
        "delayed": alert.delayed,
        "clock_suspect": alert.clock_suspect,
        "test": alert.test,
        "stored": True,
        "evidence": [dict(item) for item in alert.evidence],
        "location": None if alert.location is None else dict(alert.location),
        "owner": _owner_as_contract(alert.owner, now),
        "escalation_level": alert.escalation_level,
        "clocks": [clock_as_contract(clock) for clock in alert.clocks],
        "parent_alert_id": None if alert.parent_alert_id is None else str(alert.parent_alert_id),
        "group": None,
        "close_code": alert.close_code,
        "note": alert.note,
        **_beyond_the_contract(alert),
    }


def _beyond_the_contract(alert: Alert) -> dict[str, Any]:
    return {
        "title_en": catalogue.title(alert.rule, "en"),
        "reason_en": alert.reason("en"),
        "delayed_s": alert.delayed_s,
        "uncertain": alert.uncertain,
        "dispatches": [dispatch_as_contract(dispatch) for dispatch in alert.dispatches],
        "verified": alert.verified,
        "outcome": alert.outcome,
        "resolved_at": _when(alert.resolved_at),
        "closed_at": _when(alert.closed_at),
        "confirm_due_at": _when(alert.confirm_due_at),
    }
