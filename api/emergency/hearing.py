"""What rings in a message of the alarm lane: judged, keyed and attributed as ingest will do it, from memory. Pure, but
for the counter of nameless alarms."""

from collections.abc import Iterator
from dataclasses import dataclass

from alerts.fold import Hit
from alerts.intake import NOBODYS, subject_of
from alerts.occurrence import Occurrence
from alerts.rules import RULED_TYPES, find
from alerts.rules.finding import Effect
from core.contract.codec import decode
from core.contract.event import Cry, Event, Micros, Rejection
from core.contract.event_time import instant
from core.contract.keys import CopyCounter, counted_refusal_key, event_key, refused_key
from core.contract.topics import Kind, parse_topic
from core.contract.whose import attributed, owner_of, publisher_problem, refuse_whole
from core.domain.event_types import Lane
from registry.attribution import Attribution
from registry.scope_map import PlacedDevice, ScopeMap

# Which device, by which key, said what: the name of a cry here and in the detail of the stored alert event.
CryKey = tuple[str, str, str]

_RINGING = frozenset({Effect.CRY, Effect.STATE})


@dataclass(frozen=True, slots=True)
class Heard:
    """A cry and whom it is about. `key_scope`: the publishing device's number, under which its key is stored.

    `certain`: ingest names it by the very same key. An alarm without id and time is counted, and a device that is new
    here is judged otherwise there: such a cry is known again by its device (one of `devices`), type and time.
    """

    hit: Hit
    key_scope: int
    certain: bool
    devices: tuple[str, ...]

    @property
    def key(self) -> CryKey:
        occurrence = self.hit.occurrence
        return occurrence.device_id, occurrence.key.hex(), occurrence.type


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who published, when, and the message."""

    device_id: str
    entry: PlacedDevice | None
    received: Micros
    payload: bytes


def heard_in(topic: str, payload: bytes, received: Micros, places: ScopeMap, copies: CopyCounter) -> list[Heard]:
    """The cries of one message, in its order. Nothing before the map was loaded for the first time: nobody is known
    who could be told."""
    device_id, kind = parse_topic(topic) or ("", None)
    if kind is not Kind.ALARM or places.nobodys is None:
        return []
    sender = _Sender(device_id, places.get(device_id), received, payload)
    decoded = decode(payload, Lane.ALARM, received)
    if (problem := publisher_problem(sender.entry)) is not None:
        decoded = refuse_whole(decoded, *problem)
    found: list[Heard | None] = []
    for event in decoded.events:
        assert sender.entry is not None
        owner = owner_of(event, sender.entry, places.get)
        if isinstance(owner, Rejection):
            found += _refused(sender, owner, places, copies)
        else:
            found.append(_accepted(sender, event, owner, copies))
    for rejection in decoded.rejections:
        found += _refused(sender, rejection, places, copies)
    return [heard for heard in found if heard is not None]


def _accepted(sender: _Sender, event: Event, owner: PlacedDevice, copies: CopyCounter) -> Heard | None:
    key, counted = event_key(event, sender.device_id, sender.received, copies)  # counted even if it does not ring
    if event.type.name not in RULED_TYPES:
        return None
    occurrence = Occurrence(
        device_id=owner.id,
        device_no=owner.device_no,
        type=event.type.name,
        value=event.value,
        at=instant(event.at),
        received_at=instant(sender.received),
        zone=event.zone,
        key=key,
        suspect=event.suspect,
        clock_suspect=event.clock_suspect,
    )
    return _ringing(sender, occurrence, owner.place, certain=not counted)


def _refused(sender: _Sender, rejection: Rejection, places: ScopeMap, copies: CopyCounter) -> Iterator[Heard | None]:
    key = refused_key(sender.device_id, rejection)
    certain = key is not None and rejection.reason not in NOBODYS
    if key is None:
        key = counted_refusal_key(rejection, sender.device_id, sender.received, sender.payload, copies)
    for cry in rejection.cries:
        own = attributed(cry, sender.device_id, places.get)
        owner = places.get(own.device_id or sender.device_id)
        place = owner.place if owner is not None else places.nobodys
        assert place is not None
        yield _ringing(sender, _uncertain(sender, rejection, own, key), place, certain=certain)


def _uncertain(sender: _Sender, rejection: Rejection, cry: Cry, key: bytes) -> Occurrence:
    """Known to come from this hub or device; whose it is may not be."""
    publisher_no = sender.entry.device_no if sender.entry is not None else None
    return Occurrence(
        device_id=cry.device_id or sender.device_id,
        device_no=cry.device_no or publisher_no,
        type=cry.type,
        value=cry.value,
        at=instant(cry.at),
        received_at=instant(sender.received),
        zone=cry.zone,
        key=key,
        clock_suspect=cry.clock_suspect,
        uncertain=rejection.reason,
        claimed_device=cry.child,
    )


def _ringing(sender: _Sender, occurrence: Occurrence, place: Attribution, *, certain: bool) -> Heard | None:
    finding = find(occurrence)
    if finding is None or finding.effect not in _RINGING:
        return None
    scope = sender.entry.device_no if sender.entry is not None else 0
    hit = Hit(finding, occurrence, subject_of(place, finding, occurrence))
    devices = tuple(id for id in (occurrence.device_id, occurrence.claimed_device) if id)
    return Heard(hit, scope, certain, devices)
