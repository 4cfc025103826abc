"""Alerts to and from the database: rows of table `alert`, written as one JSON array a statement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts.model import Alert, Dispatch, Owner, clock_as_contract, dispatch_as_contract
from alerts.sla import Leg, LegClock
from alerts.vocabulary import Severity, Status, SubjectKind

# Columns that hold the same word, number or time in the row and in the Alert.
_SAME = (
    "alert_no",
    "version",
    "seq",
    "subject_id",
    "elder_id",
    "centre_id",
    "region_code",
    "rule",
    "rule_version",
    "boost",
    "presses",
    "opened_at",
    "event_at",
    "last_pressed_at",
    "delayed",
    "clock_suspect",
    "test",
    "location",
    "escalation_level",
    "parent_alert_id",
    "verified",
    "outcome",
    "close_code",
    "note",
    "resolved_at",
    "closed_at",
    "confirm_due_at",
)


def alert_from_row(row: Mapping[str, Any]) -> Alert:
    """A row of `alert` with owner_name and owner_seen_at of its holder."""
    return Alert(
        id=row["id"],
        subject_kind=SubjectKind(row["subject_kind"]),
        severity=Severity(row["severity"]),
        status=Status(row["status"]),
        elder_ids=tuple(row["elder_ids"]),
        evidence=tuple(row["evidence"]),
        owner=_owner(row),
        clocks=tuple(map(_clock, row["clocks"])),
        dispatches=tuple(map(_dispatch, row["dispatches"])),
        **{name: row[name] for name in _SAME},
    )


def alert_to_row(alert: Alert) -> dict[str, Any]:
    """JSON-ready; times keep their microseconds, unlike in the contract's form."""
    row = {name: _plain(getattr(alert, name)) for name in _SAME}
    return row | {
        "id": str(alert.id),
        "subject_kind": alert.subject_kind.value,
        "severity": alert.severity.value,
        "status": alert.status.value,
        "title": alert.title,
        "reason": alert.reason(),
        "elder_ids": [str(elder) for elder in alert.elder_ids],
        "evidence": [dict(item) for item in alert.evidence],
        "owner_id": None if alert.owner is None else str(alert.owner.id),
        "owner_since": None if alert.owner is None else alert.owner.since.isoformat(),
        "clocks": [clock_as_contract(clock) for clock in alert.clocks],
        "dispatches": [dispatch_as_contract(dispatch) for dispatch in alert.dispatches],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else value


def _owner(row: Mapping[str, Any]) -> Owner | None:
    if row["owner_id"] is None:
        return None
    return Owner(row["owner_id"], row["owner_name"], row["owner_since"], row["owner_seen_at"])


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _clock(stored: Mapping[str, Any]) -> LegClock:
    return LegClock(
        leg=Leg(stored["leg"]),
        target_s=stored["target_s"],
        due_at=datetime.fromisoformat(stored["due_at"]),
        done_at=_time(stored["done_at"]),
        by=stored["by"],
        late=stored["late"],
    )


def _dispatch(stored: Mapping[str, Any]) -> Dispatch:
    return Dispatch(
        requested_at=datetime.fromisoformat(stored["requested_at"]),
        by=stored["by"],
        responder_id=None if stored["responder_id"] is None else UUID(stored["responder_id"]),
        service=stored["service"],
        arrived_at=_time(stored["arrived_at"]),
    )
