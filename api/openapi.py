"""The OpenAPI 3.1 document without a running platform, for the published copy in docs/contract/."""

from typing import Any

from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings


def openapi_document() -> dict[str, Any]:
    """What a running API answers at /api/v1/openapi.json. Nothing is connected to: the settings name nowhere."""
    nowhere = ApiSettings(
        database_url=SecretStr("postgresql://nowhere.invalid/anxin"),
        mqtt_url=SecretStr("mqtt://nowhere.invalid"),
        master_key=SecretStr("0" * 43),
        token_secret=SecretStr("0" * 32),
    )
    return create_app(nowhere).openapi()
