"""Every published document by its path in the repository."""

import json
from importlib.metadata import version
from typing import Any

from api.openapi import openapi_document

from anxin.published.asyncapi import asyncapi_document
from anxin.published.live_schemas import live_schemas
from anxin.published.mqtt_schemas import mqtt_schemas
from anxin.published.settings_page import env_example, settings_page


def documents() -> dict[str, str]:
    release = version("anxin")
    found = {
        "docs/settings.md": settings_page(),
        ".env.example": env_example(),
        "docs/contract/asyncapi.json": _json(asyncapi_document(release, live_schemas())),
        "docs/contract/openapi.json": _json(openapi_document()),
    }
    for name, schema in {**mqtt_schemas(), **live_schemas()}.items():
        found[f"docs/contract/{name}.schema.json"] = _json(schema)
    return found


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=False) + "\n"
