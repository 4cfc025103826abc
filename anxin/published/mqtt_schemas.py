"""JSON Schemas (2020-12) of everything that travels over MQTT, made from the code's own tables."""

from typing import Any, get_args

from core.contract.codec import MAX_EVENTS
from core.contract.event import Reason
from core.domain.event_types import EVENT_TYPES, EventType, Lane

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TIME = {"type": "string", "format": "date-time"}

# The reason codes of receipts, in the contract's order (contract §1, Receipts).
REASONS = get_args(Reason)
COMMAND_TYPES = ("locate", "ring", "self_test", "measure", "configure", "say")

Schema = dict[str, Any]


def _titled(title: str, description: str, body: Schema) -> Schema:
    return {"$schema": DIALECT, "title": title, "description": description, **body}


def event_schema(event_type: EventType) -> Schema:
    """One event type as the contract's table has it."""
    properties: Schema = {
        "id": {"type": "string", "minLength": 1, "maxLength": 64, "description": "ULID or UUIDv7 preferred."},
        "at": {**TIME, "description": "RFC 3339 with an offset."},
        "type": {"const": event_type.name},
        "device": {"type": "string", "description": "A child registered under the publishing hub."},
        "quality": {"enum": ["good", "suspect"]},
        "zone": {"type": "string"},
    }
    required = ["type"]
    if event_type.shape is not None:
        properties["value"] = event_type.shape.json_schema()
        if event_type.unit:
            properties["value"]["description"] = f"unit: {event_type.unit}"
        if not event_type.value_optional:
            required.append("value")
    return {"title": event_type.name, "type": "object", "properties": properties, "required": required}


def message_schema(lane: Lane) -> Schema:
    """A message of one lane: a bare event, or up to 1,000 events with the time they were sent at."""
    events = [event_schema(event_type) for event_type in EVENT_TYPES if event_type.lane is lane]
    envelope = {
        "type": "object",
        "properties": {
            "sent_at": TIME,
            "events": {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": {"$ref": "#/$defs/event"}},
        },
        "required": ["events"],
    }
    body = {"anyOf": [envelope, {"$ref": "#/$defs/event"}], "$defs": {"event": {"oneOf": events}}}
    return _titled(f"{lane.value} message", "UTF-8 JSON, at most 256 KiB.", body)


def status_schema() -> Schema:
    properties = {"status": {"enum": ["online", "offline"]}, "session": {"type": "string"}, "at": TIME}
    body = {"type": "object", "properties": properties, "required": ["status"]}
    return _titled("status", "Birth message and last will; not retained.", body)


def command_schema() -> Schema:
    properties = {
        "id": {"type": "string"},
        "type": {"enum": list(COMMAND_TYPES)},
        "device": {"type": "string"},
        "params": {"type": "object"},
        "expires_at": TIME,
    }
    body = {"type": "object", "properties": properties, "required": ["id", "type", "params", "expires_at"]}
    return _titled("command", "Never retained; worthless after expires_at.", body)


def result_schema() -> Schema:
    properties = {
        "id": {"type": "string"},
        "outcome": {"enum": ["done", "refused", "failed"]},
        "detail": {"type": "string"},
        "at": TIME,
    }
    body = {"type": "object", "properties": properties, "required": ["id", "outcome", "at"]}
    return _titled("result", "What became of a command.", body)


def receipt_schema() -> Schema:
    rejected = {
        "type": "object",
        "properties": {
            "index": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
            "reason": {"enum": list(REASONS)},
        },
        "required": ["index", "reason"],
    }
    count = {"type": "integer", "minimum": 0}
    properties = {
        "accepted": count,
        "duplicate": count,
        "rejected": {"type": "array", "items": rejected},
        "server_time": TIME,
    }
    body = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return _titled("receipt", "Sent after the database commit to the publish's Response Topic.", body)


def mqtt_schemas() -> dict[str, Schema]:
    """Every schema by the name of its file (without `.schema.json`)."""
    return {
        "alarm": message_schema(Lane.ALARM),
        "telemetry": message_schema(Lane.TELEMETRY),
        "status": status_schema(),
        "command": command_schema(),
        "result": result_schema(),
        "receipt": receipt_schema(),
    }
