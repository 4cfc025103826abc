"""Which resolution fits a question, and where an answer is cut: pure.

Finest first: raw, 1m, 1h, 1d. An answer holds at most MAX_ITEMS items, so a chart never waits for a million points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

MAX_ITEMS = 5000


class Resolution(StrEnum):
    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"


FINEST_FIRST = (Resolution.RAW, Resolution.MINUTE, Resolution.HOUR, Resolution.DAY)
WIDTHS = {
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAY: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; `suspect` as the device said."""

    at: datetime
    value: float
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was measured in [at, at + width); buckets without a reading do not exist."""

    at: datetime
    min: float
    max: float
    avg: float
    count: int


Item = TypeVar("Item", Reading, Bucket)


def candidates(resolution: Resolution | None, readings: int) -> Sequence[Resolution]:
    """Resolutions to try in order, given how many readings there are; the first whose items fit is the answer.

    `resolution` None is "auto". Raw is left out when it cannot fit: fetching what will be thrown away is dear.
    """
    if resolution is not None:
        return (resolution,)
    return FINEST_FIRST if readings <= MAX_ITEMS else FINEST_FIRST[1:]


def cut(items: Sequence[Item], limit: int = MAX_ITEMS) -> tuple[list[Item], datetime | None]:
    """At most `limit` items in time order, and the time from which to ask for the rest (None: that was all).

    Items of one instant stay together, unless there are more than `limit` of them.
    """
    if len(items) <= limit:
        return list(items), None
    rest = items[limit].at
    kept = [item for item in items[:limit] if item.at < rest]
    if kept:
        return kept, rest
    return list(items[:limit]), rest + timedelta(microseconds=1)
