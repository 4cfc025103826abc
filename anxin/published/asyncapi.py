"""The AsyncAPI 3 document of the MQTT topics and the live stream."""

from typing import Any

from anxin.published.mqtt_schemas import mqtt_schemas

_DEVICE = {"device_id": {"description": "The publishing device's id, which is also its user name at the broker."}}

# (channel, topic, who sends, summary)
TOPICS = (
    ("alarm", "anxin/v1/{device_id}/up/alarm", "device", "Emergencies; QoS 1."),
    ("telemetry", "anxin/v1/{device_id}/up/telemetry", "device", "Every other event; QoS 0 or 1."),
    ("status", "anxin/v1/{device_id}/up/status", "device", "Birth and last will; QoS 1, not retained."),
    ("result", "anxin/v1/{device_id}/up/result", "device", "What became of a command; QoS 1."),
    ("command", "anxin/v1/{device_id}/down/command", "platform", "Commands to a device; QoS 1, never retained."),
    ("receipt", "anxin/v1/{device_id}/down/receipt", "platform", "What was stored of a message, after the commit."),
)
_CLOSE_CODES = (
    "Close codes: 4401 token, 4403 scope changed, 4408 no first message, 4429 too slow (reason: the seq to resume "
    "after), 1012 the server restarts, 1013 the database does not answer and this process has not seen the account."
)


def asyncapi_document(version: str, sent: dict[str, Any], received: dict[str, Any]) -> dict[str, Any]:
    """`sent` and `received`: JSON Schemas of the live stream's frames by name. The document speaks as the platform:
    it receives what devices publish and sends what they read."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, topic, sender, summary in TOPICS:
        message = {"$ref": f"#/components/messages/{name}"}
        channels[name] = {
            "address": topic,
            "servers": [{"$ref": "#/servers/broker"}],
            "parameters": _DEVICE,
            "messages": {name: message},
            "summary": summary,
        }
        operations[name] = _operation("receive" if sender == "device" else "send", name, [name])
    channels["live"] = {
        "address": "/api/v1/live",
        "servers": [{"$ref": "#/servers/api"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*sent, *received)},
        "summary": "Alerts as they change, gap-free, for one caller's scope (WebSocket).",
        "description": _CLOSE_CODES,
        "bindings": {"ws": {"method": "GET", "query": _AFTER, "bindingVersion": "0.1.0"}},
    }
    operations["live"] = _operation("send", "live", list(sent))
    operations["liveClient"] = _operation("receive", "live", list(received))
    schemas = {**mqtt_schemas(), **sent, **received}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Anxin devices and live stream",
            "version": version,
            "license": {"name": "Apache-2.0"},
            "description": "What devices publish and read over MQTT, and the stream of alerts for consoles.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "broker.example:8883",
                "protocol": "mqtts",
                "security": [{"$ref": _SECURITY + "device"}],
            },
            "api": {"host": "anxin.example", "protocol": "wss", "security": [{"$ref": _SECURITY + "bearer"}]},
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {name: {"name": name, "payload": {"$ref": f"#/components/schemas/{name}"}} for name in schemas},
            "schemas": {name: _embedded(schema, name) for name, schema in schemas.items()},
            "securitySchemes": {
                "device": {"type": "userPassword", "description": "User name = device id; password shown once."},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


_AFTER = {
    "type": "object",
    "properties": {"after": {"type": "integer", "minimum": 0, "description": "Resume after this seq."}},
}
_SECURITY = "#/components/securitySchemes/"


def _operation(action: str, channel: str, messages: list[str]) -> dict[str, Any]:
    base = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": base},
        "messages": [{"$ref": f"{base}/messages/{name}"} for name in messages],
    }


def _embedded(schema: Any, name: str) -> Any:
    """A schema whose own `#/$defs/…` references still lead somewhere once it stands inside the document."""
    if isinstance(schema, dict):
        return {
            key: f"#/components/schemas/{name}{value[1:]}"
            if key == "$ref" and isinstance(value, str) and value.startswith("#/$defs/")
            else _embedded(value, name)
            for key, value in schema.items()
            if key != "$schema"
        }
    return [_embedded(item, name) for item in schema] if isinstance(schema, list) else schema
