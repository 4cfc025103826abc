"""Lists: `{"items": […], "next_cursor": …|null}` with opaque keyset cursors, stable while rows are added."""

import base64
import binascii
import json
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from core.errors import FieldError, Invalid

Item = TypeVar("Item")
MAX_LIMIT = 500
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items of one answer.")]
CursorText = Annotated[
    str | None, Query(max_length=512, description="`next_cursor` of the previous answer; left out: from the start.")
]


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on; null: this was the last page.")


def write_cursor(*key: str | int) -> str:
    """An opaque text of the last row's sort key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, parts: int) -> list[str | int]:
    """The `parts` values given to write_cursor. Raises Invalid for anything else, never a database error."""
    try:
        key = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        key = None
    if not isinstance(key, list) or len(key) != parts or not all(type(part) in (str, int) for part in key):
        raise bad_cursor()
    return key


def bad_cursor() -> Invalid:
    return Invalid(FieldError("cursor", "cursor", "This is not a cursor of this list."))
