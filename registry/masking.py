"""What may be shown of a person without a reason: 张*芳, 138****1234, 3****************8, the building (ux 2.15)."""

import re

_LATIN_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
# Up to and including what names a building or, in a village, the group of houses: never a house or a room number.
_BUILDING = re.compile(r"^.*?(?:\d+|[A-Za-z]|[一二三四五六七八九十东西南北]+)\s*(?:号楼|栋|幢|座)")
_VILLAGE_GROUP = re.compile(r"^.*?(?:村|屯|寨|庄)(?:[^号]*?(?:组|队))?")
_BLOCK = re.compile(r"^.*?(?:小区|花园|家园|新村|公寓|社区|大院)")


def mask_name(name: str) -> str:
    """张芳 → 张*, 张小芳 → 张*芳, 欧阳小芳 → 欧**芳; Latin words keep their first letter: Ann Smith → A*** S***."""
    name = name.strip()
    if _is_latin(name):
        return " ".join(f"{word[0]}***" for word in _LATIN_WORD.findall(name)) or "***"
    if len(name) <= 1:
        return "*"
    if len(name) == 2:
        return f"{name[0]}*"
    return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


def mask_phone(phone: str) -> str:
    """138****1234. Shorter numbers keep two digits, and what is too short to hide anything shows nothing."""
    digits = "".join(c for c in phone if c.isdecimal())
    if len(digits) == 13 and digits.startswith("86"):
        digits = digits[2:]
    if len(digits) >= 11:
        return f"{digits[:3]}{'*' * (len(digits) - 7)}{digits[-4:]}"
    if len(digits) >= 7:
        return f"{'*' * (len(digits) - 2)}{digits[-2:]}"
    return "*" * len(digits)


def mask_id_no(id_no: str) -> str:
    """First and last character: 3****************8."""
    return "*" * len(id_no) if len(id_no) < 8 else f"{id_no[0]}{'*' * (len(id_no) - 2)}{id_no[-1]}"


def building_of(address: str) -> str:
    """The part of an address that names no home: up to the building, the village group or the housing estate.

    An address in which none of them is found gives "": showing nothing is the safe reading of what we do not know.
    """
    for pattern in (_BUILDING, _VILLAGE_GROUP, _BLOCK):
        if found := pattern.match(address):
            return found.group().strip()
    return ""


def _is_latin(name: str) -> bool:
    return bool(name) and all(c.isascii() or "\u00c0" <= c <= "\u024f" for c in name)
