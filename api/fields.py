"""Kinds of input that several routes take: bounded, and nothing that the database could only refuse."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds no NUL character")
    return text


# A moment with an offset, in the years this platform can mean anything by.
Moment = Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST)]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_printable)
]
DeviceId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="A device's id.")]
