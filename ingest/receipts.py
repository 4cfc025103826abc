"""The platform's own word to a device that asked for it: what was committed, never before it was. Pure."""

import json
from datetime import datetime

from core.contract.event import Rejection
from core.contract.topics import receipt_topic
from ingest.delivery import Delivery, Outcome


def wants_receipt(delivery: Delivery) -> bool | None:
    """None: nobody asked. False: asked for on a topic that is not the device's own, which is ignored and counted."""
    asked = delivery.message.response_topic
    if asked is None:
        return None
    return bool(delivery.device_id) and asked == receipt_topic(delivery.device_id)


def receipt_body(delivery: Delivery, at: datetime) -> bytes | None:
    """One receipt for all events of the message; None for a message that was ignored, which has none."""
    accepted, duplicate = len(delivery.readings) - delivery.repeated, delivery.repeated
    rejected = []
    for piece in delivery.pieces:
        if piece.outcome is Outcome.IGNORED:
            return None
        if type(piece.content) is Rejection:
            # Also when another worker, or an earlier copy, left the dead letter.
            rejected.append({"index": piece.content.index, "reason": piece.content.reason})
        elif piece.outcome is Outcome.DUPLICATE:
            duplicate += 1
        else:
            accepted += 1  # an echo, too: another worker stored it
    rejected.sort(key=lambda entry: -1 if entry["index"] is None else int(entry["index"]))
    body = {
        "accepted": accepted,
        "duplicate": duplicate,
        "rejected": rejected,
        "server_time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return json.dumps(body, separators=(",", ":")).encode()
