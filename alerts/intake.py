"""From events to alerts, inside the transaction that stores the events.

Three round trips for a cry: whose it is, lock and read, write. docs/adr/0005-alert-sequence.md says why in this order.
A caller that pipelines its whole transaction takes them in its own (`Raising`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from alerts import ledger
from alerts.fold import Book, Hit, apply
from alerts.ledger import FallMoment, Loading, StoredAnswer, Writing
from alerts.model import AlertChange
from alerts.occurrence import Occurrence
from alerts.rules import RULED_TYPES, find
from alerts.rules.fall import FALL_RULES
from alerts.rules.finding import Effect, Finding
from alerts.rules.unreadable_alarm import UNREADABLE_ALARM
from alerts.signals import Subject
from alerts.vocabulary import SubjectKind
from core.store.pool import Connection
from registry.attribution import Attribution, attribute

__all__ = [
    "NOBODYS",
    "RULED_TYPES",
    "UNREADABLE_ALARM",
    "AlertChange",
    "Occurrence",
    "Raising",
    "hear",
    "moment_of",
    "raise_alerts",
    "subject_of",
]

# With these the device stands for nobody we know, whatever else is bound to the publisher.
NOBODYS = frozenset({"unknown_child", "unknown_device"})

Heard = tuple[Occurrence, Finding]


async def raise_alerts(conn: Connection, occurrences: Sequence[Occurrence], *, now: datetime) -> list[AlertChange]:
    """Open, press, clear or answer the alerts that these events are about; one alert_event for each change, in order.

    Must be the LAST database work of the caller's transaction, READ COMMITTED: it takes locks by subject and then the
    one counter, and readers are woken by its commit. The events themselves must be stored before, in the same
    transaction, so that a fall finds an answer that came first. Raises ConfigurationError when there is no centre.
    """
    heard = await _without_idle_clears(conn, hear(occurrences, now))
    if not heard:
        return []
    raising = Raising(heard, await attribute(conn, [moment_of(occurrence) for occurrence, _ in heard]), now)
    async with conn.pipeline():
        await raising.read(conn)
    with ledger.conflicts():
        await raising.write(conn)
        return await raising.changes()


def hear(occurrences: Sequence[Occurrence], now: datetime) -> list[Heard]:
    """What the rules find in them."""
    told = (replace(occurrence, told_at=now) for occurrence in occurrences)
    return [(occurrence, finding) for occurrence in told if (finding := find(occurrence)) is not None]


def moment_of(occurrence: Occurrence) -> tuple[str, datetime]:
    """What it is attributed by."""
    return occurrence.device_id, occurrence.at


class Raising:
    """`raise_alerts` in steps, for a caller that pipelines its transaction and waits for the answers between them."""

    def __init__(self, heard: Sequence[Heard], attributions: Sequence[Attribution], now: datetime) -> None:
        """`attributions` of the same events, in order."""
        self._hits = [
            Hit(finding, occurrence, subject_of(attribution, finding, occurrence))
            for (occurrence, finding), attribution in zip(heard, attributions, strict=True)
        ]
        self._now = now
        self._falls = [n for n, hit in enumerate(self._hits) if hit.finding.rule in FALL_RULES]
        self._loading: Loading | None = None
        self._writing: Writing | None = None

    async def read(self, conn: Connection) -> None:
        """First, in pipeline mode, after the events were sent: send the locks and what is asked behind them."""
        subjects = {(hit.subject.kind, hit.subject.id) for hit in self._hits}
        # A fall in a dwelling and an answer from a watch share the elder, not the subject.
        elders = {h.subject.elder_id for h in self._hits if h.subject.elder_id and not h.finding.about_device}
        moments = [_moment(self._hits[n]) for n in self._falls]
        self._loading = await ledger.send_lock_and_load(conn, sorted(subjects), sorted(elders), moments)

    async def write(self, conn: Connection) -> None:
        """Then, with the answers there: decide, and send what changes. Nothing but the COMMIT may follow."""
        assert self._loading is not None
        alerts, answers = await self._loading.fetch()
        for answer in answers:  # each fall gets the "I am fine" that was stored before it
            n = self._falls[answer.fall]
            self._hits[n] = replace(self._hits[n], answer=_occurrence(answer))
        if changes := apply(Book(alerts), self._hits, self._now):
            self._writing = await ledger.send_changes(conn, changes, self._now)

    async def changes(self) -> list[AlertChange]:
        """In the end: what was written, numbered."""
        return [] if self._writing is None else await self._writing.fetch()


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
