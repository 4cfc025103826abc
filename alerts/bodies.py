"""The bodies of actions, checked: each reader returns clean values or raises Invalid naming field and rule."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from alerts.vocabulary import EXTERNAL_SERVICES, CloseCode
from core.errors import FieldError, Invalid

Body = Mapping[str, Any]

MAX_TEXT = 2000
MAX_WORD = 64
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


def required_text(body: Body, field: str, *, longest: int = MAX_TEXT) -> str:
    text = optional_text(body, field, longest=longest)
    if text is None:
        raise Invalid(FieldError(field, "required", f"`{field}` is needed."))
    return text


def optional_text(body: Body, field: str, *, longest: int = MAX_TEXT) -> str | None:
    """Trimmed; a text of blanks alone counts as none."""
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid(FieldError(field, "string", f"`{field}` is a text."))
    if len(value) > longest:
        raise Invalid(FieldError(field, "max_length", f"`{field}` has at most {longest} characters."))
    if "\x00" in value:  # PostgreSQL stores no NUL
        raise Invalid(FieldError(field, "no_nul", f"`{field}` contains a NUL character."))
    return value.strip() or None


def choice(body: Body, field: str, known: Iterable[str]) -> str:
    words = [str(word) for word in known]
    value = required_text(body, field, longest=MAX_WORD)
    if value not in words:
        raise Invalid(FieldError(field, "choice", f"`{field}` is one of: {', '.join(words)}."))
    return value


def close_code(body: Body) -> str:
    """A plain word; the platform's own codes say who closed it, so people can't use them."""
    code = required_text(body, "code", longest=MAX_WORD)
    if not _CODE.fullmatch(code):
        raise Invalid(FieldError("code", "pattern", "`code` is a word of a-z, 0-9 and _."))
    if code in {own.value for own in CloseCode}:
        raise Invalid(FieldError("code", "reserved", f"`{code}` is set by the platform alone."))
    return code


def dispatch_target(body: Body) -> tuple[UUID | None, str | None]:
    """(responder, None) or (None, service): exactly one is given."""
    if (body.get("responder_id") is None) == (body.get("service") is None):
        raise Invalid(FieldError("responder_id", "exactly_one", "Give either `responder_id` or `service`."))
    if body.get("service") is not None:
        return None, choice(body, "service", EXTERNAL_SERVICES)
    given = body["responder_id"]
    try:
        return given if isinstance(given, UUID) else UUID(required_text(body, "responder_id", longest=MAX_WORD)), None
    except ValueError:
        raise Invalid(FieldError("responder_id", "uuid", "`responder_id` is the id of an account.")) from None


def proof(body: Body) -> str | dict[str, str]:
    """A text, or an object of texts such as {"kind": "nfc", "ref": "…"}."""
    given = body.get("proof")
    if not isinstance(given, Mapping):
        return required_text(body, "proof", longest=500)
    texts = {str(name): optional_text(given, str(name), longest=500) for name in given}
    clean = {name: text for name, text in texts.items() if text}
    if not clean or len(clean) > 10:
        raise Invalid(FieldError("proof", "required", "`proof` says how the arrival is known, in 1 to 10 members."))
    return clean
