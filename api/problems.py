"""A refusal of the edge itself (no token, too large, …): status, stable code, and what RFC 9457 lets us add."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import FieldError

TYPE_BASE = "https://anxin.example/problems/"


@dataclass
class Problem(Exception):
    """Raised anywhere below a route; api/errors.py turns it into application/problem+json.

    `code` is a key of api/messages.py; `values` fill its sentence; `extra` becomes members of the document.
    """

    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str | int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.code)
