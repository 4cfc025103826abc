"""Settings of the local servers: where their programs are kept and where they come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from core.runtime.settings import PREFIX, Settings


class StackSettings(Settings):
    """The local stack and the demo on it (docs/adr/0002-local-stack.md). Both have good answers of their own."""

    cache_dir: Path | None = Field(
        default=None,
        description="Folder for the unpacked server programs; not set: /var/cache/anxin for root, the user's own "
        "cache folder for others.",
    )
    debian_mirror: str = Field(
        default="",
        description="URI of a Debian archive this machine reaches, or two with a space between them (release, "
        "security); empty: what apt is configured with.",
    )

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As `environ` says, which need not be this process's own; an empty variable counts as not set."""
        given = {name: environ.get(f"{PREFIX}{name.upper()}") for name in cls.model_fields}
        # Every field is passed: one left out would be read from this process's own environment.
        values: dict[str, Any] = {name: value or cls.model_fields[name].default for name, value in given.items()}
        return cls(**values)
