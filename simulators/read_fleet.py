"""Reading a fleet file (core/domain/fleet.py)."""

import json
from pathlib import Path

from pydantic import ValidationError

from core.domain.fleet import Fleet
from core.errors import ConfigurationError


def read_fleet(path: Path) -> Fleet:
    """Raises ConfigurationError with one sentence."""
    try:
        return Fleet.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"The fleet file {path} can't be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path} is not a fleet file: {place}: {first['msg']}.") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not a fleet file: {error}.") from None
