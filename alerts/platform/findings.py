"""From verdicts to what the fold applies to alerts. Pure.

One live alert a part and rule. A worse state upgrades it, a state that is well for a while clears it, and one that a
person ended stays quiet for some hours although nothing has changed: they know.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from alerts.fold import Book, Hit
from alerts.occurrence import Occurrence
from alerts.platform.checks import Verdict
from alerts.rules.finding import Effect, Finding
from alerts.signals import Subject
from alerts.vocabulary import Severity, SubjectKind

# (subject id, rule)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """When a person last ended an alert of this subject and rule, and how urgent it was."""

    at: datetime
    severity: Severity


def subject_id(component: str) -> str:
    return f"platform-{component}"


def key_of(verdict: Verdict) -> Key:
    return subject_id(verdict.component), verdict.rule


def well_since(
    verdicts: Iterable[Verdict], before: Mapping[Key, datetime], live: Collection[Key], now: datetime
) -> dict[Key, datetime]:
    """Since when each live alert's state is well. Of what nothing is known now, nothing is well."""
    judged = {key_of(verdict): verdict.severity is None for verdict in verdicts}
    return {key: before.get(key, now) for key in live if judged.get(key)}


def quiet(verdict: Verdict, ended: Mapping[Key, Ended], repeat: timedelta, now: datetime) -> bool:
    """Whether a person ended this very trouble a short while ago. A worse one rings."""
    last = ended.get(key_of(verdict))
    if last is None or verdict.severity is None or now - last.at > repeat:
        return False
    return not verdict.severity.is_more_urgent_than(last.severity)


def hits(troubles: Iterable[Verdict], settled: Iterable[Key], book: Book, place: Subject, now: datetime) -> list[Hit]:
    """`troubles` ring, `settled` states clear; what is no news is left out. `place` says whose alerts these are."""
    found = []
    for verdict in troubles:
        assert verdict.severity is not None
        subject = _subject(place, subject_id(verdict.component))
        alert = book.live(subject, verdict.rule)
        again = alert is not None and bool(alert.evidence[-1].get("cleared"))
        if alert is None or again or verdict.severity.is_more_urgent_than(alert.severity):
            # Well, and bad again before anybody closed it: it rings like a second press.
            effect = Effect.CRY if again else Effect.STATE
            finding = Finding(verdict.rule, effect, verdict.severity, about_device=True)
            found.append(Hit(finding, _occurrence(subject.id, verdict.rule, dict(verdict.value), now), subject))
    for id, rule in settled:
        subject = _subject(place, id)
        alert = book.live(subject, rule)
        if alert is not None and not alert.evidence[-1].get("cleared"):
            finding = Finding(rule, Effect.CLEAR, about_device=True)
            found.append(Hit(finding, _occurrence(id, rule, None, now), subject))
    return found


def _subject(place: Subject, id: str) -> Subject:
    return Subject(SubjectKind.DEVICE, id, None, (), place.centre_id, place.region_code)


def _occurrence(id: str, rule: str, value: object, now: datetime) -> Occurrence:
    key = blake2b(f"{id}:{rule}:{now.isoformat()}".encode(), digest_size=16).digest()
    return Occurrence(id, None, rule, value, at=now, received_at=now, zone=None, key=key)
