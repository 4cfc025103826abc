"""When an event happened: what the device says, as far as it can be believed."""

import re
from datetime import UTC, datetime, timedelta

from core.contract.event import Micros
from core.domain.ids import time_inside

SECOND: Micros = 1_000_000
# The contract's window around the receive time.
OLDEST: Micros = 30 * 86_400 * SECOND
NEWEST: Micros = 300 * SECOND

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:(\d\d)(?:\.\d{1,18})?(?:[Zz]|[+-]\d\d:[0-5]\d)",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> Micros:
    return round(at.timestamp() * 1e6)


def instant(at: Micros) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def parse_time(text: object) -> Micros | None:
    """RFC 3339 with an offset, strictly; None for anything else. A leap second is the second after :59."""
    if type(text) is not str:
        return None
    if text[4:20:3] == "--T::." and len(text) in (24, 27) and text[-1] == "Z" and text.startswith("20"):
        # As nearly every device writes it: with the separators in place datetime checks the digits itself.
        try:
            return round(datetime.fromisoformat(text).timestamp() * 1e6)
        except ValueError:  # a leap second perhaps
            return _parse_any_time(text)
    return _parse_any_time(text)


def _parse_any_time(text: str) -> Micros | None:
    if not (match := _RFC3339.fullmatch(text)):
        return None
    leap = match[1] == "60"
    if leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        # datetime takes any separator, but no small z.
        at = round(datetime.fromisoformat(text.upper() if text[-1] == "z" else text).timestamp() * 1e6)
    except (ValueError, OverflowError):
        return None
    return at + SECOND if leap else at


def time_in_id(event_id: str) -> Micros | None:
    """The time inside a ULID or UUIDv7."""
    at = time_inside(event_id)
    return None if at is None else micros(at)
