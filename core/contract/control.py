"""Payloads of `…/up/status` (birth and last will) and `…/up/result` (what became of a command). Pure."""

from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from core.contract.event import Refused
from core.contract.json_text import parse_json, storable_text

Outcome = Literal["done", "refused", "failed"]
_MAX_CHARS = {"session": 64, "detail": 500}


@dataclass(frozen=True, slots=True)
class LinkWord:
    """`at` is left out on purpose: a last will's was written when the session began, so the receive time counts."""

    online: bool
    session: str | None


@dataclass(frozen=True, slots=True)
class ResultWord:
    command_id: UUID
    outcome: Outcome
    detail: str | None


def decode_status(payload: bytes) -> LinkWord:
    """Raises Refused."""
    message = _object(payload)
    status = message.get("status")
    if status not in ("online", "offline"):
        raise Refused("bad_value", 'status must be "online" or "offline".')
    return LinkWord(status == "online", _text(message, "session"))


def decode_result(payload: bytes) -> ResultWord:
    """Raises Refused."""
    message = _object(payload)
    try:
        command_id = UUID(message.get("id"))
    except (ValueError, TypeError, AttributeError):
        raise Refused("bad_value", "id must be the id of a command.") from None
    outcome = message.get("outcome")
    if outcome not in ("done", "refused", "failed"):
        raise Refused("bad_value", 'outcome must be "done", "refused" or "failed".')
    return ResultWord(command_id, cast(Outcome, outcome), _text(message, "detail"))


def _object(payload: bytes) -> dict[str, Any]:
    message = parse_json(payload)
    if type(message) is not dict:
        raise Refused("malformed_json", "The message must be a JSON object.")
    return message


def _text(message: dict[str, Any], name: str) -> str | None:
    text = message.get(name)
    if text is None:
        return None
    if type(text) is not str or len(text) > _MAX_CHARS[name] or not storable_text(text):
        raise Refused("bad_value", f"{name} must be a string of at most {_MAX_CHARS[name]} characters.")
    return text
