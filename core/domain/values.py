"""Shapes of event values: each checks a decoded JSON value and describes itself as JSON Schema.

`check` answers None (good) or one of the contract's reason codes `bad_value` and `out_of_range`.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

BAD_VALUE = "bad_value"
OUT_OF_RANGE = "out_of_range"


class Shape(Protocol):
    def check(self, value: Any) -> str | None: ...

    def json_schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Boolean:
    def check(self, value: Any) -> str | None:
        return None if value is True or value is False else BAD_VALUE

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A finite JSON number within [low, high]; True and False are not numbers."""

    low: float
    high: float
    integer: bool = False

    def check(self, value: Any) -> str | None:
        kind = type(value)
        if kind is not int and (self.integer or kind is not float or not isfinite(value)):
            return BAD_VALUE
        return None if self.low <= value <= self.high else OUT_OF_RANGE

    def json_schema(self) -> dict[str, Any]:
        kind = "integer" if self.integer else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Choice:
    values: tuple[str, ...]

    def check(self, value: Any) -> str | None:
        return None if isinstance(value, str) and value in self.values else BAD_VALUE

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Text:
    max_chars: int

    def check(self, value: Any) -> str | None:
        return None if isinstance(value, str) and len(value) <= self.max_chars else BAD_VALUE

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.max_chars}


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object with these members; unknown members are kept, devices grow new ones."""

    required: tuple[tuple[str, Shape], ...] = ()
    optional: tuple[tuple[str, Shape], ...] = ()

    def check(self, value: Any) -> str | None:
        if not isinstance(value, dict):
            return BAD_VALUE
        for name, shape in self.required:
            if name not in value:
                return BAD_VALUE
            if problem := shape.check(value[name]):
                return problem
        for name, shape in self.optional:
            if value.get(name) is not None and (problem := shape.check(value[name])):
                return problem
        return None

    def json_schema(self) -> dict[str, Any]:
        members = {name: shape.json_schema() for name, shape in (*self.required, *self.optional)}
        schema: dict[str, Any] = {"type": "object", "properties": members}
        if self.required:
            schema["required"] = [name for name, _ in self.required]
        return schema


@dataclass(frozen=True, slots=True)
class AnyOf:
    shapes: tuple[Shape, ...]

    def check(self, value: Any) -> str | None:
        problems = [shape.check(value) for shape in self.shapes]
        if None in problems:
            return None
        return OUT_OF_RANGE if OUT_OF_RANGE in problems else BAD_VALUE

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [shape.json_schema() for shape in self.shapes]}
