"""Bytes to JSON and back, for bytes from anywhere.

pydantic_core's parser takes 0.4 µs where json takes 1.7, and refuses NaN, Infinity, bombs of nesting and of digits by
itself. It also refuses a lone surrogate, which would cost the good neighbours of one bad string their message: only
such payloads are read a second time, by json.
"""

import json
from typing import Any, NoReturn

from pydantic_core import from_json

from core.contract.event import Refused

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32


def parse_json(payload: bytes) -> Any:
    """Any JSON value. Raises Refused: too_large above 256 KiB, malformed_json for what is not JSON in UTF-8."""
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", f"The message has {len(payload)} bytes; at most {MAX_BYTES} are taken.")
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        if b"\\ud" in payload or b"\\uD" in payload:
            return _with_lone_surrogates(payload)
        raise Refused("malformed_json", f"The message is not JSON: {error}.") from None


def _with_lone_surrogates(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed_json", f"The message is not JSON: {error}.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def storable(value: Any) -> bool:
    """Whether the database takes this as jsonb: no \\u0000, no lone surrogate, no infinity, no deep nest."""
    if _depth_exceeds(value, MAX_DEPTH):
        return False
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:  # infinity, or a surrogate (UnicodeEncodeError)
        return False
    # Only then a NUL is possible; the escape may also be a harmless backslash before "u0000".
    return "\\u0000" not in text or not _has_nul(value)


def storable_text(text: str) -> bool:
    return text.isprintable() or ("\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text))


def _depth_exceeds(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _members(outer)]
        if not layer:
            return False
    return True


def _members(value: Any) -> list[Any]:
    if type(value) is dict:
        return list(value.values())
    return value if type(value) is list else []


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def to_bytes(value: Any) -> bytes | None:
    """Compact JSON, whatever the strings hold; None for what is nested too deep to write down."""
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        return None
