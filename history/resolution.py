"""What a series of readings may be summed up by."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Resolution(StrEnum):
    """Finest first. Minutes and hours are the same everywhere, days are those of a time zone."""

    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"


WIDTHS = {Resolution.MINUTE: MINUTE, Resolution.HOUR: HOUR, Resolution.DAY: timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was measured in [at, at + width); buckets without a reading do not exist."""

    at: datetime
    min: float
    max: float
    avg: float
    count: int


def floor(at: datetime, width: timedelta) -> datetime:
    """The newest multiple of `width` since 1970 that is not after `at`."""
    return at - (at - EPOCH) % width


def ceiling(at: datetime, width: timedelta) -> datetime:
    return at + (EPOCH - at) % width
