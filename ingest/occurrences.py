"""What a batch tells the alert rules: accepted events that a rule reads, and cries for help that were refused."""

from collections.abc import Iterable

from alerts.intake import RULED_TYPES, Occurrence
from core.contract.event import Cry, Event, Rejection
from core.contract.event_time import instant
from ingest.delivery import Outcome, Piece


def occurrences_of(pieces: Iterable[tuple[Piece, Outcome]]) -> list[Occurrence]:
    """In the order of receipt; a duplicate or an echo was told before."""
    found: list[Occurrence] = []
    for piece, outcome in pieces:
        content = piece.content
        if outcome is Outcome.ACCEPTED:
            if type(content) is Event and content.type.name in RULED_TYPES:
                found.append(_known(piece, content))
        elif outcome is Outcome.REJECTED and type(content) is Rejection:
            found += [_uncertain(piece, content, cry) for cry in content.cries]
    return found


def _known(piece: Piece, event: Event) -> Occurrence:
    assert piece.key is not None
    return Occurrence(
        device_id=piece.device_id,
        device_no=piece.device_no,
        type=event.type.name,
        value=event.value,
        at=instant(event.at),
        received_at=instant(piece.delivery.received),
        zone=event.zone,
        key=piece.key,
        suspect=event.suspect,
        clock_suspect=event.clock_suspect,
    )


def _uncertain(piece: Piece, rejection: Rejection, cry: Cry) -> Occurrence:
    """Known to come from this hub or device; whose it is may not be."""
    delivery = piece.delivery
    publisher_no = delivery.entry.device_no if delivery.entry is not None else None
    return Occurrence(
        device_id=cry.device_id or delivery.device_id,
        device_no=cry.device_no or publisher_no,
        type=cry.type,
        value=cry.value,
        at=instant(cry.at),
        received_at=instant(delivery.received),
        zone=cry.zone,
        key=piece.key or b"",
        clock_suspect=cry.clock_suspect,
        uncertain=rejection.reason,
        claimed_device=cry.child,
    )
