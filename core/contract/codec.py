"""A payload of the alarm or telemetry topic to events and rejections. Pure, and never a traceback for any bytes."""

from typing import Any

from core.contract.event import UNREADABLE_ALARM, Cry, Decoded, Micros, Refused, Rejection, Stated
from core.contract.event_check import check_event
from core.contract.event_time import parse_time
from core.contract.json_text import parse_json
from core.domain.event_types import Lane

MAX_EVENTS = 1000
_UNREADABLE = "unreadable"


def decode(payload: bytes, lane: Lane, received: Micros) -> Decoded:
    """Every event of the message ends in exactly one of the two lists; one bad event never harms its neighbours.

    A message that cannot be read at all is one rejection with index None; on the alarm lane it carries a cry,
    because a truncated SOS must still reach a person.
    """
    try:
        sources, sent_at = open_message(payload)
    except Refused as refused:
        cries = [Cry(UNREADABLE_ALARM, received, clock_suspect=False)] if lane is Lane.ALARM else []
        return Decoded([], [Rejection(None, refused.reason, refused.detail, cries=cries)])
    decoded = Decoded([], [], sent_at)
    for index, source in enumerate(sources):
        decoded.add(check_event(source, index, lane, received, sent_at))
    return decoded


def open_message(payload: bytes) -> tuple[list[Any], Stated]:
    """(events, sent_at) of `{"sent_at"?, "events": […]}` or of one bare event, none of them checked.

    Raises Refused for what is no message.
    """
    message = parse_json(payload)
    if type(message) is not dict:
        raise Refused("malformed_json", "The message must be a JSON object.")
    if "events" not in message:
        return [message], None
    events = message["events"]
    if type(events) is not list:
        raise Refused("malformed_json", "events must be a JSON array.")
    if len(events) > MAX_EVENTS:
        raise Refused("too_many_events", f"The message has {len(events)} events; at most {MAX_EVENTS} are taken.")
    written = message.get("sent_at")
    if written is None:
        return events, None
    sent_at = parse_time(written)
    return events, _UNREADABLE if sent_at is None else sent_at
