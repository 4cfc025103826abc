"""The ready file of a running demo (contract 4), as far as simulators read it."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError


class Account(BaseModel):
    model_config = ConfigDict(frozen=True)

    username: str
    password: str = Field(repr=False)


class SpareDevice(Account):
    id: str
    elder_id: str


def _live_url_of(found: dict[str, Any]) -> str:
    """Where a demo of an earlier version has it, whose ready file does not say."""
    return f"{str(found.get('api_url')).replace('http', 'ws', 1)}/api/v1/live"


class Ready(BaseModel):
    """`live_url`: of the live stream (contract §3)."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    live_url: str = Field(default_factory=_live_url_of)
    mqtt_host: str
    mqtt_port: int
    database_url: str = Field(repr=False)
    accounts: dict[str, Account]
    spare_device: SpareDevice


def read_ready(path: Path) -> Ready:
    """Raises ConfigurationError with one sentence."""
    try:
        return Ready.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigurationError(
            f"No running demo was found at {path}. Start one with: anxin demo, name its ready file with --ready-file "
            "(or ANXIN_READY_FILE), or name a broker and a device."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The ready file {path} can't be read: {error.strerror}.") from None
    except (ValidationError, ValueError):
        raise ConfigurationError(f"{path} is not a ready file of this version.") from None
