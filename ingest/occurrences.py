"""What a batch tells the alert rules: accepted events that a rule reads, cries for help that were refused, floods."""

from collections.abc import Iterable

from alerts.intake import RULED_TYPES, Occurrence
from alerts.rules.device_flood import DEVICE_FLOOD
from core.contract.event import Cry, Event, Rejection
from core.contract.event_time import instant
from core.contract.keys import unique_key
from ingest.delivery import Outcome, Piece
from ingest.limits import FloodNews


def occurrences_of(pieces: Iterable[tuple[Piece, Outcome]]) -> list[Occurrence]:
    """In the order of receipt; a duplicate or an echo was told before."""
    found: list[Occurrence] = []
    for piece, outcome in pieces:
        if piece.delivery.floods and piece is piece.delivery.pieces[0]:
            found += [_flood(news) for news in piece.delivery.floods]
        content = piece.content
        if outcome is Outcome.ACCEPTED:
            if type(content) is Event and content.type.name in RULED_TYPES:
                found.append(_known(piece, content))
        elif outcome is Outcome.REJECTED and type(content) is Rejection:
            found += [_uncertain(piece, content, cry) for cry in content.cries]
    return found


def _flood(news: FloodNews) -> Occurrence:
    at = instant(news.at)
    return Occurrence(
        device_id=news.device_id,
        device_no=news.device_no,
        type=DEVICE_FLOOD,
        value=news.flooding,
        at=at,
        received_at=at,
        zone=None,
        key=unique_key(),
    )


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
