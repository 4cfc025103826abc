"""From events to alerts, inside the transaction that stores the events.

Three round trips for a cry: whose it is, lock and read, write. docs/adr/0005-alert-sequence.md says why in this order.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from alerts import ledger
from alerts.fold import Book, Hit, apply
from alerts.ledger import FallMoment, StoredAnswer
from alerts.model import Alert, AlertChange
from alerts.occurrence import Occurrence
from alerts.rules import RULED_TYPES, find
from alerts.rules.fall import FALL_RULES
from alerts.rules.finding import Effect, Finding
from alerts.rules.unreadable_alarm import UNREADABLE_ALARM
from alerts.signals import Subject
from alerts.vocabulary import SubjectKind
from core.store.pool import Connection
from registry.attribution import Attribution, attribute

__all__ = ["NOBODYS", "RULED_TYPES", "UNREADABLE_ALARM", "AlertChange", "Occurrence", "raise_alerts", "subject_of"]

# With these the device stands for nobody we know, whatever else is bound to the publisher.
NOBODYS = frozenset({"unknown_child", "unknown_device"})

Heard = tuple[Occurrence, Finding]


async def raise_alerts(conn: Connection, occurrences: Sequence[Occurrence], *, now: datetime) -> list[AlertChange]:
    """Open, press, clear or answer the alerts that these events are about; one alert_event for each change, in order.

    Must be the LAST database work of the caller's transaction, READ COMMITTED: it takes locks by subject and then the
    one counter, and readers are woken by its commit. The events themselves must be stored before, in the same
    transaction, so that a fall finds an answer that came first. Raises ConfigurationError when there is no centre.
    """
    told = (replace(occurrence, told_at=now) for occurrence in occurrences)
    heard = [(occurrence, finding) for occurrence in told if (finding := find(occurrence)) is not None]
    heard = await _without_idle_clears(conn, heard)
    if not heard:
        return []
    hits = await _attributed(conn, heard)
    alerts, hits = await _read(conn, hits)
    return await ledger.write_changes(conn, apply(Book(alerts), hits, now), now)


async def _without_idle_clears(conn: Connection, heard: list[Heard]) -> list[Heard]:
    """Drop "all is normal" of devices that have no live alert: most batteries say so all day."""
    idle = [(o.device_id, f.rule) for o, f in heard if _clears_a_device(f)]
    if not idle:
        return heard
    raised_now = {(o.device_id, f.rule) for o, f in heard if f.effect is Effect.STATE}
    live = await ledger.devices_with_live_state(conn, {d for d, _ in idle}, {r for _, r in idle})
    kept = live | raised_now
    return [(o, f) for o, f in heard if not _clears_a_device(f) or (o.device_id, f.rule) in kept]


def _clears_a_device(finding: Finding) -> bool:
    return finding.effect is Effect.CLEAR and finding.about_device


async def _attributed(conn: Connection, heard: Sequence[Heard]) -> list[Hit]:
    attributions = await attribute(conn, [(occurrence.device_id, occurrence.at) for occurrence, _ in heard])
    return [
        Hit(finding, occurrence, subject_of(attribution, finding, occurrence))
        for (occurrence, finding), attribution in zip(heard, attributions, strict=True)
    ]


def subject_of(attribution: Attribution, finding: Finding, occurrence: Occurrence) -> Subject:
    """Whom the alert is about. A cry of nobody we know is about the publishing device, in its place's centre, and no
    family is told: it may be somebody else's. A device's own state is about the device, but its elder's family sees it.
    """
    kind, id = SubjectKind(attribution.subject_kind), attribution.subject_id
    elder_id, elder_ids = attribution.elder_id, attribution.elder_ids
    if occurrence.uncertain in NOBODYS:
        kind, id, elder_id, elder_ids = SubjectKind.DEVICE, occurrence.device_id, None, ()
    elif finding.about_device:
        kind, id = SubjectKind.DEVICE, occurrence.device_id
    return Subject(kind, id, elder_id, elder_ids, attribution.centre_id, attribution.region_code)


async def _read(conn: Connection, hits: Sequence[Hit]) -> tuple[list[Alert], list[Hit]]:
    """Lock and load; then give each fall the "I am fine" that was stored before it."""
    subjects = {(hit.subject.kind, hit.subject.id) for hit in hits}
    # A fall in a dwelling and an answer from a watch share the elder, not the subject.
    elders = {h.subject.elder_id for h in hits if h.subject.elder_id and not h.finding.about_device}
    falls = [n for n, hit in enumerate(hits) if hit.finding.rule in FALL_RULES]
    moments = [_moment(hits[n]) for n in falls]
    alerts, answers = await ledger.lock_and_load(conn, sorted(subjects), sorted(elders), moments)
    answered = list(hits)
    for answer in answers:
        n = falls[answer.fall]
        answered[n] = replace(hits[n], answer=_occurrence(answer))
    return alerts, answered


def _moment(hit: Hit) -> FallMoment:
    subject = hit.subject
    dwelling = UUID(subject.id) if subject.kind is SubjectKind.DWELLING else None
    return FallMoment(subject.elder_id, dwelling, hit.occurrence.at)


def _occurrence(answer: StoredAnswer) -> Occurrence:
    return Occurrence(
        device_id=answer.device_id,
        device_no=answer.device_no,
        type="elder_ok",
        value=None,
        at=answer.at,
        received_at=answer.received_at,
        zone=None,
        key=answer.key,
    )
