"""The ready file of a running demo (contract 4), as far as simulators read it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError


class Account(BaseModel):
    model_config = ConfigDict(frozen=True)

    username: str
    password: str = Field(repr=False)


class SpareDevice(Account):
    id: str
    elder_id: str


class Ready(BaseModel):
    model_config = ConfigDict(frozen=True)

    api_url: str
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
