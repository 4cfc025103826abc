"""The alert in the published documents, and what each action takes. Answers are not passed through these models (they
come JSON-ready from alerts/model.py); a test holds the two together.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from alerts.vocabulary import ActorKind, CallResult, Severity, Status, SubjectKind, Verdict


class Subject(BaseModel):
    """Whom or what the alert is about; unidentified cries have a device."""

    kind: SubjectKind
    id: str


class Owner(BaseModel):
    """Who holds the alert, and whether one of their consoles is connected."""

    id: UUID
    name: str
    since: datetime
    connected: bool


class LegClock(BaseModel):
    """One leg of the rescue against its target."""

    leg: str
    target_s: int
    due_at: datetime
    done_at: datetime | None
    by: str | None
    late: bool


class ElderLabel(BaseModel):
    """A person as an alert list may name them: masked, with the building and the number on the sticker."""

    id: UUID
    name_masked: str
    building: str | None
    elder_no: int


class DispatchRecord(BaseModel):
    """A responder or an outside service that was called out."""

    responder_id: UUID | None
    service: str | None
    requested_at: datetime
    by: str
    arrived_at: datetime | None


class AlertObject(BaseModel):
    """What people act on. `version` only grows; `seq` is its newest event's number on the live stream."""

    id: UUID
    alert_no: int
    version: int
    seq: int
    subject: Subject
    elder_id: UUID | None
    elder: ElderLabel | None = Field(description="Null when the elder is unknown or several people live there.")
    residents: list[ElderLabel] = Field(description="Who lives there, when the alert names no single elder.")
    centre_id: UUID
    rule: str
    rule_version: int
    severity: Severity
    boost: bool
    status: Status
    title: str
    reason: str
    title_en: str
    reason_en: str
    presses: int
    opened_at: datetime
    event_at: datetime
    last_pressed_at: datetime
    delayed: bool
    delayed_s: int | None
    clock_suspect: bool
    uncertain: str | None
    test: bool
    stored: bool
    evidence: list[dict[str, Any]]
    location: dict[str, Any] | None
    owner: Owner | None
    escalation_level: int
    clocks: list[LegClock]
    dispatches: list[DispatchRecord]
    verified: str | None
    outcome: str | None
    parent_alert_id: UUID | None
    group: dict[str, Any] | None
    close_code: str | None
    note: str | None
    resolved_at: datetime | None
    closed_at: datetime | None
    confirm_due_at: datetime | None


class TimelineActor(BaseModel):
    """Who did it. `name` is an account's, a seat's; devices and the platform itself have none."""

    kind: ActorKind
    id: str | None
    name: str | None


class TimelineEntry(BaseModel):
    """One event of an alert: what happened, when, by whom."""

    seq: int
    type: str
    at: datetime
    actor: TimelineActor
    detail: dict[str, Any]


class AlertWithTimeline(AlertObject):
    """One alert and everything that happened to it, oldest first."""

    timeline: list[TimelineEntry]


Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class _Body(BaseModel):
    """Fields we do not know are passed over: a newer console's extra field must not stop a rescue."""

    model_config = ConfigDict(extra="ignore")


class Nothing(_Body):
    """This action takes no body, or an empty object."""


class ReasonGiven(_Body):
    """Why, in words."""

    reason: Note | None = None


class CallMade(_Body):
    """A call that was made, and what came of it."""

    party: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    result: CallResult


class Verified(_Body):
    """Whether somebody is really in need. No answer counts as real."""

    result: Verdict


class DispatchOrder(_Body):
    """Exactly one of a responder's account and an outside service."""

    responder_id: UUID | None = None
    service: Literal["120", "119", "110"] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "DispatchOrder":
        if (self.responder_id is None) == (self.service is None):
            raise ValueError("name either a responder_id or a service")
        return self


class Arrival(_Body):
    """Proof of being there: a code, a photo's id, a position."""

    proof: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | dict[str, Any]


class Resolved(_Body):
    """How it ended."""

    outcome: Code
    note: Note | None = None


class Closing(_Body):
    """The last word. A false P0 is closed by somebody else than its holder."""

    code: Code
    note: Note
    reason: Note | None = None


class Reopening(_Body):
    """Why a closed alert is not over."""

    reason: Note


class NoteText(_Body):
    """Words for the timeline."""

    text: Note
