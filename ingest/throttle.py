"""Refuses what a device sends above its rate; alarms, and whatever else may call a person, pass."""

import logging

from core.contract.event import Event, Rejection
from core.contract.topics import Kind
from ingest.delivery import Delivery
from ingest.limits import RateLimits

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
    for piece in delivery.pieces:
        event = piece.content
        if type(event) is not Event or event.type.name in NEVER_LIMITED:
            continue
        assert piece.device_no is not None
        if not limits.allows(piece.device_no, piece.device_id, received):
            piece.content = Rejection(event.index, "rate_limited", _DETAIL, id=event.id, source=event.source)
