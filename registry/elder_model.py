"""An elder as the registry hands it out (masked) and takes it in, with the rules of its fields."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from core.errors import FieldError, Invalid
from core.runtime.crypto import normalise
from registry import citizen_id, region_codes

GENDERS = frozenset({"female", "male", "unknown"})
STATUSES = frozenset({"home", "away", "hospital", "institution", "paused"})
ENROLMENTS = frozenset({"pending", "active", "suspended", "moved_out", "deceased"})

_OLDEST_YEARS = 130
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PHONE = re.compile(r"\+?[0-9][0-9 \-()]{3,23}")


@dataclass(frozen=True, slots=True)
class NewElder:
    """`living_arrangement` is a word of the field: living_alone, empty_nest, left_behind, with_family, …"""

    name: str
    gender: str
    birth_date: date
    region_code: str
    centre_id: UUID
    living_arrangement: str
    phone: str | None = None
    id_no: str | None = None
    household_id: UUID | None = None
    elder_status: str = "home"
    enrolment: str = "active"


EDITABLE = frozenset(field.name for field in fields(NewElder))


@dataclass(frozen=True, slots=True)
class Elder:
    """Masked as the console may show it: 张*芳, 138****1234, the building. After erasure these three are None."""

    id: UUID
    elder_no: int
    name: str | None
    phone: str | None
    id_no: str | None
    building: str | None
    gender: str
    birth_date: date
    region_code: str
    centre_id: UUID
    household_id: UUID | None
    dwelling_id: UUID | None
    living_arrangement: str
    elder_status: str
    enrolment: str
    version: int
    created_at: datetime
    updated_at: datetime
    erased: bool


@dataclass(frozen=True, slots=True)
class ElderLabel:
    """How an alert names an elder to whoever has not claimed it. After erasure the name is "***"."""

    name_masked: str
    building: str | None
    elder_no: int


@dataclass(frozen=True, slots=True)
class ElderPage:
    items: list[Elder]
    next_cursor: str | None


def check(values: Mapping[str, Any], region_code: str, today: date) -> None:
    """Check the given fields of an elder who lives in `region_code`. Raises Invalid naming every broken rule."""
    rules: dict[str, Callable[[Any], tuple[str, str] | None]] = {
        "name": _name_problem,
        "gender": lambda v: _one_of(v, GENDERS),
        "birth_date": lambda v: _birth_problem(v, today),
        "region_code": lambda v: None if region_codes.is_code(v) else ("form", "A region code is 12 digits."),
        "living_arrangement": lambda v: None if is_word(v) else ("form", "A lower-case word of the field."),
        "elder_status": lambda v: _one_of(v, STATUSES),
        "enrolment": lambda v: _one_of(v, ENROLMENTS),
        "phone": phone_problem,
        "id_no": lambda v: _id_problem(v, region_code, today),
    }
    optional = {"phone", "id_no"}
    errors = []
    for name, rule in rules.items():
        if name not in values:
            continue
        if values[name] is None:
            if name not in optional:
                errors.append(FieldError(name, "missing", "This field cannot be empty."))
        elif problem := rule(values[name]):
            errors.append(FieldError(name, *problem))
    if errors:
        raise Invalid(*errors)


def is_text(text: str, longest: int) -> bool:
    """Something to read: not blank, no control character (the database refuses NUL), no half of a character pair."""
    return bool(text.strip()) and len(text) <= longest and all(c.isprintable() or c in "\u00a0\u3000" for c in text)


def check_reason(reason: str) -> None:
    """Raises Invalid for a reason that tells nobody anything."""
    if not is_text(reason, 500):
        raise Invalid(FieldError("reason", "form", "A reason has 1 to 500 printable characters."))


def is_word(text: str) -> bool:
    """A lower-case word of the field, as codes are."""
    return _WORD.fullmatch(text) is not None


def phone_problem(phone: str) -> tuple[str, str] | None:
    """(rule, sentence) for what cannot be dialled; None for what can."""
    if not _PHONE.fullmatch(phone) or not 3 <= len(normalise("phone", phone)) <= 15:
        return "form", "A phone number has 3 to 15 digits."
    return None


def _name_problem(name: str) -> tuple[str, str] | None:
    return None if is_text(name, 80) else ("form", "A name has 1 to 80 printable characters.")


def _one_of(value: str, allowed: frozenset[str]) -> tuple[str, str] | None:
    return None if value in allowed else ("unknown", f"One of {', '.join(sorted(allowed))}.")


def _birth_problem(born: date, today: date) -> tuple[str, str] | None:
    if born > today:
        return "future", "A birth date lies in the past."
    if today.year - born.year > _OLDEST_YEARS:
        return "too_old", f"Nobody is older than {_OLDEST_YEARS} years."
    return None


_ID_SENTENCES = {
    "form": "An identity number has 17 digits and a check character.",
    "check_digit": "The check character does not fit the digits.",
    "birth_date": "The birth date inside the number is not possible.",
    "test_region": "Numbers that begin with 99 belong to invented people only.",
}


def _id_problem(id_no: str, region_code: str, today: date) -> tuple[str, str] | None:
    # An invented number is as good as its region: 99… numbers live in 99… regions, which only a demo registry has.
    rule = citizen_id.problem(id_no, today, test_region_allowed=region_codes.is_test(region_code))
    return None if rule is None else (rule, _ID_SENTENCES[rule])
