"""Codes of regions: 2 digits province, 4 city, 6 county, 9 township, 12 village, padded with zeros (domain 3.1)."""

import re
from typing import Literal

Level = Literal["province", "city", "county", "township", "village"]

_DIGITS: tuple[tuple[Level, int], ...] = (("province", 2), ("city", 4), ("county", 6), ("township", 9), ("village", 12))
_CODE = re.compile(r"[0-9]{12}")

# Not assigned to any province: everything invented lives there, and nothing real.
TEST_PROVINCE = "99"


def is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None and text[:2] != "00"


def level(code: str) -> Level:
    """The level at which the rest of `code` is zeros. `9910…` is city 9910, not the digits 991 and a padding zero."""
    for name, digits in _DIGITS:
        if set(code[digits:]) <= {"0"}:
            return name
    raise ValueError(f"{code!r} is not a region code")


def prefix(code: str) -> str:
    """What every code of the subtree of `code`, itself included, begins with."""
    return code[: dict(_DIGITS)[level(code)]]


def parent(code: str) -> str | None:
    """The code one level up; None for a province."""
    names = [name for name, _ in _DIGITS]
    at = names.index(level(code))
    return None if at == 0 else code[: _DIGITS[at - 1][1]].ljust(12, "0")


def is_test(code: str) -> bool:
    return code.startswith(TEST_PROVINCE)
