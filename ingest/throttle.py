"""Refuses what a device sends above its rate; alarms, and whatever else may call a person, pass."""

import logging
from collections.abc import Sequence

from core.contract.event import Event, Rejection
from core.contract.topics import Kind
from ingest.delivery import Delivery
from ingest.limits import RateLimits
from ingest.plain import pieces_of
from ingest.reading import Reading

log = logging.getLogger(__name__)

# Telemetry that may be a call for help: it is taken whatever else the device sends.
NEVER_LIMITED = frozenset({"fall_suspected", "elder_ok", "help_request"})
_DETAIL = "The device sent more than its rate; the rest of its events are taken."


def throttle(delivery: Delivery, limits: RateLimits) -> None:
    """Once a delivery, after it was admitted for good: each event takes a token of the device it is about."""
    received = delivery.received
    delivery.floods = limits.news(received)
    for flood in delivery.floods:
        if flood.first:
            log.warning(
                "a device keeps sending more than its rate",
                extra={"action": "ingest.flood", "device_id": flood.device_id},
            )
    if delivery.kind is not Kind.TELEMETRY:
        return
    if delivery.readings and (over := limits.refused(delivery.readings, received)):
        _refuse(delivery, over)
    for piece in delivery.pieces:
        event = piece.content
        if type(event) is not Event or event.type.name in NEVER_LIMITED:
            continue
        assert piece.device_no is not None
        if not limits.allows(piece.device_no, piece.device_id, received):
            piece.content = _rejection(event)


def _refuse(delivery: Delivery, over: Sequence[Reading]) -> None:
    refused = pieces_of(delivery, over)
    for piece in refused:
        assert type(piece.content) is Event
        piece.content, piece.key = _rejection(piece.content), None
    delivery.pieces += refused
    gone = {reading[0] for reading in over}
    delivery.readings = [reading for reading in delivery.readings if reading[0] not in gone]


def _rejection(event: Event) -> Rejection:
    return Rejection(event.index, "rate_limited", _DETAIL, id=event.id, source=event.source)
