"""One decoded JSON value against the contract's table: an Event, or a Rejection that says why.

Members the contract does not know are ignored, `null` stands for an absent member, and a refused cry for help keeps
all that could be read of it.
"""

from typing import Any

from core.contract.event import UNREADABLE_ALARM, Cry, Event, Micros, Refused, Rejection, Stated
from core.contract.event_time import NEWEST, OLDEST, parse_time, time_in_id
from core.contract.json_text import storable, storable_text
from core.domain.event_types import CRIES_FOR_HELP, EVENT_TYPE_BY_NAME, EventType, Lane
from core.domain.values import Shape

MAX_ID_CHARS = 64
MAX_ZONE_CHARS = 64
_QUALITY = {None: False, "good": False, "suspect": True}


def check_event(source: Any, index: int, lane: Lane, received: Micros, sent_at: Stated) -> Event | Rejection:
    """`sent_at` is the message's."""
    try:
        return _event(source, index, lane, received, sent_at)
    except Refused as refused:
        return Rejection(
            index,
            refused.reason,
            refused.detail,
            id=_usable_id(source),
            source=source,
            cries=_cries(source, lane, received, sent_at),
        )


def _event(source: Any, index: int, lane: Lane, received: Micros, sent_at: Stated) -> Event:
    if type(source) is not dict:
        raise Refused("bad_value", "An event must be a JSON object.")
    get = source.get
    name = get("type")
    event_type = EVENT_TYPE_BY_NAME.get(name) if type(name) is str else None
    if event_type is None:
        raise Refused("unknown_type", f"There is no event type {_shown(name)}.")
    if event_type.lane is not lane:
        raise Refused("wrong_lane", f"{name} belongs on …/up/{event_type.lane}.")
    event_id = get("id")
    if event_id is not None:
        _check_text(event_id, "id", MAX_ID_CHARS)
    child = get("device")
    if child is not None and type(child) is not str:
        raise Refused("bad_value", "device must be a string.")
    zone = get("zone")
    if zone is not None:
        _check_text(zone, "zone", MAX_ZONE_CHARS)
    quality = get("quality")
    if quality is not None and (type(quality) is not str or quality not in _QUALITY):
        raise Refused("bad_value", 'quality must be "good" or "suspect".')
    shape, value = event_type.shape, get("value")
    if shape is None:
        value = None
    elif value is None or type(value) is dict or shape.check(value) is not None:
        value = _value(event_type, shape, value)
    at, stated_at, clock_suspect = _time(source, lane, received, sent_at)
    return Event(
        index, event_type, value, at, event_id, stated_at, child, _QUALITY[quality], clock_suspect, zone, source
    )


def _value(event_type: EventType, shape: Shape, value: Any) -> Any:
    """The value, or why it is refused. Numbers and words that are well do not come here."""
    if value is None:
        if event_type.value_optional:
            return None
        raise Refused("bad_value", f"{event_type.name} needs a value.")
    problem = shape.check(value)
    if problem == "out_of_range":
        raise Refused("out_of_range", f"The value of {event_type.name} is outside its range.")
    if problem is not None or (type(value) is dict and not storable(value)):
        raise Refused("bad_value", f"The value of {event_type.name} is not of its form.")
    if event_type.name == "position" and value["lat"] == 0 and value["lng"] == 0:
        raise Refused("out_of_range", "The position 0,0 means that there was no fix.")
    return value


def _time(source: Any, lane: Lane, received: Micros, sent_at: Stated) -> tuple[Micros, Stated, bool]:
    """(at, what the device stated, clock_suspect). An alarm always has a time; telemetry is refused a wrong one."""
    written = source.get("at")
    at: Micros | None = None
    stated_at: Stated = None
    if written is not None:
        at = parse_time(written)
        stated_at = at if at is not None else _shown(written)
    else:
        event_id = source.get("id")
        if type(event_id) is str:
            at = time_in_id(event_id)
        if at is None and sent_at is None:
            return received, None, False
        if at is None:
            at = sent_at if type(sent_at) is int else None
    if at is not None and -OLDEST <= at - received <= NEWEST:
        return at, stated_at, False
    if lane is Lane.ALARM:
        return received, stated_at, True
    if at is None:
        raise Refused("bad_value", "The time is not RFC 3339 with an offset.")
    raise Refused("time_out_of_range", "The time is more than 30 days before or 5 minutes after it was received.")


def _check_text(text: Any, name: str, longest: int) -> None:
    if type(text) is not str or not 1 <= len(text) <= longest or not storable_text(text):
        raise Refused("bad_value", f"{name} must be a string of 1 to {longest} characters.")


def _shown(value: Any) -> str:
    """A short, plain-ASCII form of anything, for a sentence."""
    return ascii(value)[:60] if type(value) in (str, int, float, bool, type(None)) else "of that kind"


def _usable_id(source: Any) -> str | None:
    event_id = source.get("id") if type(source) is dict else None
    usable = type(event_id) is str and 1 <= len(event_id) <= MAX_ID_CHARS and storable_text(event_id)
    return event_id if usable else None


def _cries(source: Any, lane: Lane, received: Micros, sent_at: Stated) -> list[Cry]:
    """A refused sos or fall rings on either lane; on the alarm lane so does what should have been an alarm.

    Telemetry that strayed onto the alarm topic is readable and no alarm: it stays quiet.
    """
    name = source.get("type") if type(source) is dict else None
    event_type = EVENT_TYPE_BY_NAME.get(name) if type(name) is str else None
    if event_type is not None and event_type.name in CRIES_FOR_HELP:
        return [cry_of(source, event_type.name, received, sent_at)]
    if lane is Lane.ALARM and (event_type is None or event_type.lane is Lane.ALARM):
        return [Cry(UNREADABLE_ALARM, received, clock_suspect=False)]
    return []


def cry_of(source: dict[str, Any], name: str, received: Micros, sent_at: Stated) -> Cry:
    at, _, clock_suspect = _time(source, Lane.ALARM, received, sent_at)
    value, zone, child = source.get("value"), source.get("zone"), source.get("device")
    return Cry(
        name,
        at,
        clock_suspect,
        value=value if type(value) is dict and storable(value) else None,
        zone=zone if type(zone) is str and len(zone) <= MAX_ZONE_CHARS and storable_text(zone) else None,
        child=child if type(child) is str and len(child) <= MAX_ID_CHARS and storable_text(child) else None,
    )
