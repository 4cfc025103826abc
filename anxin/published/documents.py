"""Every published document by its path in the repository."""

import json
from importlib.metadata import version
from typing import Any

from anxin.published.asyncapi import asyncapi_document
from anxin.published.broker_files import broker_files
from anxin.published.live_schemas import alert_schema, client_schemas, live_schemas
from anxin.published.mqtt_schemas import mqtt_schemas
from anxin.published.pages import decisions_index, topics_page
from anxin.published.settings_page import env_example, settings_page
from api.openapi import openapi_document


def documents() -> dict[str, str]:
    """Text by path relative to the repository's root. Nothing in it depends on the machine or its environment."""
    found = {
        **broker_files(),
        "docs/topics.md": topics_page(),
        "docs/adr/README.md": decisions_index(),
        "docs/settings.md": settings_page(),
        ".env.example": env_example(),
        "docs/contract/asyncapi.json": _json(asyncapi_document(version("anxin"), live_schemas(), client_schemas())),
        "docs/contract/openapi.json": _json(openapi_document()),
    }
    schemas = {**mqtt_schemas(), "alert": alert_schema(), **live_schemas(), **client_schemas()}
    for name, schema in schemas.items():
        found[f"docs/contract/{name}.schema.json"] = _json(schema)
    return found


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=False) + "\n"
