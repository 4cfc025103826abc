"""Citizen identity numbers, GB 11643-1999: 6 digits region, 8 birth date, 3 sequence, 1 check (domain 7.3)."""

import re
from datetime import date, datetime

_FORM = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_OLDEST_YEARS = 130


def check_digit(first_17: str) -> str:
    """The 18th character that belongs to 17 digits."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_17, strict=True)) % 11]


def normal(text: str) -> str:
    """Without spaces, the check letter upper-case."""
    return "".join(text.split()).upper()


def birth_date(id_no: str) -> date | None:
    """The birth date inside; None when there is no such day."""
    try:
        return datetime.strptime(id_no[6:14], "%Y%m%d").date()  # noqa: DTZ007 - a calendar day has no time zone
    except ValueError:
        return None


def is_female(id_no: str) -> bool:
    """The 17th digit is even for women."""
    return int(id_no[16]) % 2 == 0


def problem(text: str, today: date, *, test_region_allowed: bool = False) -> str | None:
    """Why `text` is no valid number, as a stable rule code; None when it is one.

    Codes: form, check_digit, birth_date, test_region. Prefix 99 is assigned to nobody, so it passes only where
    invented people live (region 99…), and only with a right check digit.
    """
    id_no = normal(text)
    if not _FORM.fullmatch(id_no):
        return "form"
    if check_digit(id_no[:17]) != id_no[17]:
        return "check_digit"
    born = birth_date(id_no)
    if born is None or born > today or today.year - born.year > _OLDEST_YEARS:
        return "birth_date"
    if id_no.startswith("99") and not test_region_allowed:
        return "test_region"
    return None
