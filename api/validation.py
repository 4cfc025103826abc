"""pydantic's report of a wrong input as our `errors: [{field, rule, message}]`, in the caller's language."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.messages import Language, rule_text
from core.errors import FieldError

# Prefix of pydantic's error type → our stable rule.
_RULES: tuple[tuple[str, str], ...] = (
    ("missing", "missing"),
    ("extra_forbidden", "extra_forbidden"),
    ("json_invalid", "json_invalid"),
    ("literal_error", "choice"),
    ("enum", "choice"),
    ("string_too_short", "too_short"),
    ("string_too_long", "too_long"),
    ("too_short", "too_short"),
    ("too_long", "too_long"),
    ("greater_than", "too_small"),
    ("less_than", "too_large"),
    ("string_pattern_mismatch", "pattern"),
    ("timezone", "date_time"),
    ("datetime", "date_time"),
    ("date", "date_time"),
    ("uuid", "uuid"),
)


def rule_of(kind: str) -> str:
    """The rule a pydantic error type stands for: one of ours, `type` for a wrong type, else `not_valid`."""
    for prefix, rule in _RULES:
        if kind.startswith(prefix):
            return rule
    return "type" if kind.endswith(("_type", "_parsing", "_attributes_type")) else "not_valid"


def field_errors(errors: Sequence[Mapping[str, Any]], language: Language) -> list[FieldError]:
    """`field` is a dotted path without where it was (body, query, header). Input values are never repeated."""
    found = []
    for error in errors:
        rule = rule_of(error["type"])
        context = error.get("ctx") or {}
        values = {
            "expected": context.get("expected", ""),
            "min_length": context.get("min_length", ""),
            "max_length": context.get("max_length", ""),
            "low": context.get("ge", context.get("gt", "")),
            "high": context.get("le", context.get("lt", "")),
        }
        place, *inside = error["loc"]
        path = ".".join(str(part) for part in inside) or str(place)
        found.append(FieldError(path, rule, rule_text(rule, language, **values)))
    return found
