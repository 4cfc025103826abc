"""Settings: declared once, bounded, units in the name, from the environment or from secret files.

Every component has a frozen model of its own derived from `Settings`; each field is `ANXIN_<FIELD>` in the
environment, and a secret may also come from the file that `ANXIN_<FIELD>_FILE` names. docs/settings.md lists them
all, and a test keeps it so.
"""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError

PREFIX = "ANXIN_"


class Settings(BaseSettings):
    """Base of every settings model. Use `load()`: it turns pydantic's report into one sentence a setting."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment. Raises ConfigurationError naming each wrong variable and what it must be."""
        given = {**_from_files(cls), **{k: v for k, v in overrides.items() if v is not None}}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError(_sentences(error)) from None


def _from_files(model: type[Settings]) -> dict[str, Any]:
    values = {}
    for name in model.model_fields:
        variable = f"{PREFIX}{name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if path is None:
            continue
        if variable in os.environ:
            raise ConfigurationError(f"{variable} and {variable}_FILE are both set; keep one of them.")
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{variable}_FILE names {path}, which can't be read: {error.strerror}.") from None
    return values


def _sentences(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        variable = PREFIX + "_".join(str(part) for part in problem["loc"]).upper()
        if problem["type"] == "missing":
            lines.append(f"{variable} is not set and has no default; see docs/settings.md.")
        else:
            lines.append(f"{variable}: {problem['msg']}.")
    return " ".join(lines)


class DatabaseSettings(Settings):
    """Where the data is."""

    database_url: SecretStr = Field(
        description="PostgreSQL URL of the TimescaleDB database.",
        examples=["postgresql://anxin@localhost:5432/anxin"],
    )
    database_pool_max_connections: int = Field(
        default=8, ge=2, le=100, description="Most connections one process opens."
    )
    database_timeout_seconds: float = Field(default=10, ge=1, le=120, description="Longest wait for a free connection.")


class BrokerSettings(Settings):
    """Where the broker is, and as whom the platform speaks to it."""

    mqtt_url: SecretStr = Field(
        description="Broker URL with the platform's user; mqtts:// for TLS.",
        examples=["mqtt://platform@localhost:1883"],
    )
    mqtt_ca_file: Path | None = Field(
        default=None, description="CA certificate that signed the broker's, for mqtts://."
    )
    mqtt_keep_alive_seconds: int = Field(
        default=15, ge=5, le=300, description="Silence after which the broker is pinged; twice it means a dead link."
    )


class LogSettings(Settings):
    """How a process reports."""

    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is written."
    )
    log_format: str = Field(
        default="json", pattern="^(json|text)$", description="json for machines, text for a person at a terminal."
    )


class KeySettings(Settings):
    """The secrets that protect people's data. None has a default."""

    master_key: SecretStr = Field(
        min_length=43,
        description="32 random bytes, base64url: wraps every data key and derives the search and seal keys.",
    )
    master_key_id: str = Field(
        default="k1", pattern="^[a-z0-9]{1,16}$", description="Name of the master key, kept with each row it wraps."
    )
    token_secret: SecretStr = Field(min_length=32, description="Signs access tokens; at least 32 characters.")
