"""Cursors of lists: opaque to the caller, the last row's key to us."""

import base64
import binascii
from uuid import UUID

from core.errors import FieldError, Invalid


def write_uuid(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")


def read_uuid(cursor: str | None) -> UUID | None:
    """None for the first page. Raises Invalid for what `write_uuid` never wrote."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise Invalid(FieldError("cursor", "form", "This cursor is not one of ours.")) from None
