"""The one error tree. A class docstring is the sentence a person gets when nothing better is known.

AnxinError
├── ConfigurationError      a setting is missing, wrong or contradicts another
├── Unavailable             a server we depend on does not answer (the caller may retry)
├── SchemaMismatch          the database is of another version than this program
├── NotFound                there is no such thing, or it is outside the caller's scope
├── Conflict                the thing is not in a state that allows this
│   └── AlertHeld           another person holds the alert
├── Forbidden               the caller's role does not allow this
└── Invalid                 the input breaks a rule; carries the field and the rule
"""

from dataclasses import dataclass
from datetime import datetime


class AnxinError(Exception):
    """Something went wrong in Anxin."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(AnxinError):
    """A setting is missing or wrong."""


class Unavailable(AnxinError):
    """A server this program depends on does not answer."""


class SchemaMismatch(AnxinError):
    """The database schema is of another version than this program."""


class NotFound(AnxinError):
    """There is no such thing."""


class Conflict(AnxinError):
    """The thing is not in a state that allows this."""

    code = "conflict"

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class AlertHeld(Conflict):
    """Another person holds this alert."""

    code = "alert-held"

    def __init__(self, held_by: str, since: datetime) -> None:
        super().__init__()
        self.held_by = held_by
        self.since = since


class Forbidden(AnxinError):
    """Your role does not allow this."""


@dataclass(frozen=True)
class FieldError:
    """One broken rule: `field` is a dotted path, `rule` a stable code, `message` a sentence."""

    field: str
    rule: str
    message: str


class Invalid(AnxinError):
    """The input breaks a rule."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors) or None)
        self.errors = list(errors)


__all__ = [
    "AlertHeld",
    "AnxinError",
    "ConfigurationError",
    "Conflict",
    "FieldError",
    "Forbidden",
    "Invalid",
    "NotFound",
    "SchemaMismatch",
    "Unavailable",
]
